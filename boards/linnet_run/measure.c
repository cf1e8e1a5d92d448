/* Measuring through the trace hook. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t nanoseconds(void) { return read_clock(CLOCK_MONOTONIC); }

static void print_list(FILE *to, const char *name, const uint64_t *numbers, uint32_t count) {
    fprintf(to, "\"%s\":[", name);
    for (uint32_t i = 0; i < count; i++) {
        fprintf(to, "%s%" PRIu64, i ? "," : "", numbers[i]);
    }
    fputc(']', to);
}

void print_times(FILE *to, session *s, const uint8_t *input, uint32_t warmup, uint32_t runs) {
    uint64_t *times = allocate(2 * (uint64_t)runs * sizeof *times);
    uint64_t *worked = times + runs;
    for (uint32_t i = 0; i < warmup; i++) {
        infer(s, input);
    }
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t busy = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        uint64_t start = nanoseconds();
        infer(s, input);
        times[i] = nanoseconds() - start;
        worked[i] = read_clock(CLOCK_PROCESS_CPUTIME_ID) - busy;
    }
    print_list(to, "nanoseconds", times, runs);
    fputs(",\n", to);
    print_list(to, "cpu_nanoseconds", worked, runs);
    free(times);
}

typedef struct profile {
    uint64_t last;
    uint64_t *spent; /* of each operator */
    uint32_t *steps;
} profile;

static void tick(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                 uint32_t row_bytes, uint32_t layout) {
    profile *p = context;
    (void)y, (void)n, (void)x, (void)xn, (void)data, (void)row_bytes, (void)layout;
    p->spent[op] += nanoseconds() - p->last;
    p->steps[op]++;
    p->last = nanoseconds();
}

void print_profile(FILE *to, session *s, const uint8_t *input, uint32_t runs) {
    uint32_t ops = s->net.op_count;
    uint64_t *spent = allocate((uint64_t)runs * ops * sizeof *spent);
    uint32_t *steps = allocate((uint64_t)ops * sizeof *steps);
    for (uint32_t run = 0; run < runs; run++) {
        profile p = {.spent = spent + (size_t)run * ops, .steps = steps, .last = nanoseconds()};
        memset(steps, 0, ops * sizeof *steps);
        infer_traced(s, input, tick, &p);
    }
    fprintf(to, "\"operators\":[");
    for (uint32_t op = 0; op < ops; op++) {
        lnt_params params = lnt_op_params(&s->net, &s->net.ops[op]);
        fprintf(to, "%s{\"index\":%" PRIu32 ",\"kernel\":\"%s\",\"steps\":%" PRIu32 ",\"nanoseconds\":[",
                op ? ",\n" : "\n", op, lnt_choose(s->net.kernels, &params)->name, steps[op]);
        for (uint32_t run = 0; run < runs; run++) {
            fprintf(to, "%s%" PRIu64, run ? "," : "", spent[(size_t)run * ops + op]);
        }
        fputs("]}", to);
    }
    fputs("\n]", to);
    free(spent);
    free(steps);
}

typedef struct hashes {
    const lnt_net *net;
    uint32_t *of_op;
} hashes;

static uint32_t fnv1a(uint32_t hash, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 16777619u;
    }
    return hash;
}

/* Pieces come in any order: each pixel is hashed with its place, and the hashes are summed. */
static void hash_pixels(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                        uint32_t row_bytes, uint32_t layout) {
    hashes *h = context;
    (void)layout;
    const lnt_tensor *tensor = &h->net->tensors[h->net->ops[op].output];
    uint32_t pixel = tensor->channels * lnt_element_bytes(tensor);
    for (uint32_t i = 0; i < n * xn; i++) {
        uint32_t numbers[2] = {y + i / xn, x + i % xn};
        uint8_t place[sizeof numbers];
        memcpy(place, numbers, sizeof place);
        const uint8_t *at = (const uint8_t *)data + (size_t)(i / xn) * row_bytes + (size_t)(i % xn) * pixel;
        h->of_op[op] += fnv1a(fnv1a(2166136261u, place, sizeof place), at, pixel);
    }
}

void print_hashes(FILE *to, session *s, const uint8_t *input) {
    hashes h = {.net = &s->net, .of_op = allocate((uint64_t)s->net.op_count * sizeof(uint32_t))};
    infer_traced(s, input, hash_pixels, &h);
    fprintf(to, "\"hashes\":[");
    for (uint32_t op = 0; op < s->net.op_count; op++) {
        fprintf(to, "%s\"%08" PRIx32 "\"", op ? "," : "", h.of_op[op]);
    }
    fputc(']', to);
    free(h.of_op);
}

/* The counter in the emulator knows this function by its address. */
__attribute__((noinline)) void linnet_mark(void) { __asm__ volatile("" ::: "memory"); }

/* A list that grows. */
typedef struct numbers {
    uint64_t *values;
    uint32_t count;
    uint32_t room;
} numbers;

static void append(numbers *n, uint64_t value) {
    if (n->count == n->room) {
        n->room = 2 * n->room + 1024;
        n->values = realloc(n->values, n->room * sizeof *n->values);
        if (n->values == NULL) {
            fail("memory", "there is not enough of it");
        }
    }
    n->values[n->count++] = value;
}

static void mark(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                 uint32_t row_bytes, uint32_t layout) {
    linnet_mark();
    (void)y, (void)n, (void)x, (void)xn, (void)data, (void)row_bytes, (void)layout;
    append(context, op);
    linnet_mark();
}

/* The tasks of a step one after another, so that nobody waits and what is counted is work. */
static void marked_tasks(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count) {
    linnet_mark();
    append(context, count);
    for (uint32_t i = 0; i < count; i++) {
        linnet_mark();
        task(arg, i);
        linnet_mark();
    }
}

/* As infer(), but the input lies where lnt_run() wants it already. */
static void marked_run(session *s, const uint8_t *input) {
    bool whole = lnt_input(&s->net) != NULL;
    if (whole) {
        memcpy(lnt_input(&s->net), input, lnt_input_bytes(&s->net));
    }
    linnet_mark();
    if (whole) {
        lnt_run(&s->net);
    } else {
        infer(s, input);
    }
    linnet_mark();
}

static void print_marked_tasks(FILE *to, session *s, const uint8_t *input, uint32_t threads) {
    numbers tasks = {0};
    lnt_hooks alone = s->hooks;
    s->hooks.parallel_for = marked_tasks;
    s->hooks.parallel_context = &tasks;
    s->hooks.workers = threads;
    lnt_set_hooks(&s->net, &s->hooks);
    marked_run(s, input);
    s->hooks = alone;
    lnt_set_hooks(&s->net, &s->hooks);
    print_list(to, "tasks", tasks.values, tasks.count);
    fputs(",\n", to);
    free(tasks.values);
}

void print_marks(FILE *to, session *s, const uint8_t *input, uint32_t threads) {
    numbers ops = {0};
    marked_run(s, input);
    set_trace(s, mark, &ops);
    marked_run(s, input);
    set_trace(s, NULL, NULL);
    if (threads > 1) {
        print_marked_tasks(to, s, input, threads);
    }
    print_list(to, "marks", ops.values, ops.count);
    fputs(",\n\"kernel_names\":[", to);
    for (uint32_t op = 0; op < s->net.op_count; op++) {
        lnt_params params = lnt_op_params(&s->net, &s->net.ops[op]);
        fprintf(to, "%s\"%s\"", op ? "," : "", lnt_choose(s->net.kernels, &params)->name);
    }
    fputc(']', to);
    free(ops.values);
}

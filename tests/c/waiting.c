/* Times every step of a network and what its threads do meanwhile.
 *
 * Usage: waiting MODEL.lnt THREADS RUNS
 *
 * A step is what the net does between two calls of the trace hook. Of each step that run counts in which it was
 * quickest: on a machine with other work the others say how long that took. Prints, in nanoseconds: the sum of the
 * steps with one thread, with THREADS, the part of the latter in which one thread alone worked, and the time that
 * threads waited for others inside shared steps, summed over the threads. */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "linnet_threads.h"

enum { MOST_STEPS = 100000, MOST_TASKS = 1024 };

typedef struct step {
    int64_t wall;
    int64_t shared; /* of it in parallel_for */
    int64_t busy;   /* of the shared part, summed over the tasks */
} step;

typedef struct watch {
    lnt_hooks inner;
    void (*task)(void *arg, uint32_t i);
    void *arg;
    int64_t task_ns[MOST_TASKS];
    int64_t last;
    step now;
    step *best;
    uint32_t steps;
    bool first_run;
} watch;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "waiting: %s: %s\n", what, why);
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void timed_task(void *arg, uint32_t i) {
    watch *w = arg;
    int64_t start = now();
    w->task(w->arg, i);
    w->task_ns[i] = now() - start;
}

static void timed_for(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count) {
    watch *w = context;
    if (count > MOST_TASKS) {
        fail("parallel_for", "more tasks than this program counts");
    }
    w->task = task;
    w->arg = arg;
    int64_t start = now();
    w->inner.parallel_for(w->inner.parallel_context, timed_task, w, count);
    w->now.shared += now() - start;
    for (uint32_t i = 0; i < count; i++) {
        w->now.busy += w->task_ns[i];
    }
}

static void end_step(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                     uint32_t row_bytes, uint32_t layout) {
    (void)op, (void)y, (void)n, (void)x, (void)xn, (void)data, (void)row_bytes, (void)layout;
    watch *w = context;
    if (w->steps == MOST_STEPS) {
        fail("trace", "more steps than this program counts");
    }
    w->now.wall = now() - w->last;
    step *best = &w->best[w->steps++];
    if (w->first_run || w->now.wall < best->wall) {
        *best = w->now;
    }
    w->now = (step){0};
    w->last = now();
}

static void run_once(lnt_net *net, const uint8_t *input, watch *w) {
    w->steps = 0;
    w->last = now();
    int err = LNT_OK;
    if (lnt_input(net) != NULL) {
        memcpy(lnt_input(net), input, lnt_input_bytes(net));
        w->last = now();
        err = lnt_run(net);
    } else {
        int32_t info[5];
        float scale;
        lnt_tensor_info(net, 0, info, &scale);
        lnt_begin(net);
        err = lnt_push_rows(net, input, (uint32_t)info[0]);
    }
    if (err != LNT_OK) {
        fail("run", lnt_error_text(err));
    }
}

static void *allocate(size_t bytes) {
    void *memory = aligned_alloc(LNT_PACK_ALIGN, (bytes / LNT_PACK_ALIGN + 1) * LNT_PACK_ALIGN);
    if (memory == NULL) {
        fail("aligned_alloc", "out of memory");
    }
    memset(memory, 0, bytes);
    return memory;
}

static void *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail(path, "cannot open it");
    }
    *bytes = (size_t)ftell(file);
    rewind(file);
    void *contents = allocate(*bytes);
    if (fread(contents, 1, *bytes, file) != *bytes) {
        fail(path, "cannot read it");
    }
    fclose(file);
    return contents;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fail("usage", "waiting MODEL.lnt THREADS RUNS");
    }
    uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
    long runs = strtol(argv[3], NULL, 10);
    size_t model_bytes;
    void *model = read_file(argv[1], &model_bytes);
    int64_t arena_bytes = lnt_arena_bytes(model, model_bytes);
    if (arena_bytes < 0) {
        fail(argv[1], lnt_error_text((int)arena_bytes));
    }
    void *arena = allocate((size_t)arena_bytes);
    lnt_net net;
    int err = lnt_open(&net, model, model_bytes, arena, (size_t)arena_bytes);
    size_t packed_bytes = err == LNT_OK ? (size_t)lnt_packed_bytes(&net, NULL) : 0;
    void *packed = allocate(packed_bytes);
    lnt_threads *threads = allocate(lnt_threads_bytes(count));
    err = err == LNT_OK ? lnt_pack(&net, NULL, packed, packed_bytes) : err;
    err = err == LNT_OK ? lnt_threads_start(threads, count) : err;
    if (err != LNT_OK) {
        fail(argv[1], lnt_error_text(err));
    }
    uint8_t *input = allocate(lnt_input_bytes(&net));
    for (size_t i = 0; i < lnt_input_bytes(&net); i++) {
        input[i] = (uint8_t)(i * 2654435761u >> 24);
    }

    watch alone = {.best = allocate(MOST_STEPS * sizeof(step))};
    watch shared = {.best = allocate(MOST_STEPS * sizeof(step))};
    lnt_hooks hooks_alone = {.trace = end_step, .context = &alone};
    lnt_hooks hooks_shared = {.trace = end_step, .context = &shared};
    lnt_threads_hooks(threads, &shared.inner);
    hooks_shared.parallel_for = timed_for;
    hooks_shared.parallel_context = &shared;
    hooks_shared.workers = shared.inner.workers;
    hooks_shared.least_work = shared.inner.least_work;
    for (long run = 0; run < runs; run++) {
        alone.first_run = shared.first_run = run == 0;
        lnt_set_hooks(&net, &hooks_alone);
        run_once(&net, input, &alone);
        lnt_set_hooks(&net, &hooks_shared);
        run_once(&net, input, &shared);
    }
    lnt_threads_stop(threads);

    step total = {0};
    int64_t one = 0;
    uint32_t steps_shared = 0;
    for (uint32_t i = 0; i < shared.steps; i++) {
        one += alone.best[i].wall;
        total.wall += shared.best[i].wall;
        total.shared += shared.best[i].shared;
        total.busy += shared.best[i].busy;
        steps_shared += shared.best[i].shared != 0;
    }
    printf("{\"threads\": %lu, \"runs\": %ld, \"kernels\": \"%s\", \"steps\": %lu, \"steps_shared\": %lu, ",
           (unsigned long)count, runs, lnt_family_name(0), (unsigned long)shared.steps, (unsigned long)steps_shared);
    printf("\"one_thread_ns\": %lld, \"ns\": %lld, \"alone_ns\": %lld, \"waiting_ns\": %lld}\n", (long long)one,
           (long long)total.wall, (long long)(total.wall - total.shared),
           (long long)(total.shared * count - total.busy));
    free(shared.best);
    free(alone.best);
    free(input);
    free(threads);
    free(packed);
    free(arena);
    free(model);
    return 0;
}

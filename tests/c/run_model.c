/* Runs a model on raw input bytes and prints a hash of every operator's output and the answer's bytes, the same on
 * every machine. Needs nothing but a C library: on bare Cortex-M, newlib with semihosting.
 *
 * Usage: run_model MODEL.lnt INPUT.bin [--rows] [--poison] [--split N]
 *   --rows     push the input row by row (done anyway where the plan takes the input in no other way)
 *   --poison   fill arena and guards around it with a pattern, look at the guards afterwards, and report how much of
 *              the arena was touched
 *   --split N  cut steps into up to N tasks and run them last to first */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { GUARD = 64, PATTERN = 0xA5 };

typedef struct options {
    const char *model;
    const char *input;
    bool rows;
    bool poison;
    uint32_t tasks;
} options;

/* 16-byte aligned, with GUARD bytes on either side. */
typedef struct block {
    void *memory;
    uint8_t *bytes;
    size_t size;
} block;

typedef struct hashes {
    const lnt_net *net;
    uint32_t *of_op;
} hashes;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "run_model: %s: %s\n", what, why);
    exit(1);
}

static block allocate(size_t size) {
    block b = {.memory = malloc(size + 2 * GUARD + LNT_ALIGN), .size = size};
    if (b.memory == NULL) {
        fail("malloc", "out of memory");
    }
    uint8_t *start = (uint8_t *)b.memory + (LNT_ALIGN - (uintptr_t)b.memory % LNT_ALIGN) % LNT_ALIGN;
    memset(start, PATTERN, size + 2 * GUARD);
    b.bytes = start + GUARD;
    return b;
}

static block read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail(path, "cannot open it");
    }
    block contents = allocate((size_t)ftell(file));
    rewind(file);
    if (fread(contents.bytes, 1, contents.size, file) != contents.size) {
        fail(path, "cannot read it");
    }
    fclose(file);
    return contents;
}

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
        uint32_t place[2] = {y + i / xn, x + i % xn};
        const uint8_t *at = (const uint8_t *)data + (size_t)(i / xn) * row_bytes + (size_t)(i % xn) * pixel;
        h->of_op[op] += fnv1a(fnv1a(2166136261u, place, sizeof place), at, pixel);
    }
}

static void run_tasks(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count) {
    (void)context;
    while (count != 0) {
        task(arg, --count);
    }
}

static void check(int code, const char *what) {
    if (code != LNT_OK) {
        fail(what, lnt_error_text(code));
    }
}

static void run(lnt_net *net, const options *o, block input) {
    if (input.size != lnt_input_bytes(net)) {
        fail(o->input, "its length is not that of the network's input");
    }
    if (!o->rows && lnt_input(net) != NULL) {
        memcpy(lnt_input(net), input.bytes, input.size);
        check(lnt_run(net), "lnt_run");
        return;
    }
    uint32_t height = net->tensors[0].height;
    check(lnt_begin(net), "lnt_begin");
    for (uint32_t y = 0; y < height; y++) {
        check(lnt_push_rows(net, input.bytes + y * (input.size / height), 1), "lnt_push_rows");
    }
    check(lnt_finish(net), "lnt_finish");
}

static void check_guards(block arena) {
    for (size_t i = 0; i < GUARD; i++) {
        if (arena.bytes[arena.size + i] != PATTERN || (arena.bytes - GUARD)[i] != PATTERN) {
            fail("arena", "bytes outside it were written");
        }
    }
    size_t touched = arena.size;
    while (touched != 0 && arena.bytes[touched - 1] == PATTERN) {
        touched--;
    }
    printf("arena %lu bytes, touched up to %lu\n", (unsigned long)arena.size, (unsigned long)touched);
}

static void print_answer(const lnt_net *net) {
    int32_t info[5];
    float scale;
    check(lnt_tensor_info(net, 1, info, &scale), "lnt_tensor_info");
    size_t bytes = (size_t)info[0] * (size_t)info[1] * (size_t)info[2] * (size_t)info[3];
    const uint8_t *answer = lnt_output(net);
    printf("answer ");
    for (size_t i = 0; i < bytes; i++) {
        printf("%02x", answer[i]);
    }
    printf("\n");
}

static options parse(int argc, char **argv) {
    options o = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rows") == 0) {
            o.rows = true;
        } else if (strcmp(argv[i], "--poison") == 0) {
            o.poison = true;
        } else if (strcmp(argv[i], "--split") == 0 && i + 1 < argc) {
            o.tasks = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (o.model == NULL) {
            o.model = argv[i];
        } else if (o.input == NULL) {
            o.input = argv[i];
        } else {
            fail(argv[i], "what is this?");
        }
    }
    if (o.input == NULL) {
        fail("usage", "run_model MODEL.lnt INPUT.bin [--rows] [--poison] [--split N]");
    }
    return o;
}

int main(int argc, char **argv) {
    options o = parse(argc, argv);
    block model = read_file(o.model);
    block input = read_file(o.input);
    int64_t wanted = lnt_arena_bytes(model.bytes, model.size);
    if (wanted < 0) {
        fail(o.model, lnt_error_text((int)wanted));
    }
    block arena = allocate((size_t)wanted);
    lnt_net net;
    check(lnt_open(&net, model.bytes, model.size, arena.bytes, arena.size), o.model);

    hashes h = {.net = &net, .of_op = calloc(net.op_count, sizeof(uint32_t))};
    if (h.of_op == NULL) {
        fail("calloc", "out of memory");
    }
    lnt_hooks hooks = {.context = &h, .parallel_for = run_tasks, .workers = o.tasks, .trace = hash_pixels};
    lnt_set_hooks(&net, &hooks);
    run(&net, &o, input);
    for (uint32_t i = 0; i < net.op_count; i++) {
        lnt_params params = lnt_op_params(&net, &net.ops[i]);
        printf("op %lu %s %08lx\n", (unsigned long)i, lnt_choose(net.kernels, &params)->name,
               (unsigned long)h.of_op[i]);
    }
    print_answer(&net);
    if (o.poison) {
        check_guards(arena);
    }
    free(h.of_op);
    free(arena.memory);
    free(input.memory);
    free(model.memory);
    return 0;
}

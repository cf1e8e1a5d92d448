/* Damages a model file in every way that a test can afford and opens and runs what is left: any error code and any
 * answer will do, a fault will not. Every byte takes every single-bit flip and some values, as is (then the CRC must
 * object) and with the CRC put right (then the checker must). Every length is tried too, and random damage in several
 * places. Build with -fsanitize=address,undefined; model and arena lie in heap blocks of exactly their size.
 *
 * Usage: fuzz_damage MODEL.lnt [STRIDE [RANDOM_CASES [SEED]]]      STRIDE: take only every so many bytes and lengths */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

/* Damage may ask for more arena than the sound file; more than this it does not get. */
enum { MAX_ARENA = 64 << 10 };

/* Without the address sanitizer, bytes around the arena stand guard. */
#if defined(__SANITIZE_ADDRESS__)
#define GUARD 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUARD 0
#endif
#endif
#ifndef GUARD
#define GUARD 64
#endif

enum { CODES = 16, GUARD_BYTE = 0xA5 };

typedef struct counts {
    unsigned long cases;
    unsigned long by_code[CODES];
} counts;

static volatile uint32_t sink; /* keeps the reads below alive */

static void fail(const char *what) {
    fprintf(stderr, "fuzz_damage: %s\n", what);
    exit(1);
}

static uint8_t *allocate(size_t bytes) {
    uint8_t *block = malloc(bytes ? bytes : 1);
    if (block == NULL || (uintptr_t)block % LNT_ALIGN != 0) {
        fail("malloc gave no 16-byte aligned block");
    }
    return block;
}

static void read_bytes(const void *bytes, size_t count) {
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += ((const uint8_t *)bytes)[i];
    }
    sink += sum;
}

static void read_rows(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                      uint32_t row_bytes, uint32_t layout) {
    const lnt_net *net = context;
    (void)y, (void)x, (void)layout;
    const lnt_tensor *tensor = &net->tensors[net->ops[op].output];
    for (uint32_t i = 0; i < n; i++) {
        read_bytes((const uint8_t *)data + (size_t)i * row_bytes,
                   (size_t)xn * tensor->channels * lnt_element_bytes(tensor));
    }
}

/* Tasks one after the other, the last first. */
static void run_tasks(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count) {
    (void)context;
    while (count != 0) {
        task(arg, --count);
    }
}

static void fill(uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(i * 37 + i / 7);
    }
}

/* Run an open net in both ways and read all that it gives away. */
static void use(lnt_net *net) {
    lnt_hooks hooks = {.context = net, .parallel_for = run_tasks, .workers = 3, .trace = read_rows};
    int32_t info[5];
    float scale;
    if (lnt_input(net) != NULL) {
        fill(lnt_input(net), lnt_input_bytes(net));
        if (lnt_run(net) != LNT_OK) {
            fail("lnt_run failed on an open net");
        }
    }
    lnt_set_hooks(net, &hooks);
    if (lnt_tensor_info(net, 0, info, &scale) != LNT_OK || lnt_begin(net) != LNT_OK) {
        fail("an open net does not begin");
    }
    size_t row_bytes = lnt_input_bytes(net) / (size_t)info[0];
    uint8_t *row = allocate(row_bytes);
    fill(row, row_bytes);
    for (int32_t y = 0; y < info[0]; y++) {
        if (lnt_push_rows(net, row, 1) != LNT_OK) {
            fail("an open net takes no row");
        }
    }
    free(row);
    if (lnt_finish(net) != LNT_OK || lnt_tensor_info(net, 1, info, &scale) != LNT_OK) {
        fail("an open net does not finish");
    }
    read_bytes(lnt_output(net), (size_t)info[0] * (size_t)info[1] * (size_t)info[2] * (size_t)info[3]);
    for (uint32_t i = 0; i < net->label_count; i++) {
        read_bytes(lnt_label(net, i), strlen(lnt_label(net, i)));
    }
}

static bool is_intact(const uint8_t *guard, size_t count) {
    while (count != 0) {
        if (guard[--count] != GUARD_BYTE) {
            return false;
        }
    }
    return true;
}

/* Open and, if that succeeds, run. The model's block is exactly `bytes` long. */
static int try_model(const uint8_t *model, size_t bytes, size_t sound_arena, counts *c) {
    int64_t wanted = lnt_arena_bytes(model, bytes);
    size_t arena_bytes = wanted < 0 || wanted > MAX_ARENA ? sound_arena : (size_t)wanted;
    uint8_t *block = allocate(arena_bytes + 2 * GUARD);
    memset(block, GUARD_BYTE, arena_bytes + 2 * GUARD);
    lnt_net net;
    int code = lnt_open(&net, model, bytes, block + GUARD, arena_bytes);
    if (code > 0 || code <= -CODES) {
        fail("lnt_open returned no error code");
    }
    if (wanted < 0 && code == LNT_OK) {
        fail("lnt_open takes what lnt_arena_bytes refuses");
    }
    if (code == LNT_OK) {
        use(&net);
    }
    if (!is_intact(block, GUARD) || !is_intact(block + GUARD + arena_bytes, GUARD)) {
        fail("bytes outside the arena were written");
    }
    free(block);
    c->cases++;
    c->by_code[-code]++;
    return code;
}

/* Put length and CRC right, if the header can still be found. */
static void seal(uint8_t *model, size_t bytes, bool set_length) {
    lnt_file file = {.bytes = model, .size = (uint32_t)bytes};
    if (bytes < 8) {
        return;
    }
    /* The header's place as lnt_open will find it. */
    lnt_table root = lnt_file_root(&file);
    uint32_t at = lnt_file_field(&file, &root, LNT_MODEL_HEADER, sizeof(lnt_header), 4);
    if (at == 0) {
        return;
    }
    lnt_header header;
    memcpy(&header, model + at, sizeof header);
    if (set_length) {
        header.file_bytes = (uint32_t)bytes;
    }
    if (header.file_bytes <= bytes && header.file_bytes >= at + sizeof header) {
        file.size = header.file_bytes;
        memcpy(model + at, &header, sizeof header);
        header.crc = lnt_file_crc(&file, at + (uint32_t)offsetof(lnt_header, crc));
    }
    memcpy(model + at, &header, sizeof header);
}

static void report(const char *what, const counts *c) {
    printf("%-16s %8lu cases, %lu accepted;", what, c->cases, c->by_code[0]);
    for (int code = 1; code < CODES; code++) {
        if (c->by_code[code] != 0) {
            printf(" %d: %lu", -code, c->by_code[code]);
        }
    }
    printf("\n");
}

static void cut_lengths(const uint8_t *sound, size_t bytes, size_t arena, size_t stride) {
    counts as_is = {0};
    counts sealed = {0};
    for (size_t length = 0; length < bytes; length += stride) {
        uint8_t *model = allocate(length);
        memcpy(model, sound, length);
        if (try_model(model, length, arena, &as_is) == LNT_OK) {
            fail("a truncated file was accepted");
        }
        seal(model, length, true);
        try_model(model, length, arena, &sealed);
        free(model);
    }
    report("cut", &as_is);
    report("cut, sealed", &sealed);
}

static void damage_bytes(const uint8_t *sound, size_t bytes, size_t arena, size_t stride) {
    static const uint8_t values[] = {0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF};
    counts as_is = {0};
    counts sealed = {0};
    uint8_t *model = allocate(bytes);
    for (size_t i = 0; i < bytes; i += stride) {
        for (unsigned change = 0; change < 8 + sizeof values; change++) {
            memcpy(model, sound, bytes);
            model[i] = (uint8_t)(change < 8 ? sound[i] ^ (1u << change) : values[change - 8]);
            if (model[i] == sound[i]) {
                continue;
            }
            if (try_model(model, bytes, arena, &as_is) == LNT_OK) {
                fail("a damaged file was accepted");
            }
            seal(model, bytes, false);
            try_model(model, bytes, arena, &sealed);
        }
    }
    free(model);
    report("damaged", &as_is);
    report("damaged, sealed", &sealed);
}

static uint32_t next_random(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Two to five bytes at once, near each other more often than not, each a random or a telling value. */
static void damage_at_random(const uint8_t *sound, size_t bytes, size_t arena, unsigned long cases, uint32_t seed) {
    static const uint8_t values[] = {0, 1, 2, 3, 4, 8, 16, 0x7F, 0x80, 0xFF};
    counts sealed = {0};
    uint8_t *model = allocate(bytes);
    for (unsigned long i = 0; i < cases; i++) {
        memcpy(model, sound, bytes);
        size_t at = next_random(&seed) % bytes;
        for (uint32_t left = 2 + next_random(&seed) % 4; left != 0; left--) {
            uint32_t choice = next_random(&seed);
            model[at] = choice & 1 ? (uint8_t)(choice >> 8) : values[(choice >> 8) % sizeof values];
            at = (at + (choice & 6 ? (choice >> 16) % 48 : choice >> 4)) % bytes;
        }
        seal(model, bytes, false);
        try_model(model, bytes, arena, &sealed);
    }
    free(model);
    report("random, sealed", &sealed);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fail("usage: fuzz_damage MODEL.lnt [STRIDE [RANDOM_CASES [SEED]]]");
    }
    size_t stride = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    unsigned long random_cases = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    uint32_t seed = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 1;
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL || stride == 0 || seed == 0) {
        fail("cannot open the model, or STRIDE or SEED is 0");
    }
    fseek(file, 0, SEEK_END);
    size_t bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *sound = allocate(bytes);
    if (fread(sound, 1, bytes, file) != bytes) {
        fail("cannot read the model");
    }
    fclose(file);
    int64_t arena = lnt_arena_bytes(sound, bytes);
    counts c = {0};
    if (arena < 0 || try_model(sound, bytes, (size_t)arena, &c) != LNT_OK) {
        fail("the undamaged file is refused");
    }
    cut_lengths(sound, bytes, (size_t)arena, stride);
    damage_bytes(sound, bytes, (size_t)arena, stride);
    damage_at_random(sound, bytes, (size_t)arena, random_cases, seed);
    free(sound);
    return 0;
}

/* Opening a model file and running it. */
#define _POSIX_C_SOURCE 200809L
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linnet_threads.h"

_Static_assert(LNT_MAX_THREADS == 256, "an error message has this");

void fail(const char *what, const char *why) {
    fflush(stdout);
    fprintf(stderr, "linnet-run: %s: %s\n", what, why);
    exit(1);
}

static void check(int64_t code, const char *what) {
    if (code < 0) {
        fail(what, lnt_error_text((int)code));
    }
}

/* Neither touches what it gives: a damaged file may ask for gigabytes, and its CRC is looked at after that. */
void *allocate(uint64_t bytes) {
    void *memory = bytes <= PTRDIFF_MAX ? calloc(1, bytes ? (size_t)bytes : 1) : NULL;
    if (memory == NULL) {
        fail("memory", "there is not enough of it");
    }
    return memory;
}

static void *allocate_aligned(uint64_t bytes) {
    void *memory = NULL;
    if (bytes > PTRDIFF_MAX || posix_memalign(&memory, LNT_PACK_ALIGN, bytes ? (size_t)bytes : 1) != 0) {
        fail("memory", "there is not enough of it");
    }
    return memory;
}

static uint64_t bytes_of(const lnt_tensor *tensor) { return (uint64_t)tensor->height * lnt_used_bytes(tensor); }

/* Mapped, not read: the weights are shared by all processes, and given back where memory is scarce. */
static const uint8_t *map_file(const char *path, size_t *bytes) {
    int file = open(path, O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) {
        fail(path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        fail(path, "is no model file");
    }
    void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED) {
        fail(path, strerror(errno));
    }
    close(file);
    *bytes = (size_t)status.st_size;
    return mapped;
}

void open_session(session *s, const settings *wanted) {
    size_t bytes;
    const uint8_t *model = map_file(wanted->model, &bytes);
    int64_t needed = lnt_arena_bytes(model, bytes);
    check(needed, wanted->model);
    s->arena_bytes = (uint64_t)needed;
    if (wanted->arena_bytes != 0 && wanted->arena_bytes < s->arena_bytes) {
        s->arena_bytes = wanted->arena_bytes;
    }
    void *arena = allocate_aligned(s->arena_bytes);
    check(lnt_open(&s->net, model, bytes, arena, (size_t)s->arena_bytes), wanted->model);
    if (bytes_of(&s->net.tensors[0]) > PTRDIFF_MAX) {
        fail(wanted->model, "its input does not fit this processor's memory");
    }
    s->family = wanted->kernels ? wanted->kernels : lnt_family_name(0);
    int64_t packed = lnt_packed_bytes(&s->net, s->family);
    check(packed, s->family);
    s->packed_bytes = (uint64_t)packed;
    check(lnt_pack(&s->net, s->family, allocate_aligned((uint64_t)packed), (size_t)packed), s->family);
    s->threads = wanted->threads;
    if (s->threads == 0 || s->threads > LNT_MAX_THREADS) {
        fail("--threads", "there can be 1 to 256 of them");
    }
    s->hooks = (lnt_hooks){0};
    lnt_threads *threads = allocate_aligned(lnt_threads_bytes(s->threads));
    check(lnt_threads_start(threads, s->threads), "--threads");
    lnt_threads_hooks(threads, &s->hooks); /* the workers end with the program */
    lnt_set_hooks(&s->net, &s->hooks);
}

void infer(session *s, const uint8_t *input) {
    void *target = lnt_input(&s->net);
    if (target != NULL) {
        memcpy(target, input, lnt_input_bytes(&s->net));
        check(lnt_run(&s->net), "lnt_run");
        return;
    }
    check(lnt_begin(&s->net), "lnt_begin");
    check(lnt_push_rows(&s->net, input, s->net.tensors[0].height), "lnt_push_rows");
    check(lnt_finish(&s->net), "lnt_finish");
}

void set_trace(session *s, trace_function *trace, void *context) {
    s->hooks.trace = trace;
    s->hooks.context = context;
    lnt_set_hooks(&s->net, &s->hooks);
}

void infer_traced(session *s, const uint8_t *input, trace_function *trace, void *context) {
    set_trace(s, trace, context);
    infer(s, input);
    set_trace(s, NULL, NULL);
}

values make_values(const session *s, uint32_t op) {
    if (op >= s->net.op_count) {
        fail("--operator", "the model has no operator of this number");
    }
    const lnt_tensor *tensor = &s->net.tensors[s->net.ops[op].output];
    values v = {.op = op, .element_bytes = lnt_element_bytes(tensor)};
    v.bytes = allocate(bytes_of(tensor));
    v.count = (size_t)(bytes_of(tensor) / v.element_bytes);
    return v;
}

typedef struct keeper {
    const session *session;
    values *values;
} keeper;

static void keep(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                 uint32_t row_bytes, uint32_t layout) {
    const keeper *k = context;
    (void)layout;
    if (op != k->values->op) {
        return;
    }
    const lnt_tensor *tensor = &k->session->net.tensors[k->session->net.ops[op].output];
    size_t pixel = (size_t)tensor->channels * k->values->element_bytes;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(k->values->bytes + ((size_t)(y + i) * tensor->width + x) * pixel,
               (const uint8_t *)data + (size_t)i * row_bytes, xn * pixel);
    }
}

void infer_values(session *s, const uint8_t *input, values *v) {
    keeper k = {.session = s, .values = v};
    infer_traced(s, input, keep, &k);
}

void print_string(FILE *to, const char *text) {
    fputc('"', to);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20) {
            fprintf(to, "\\u%04x", c);
        } else {
            fprintf(to, c == '"' || c == '\\' ? "\\%c" : "%c", c);
        }
    }
    fputc('"', to);
}

void print_values(FILE *to, const values *v) {
    for (size_t i = 0; i < v->count; i++) {
        int32_t value = (int8_t)v->bytes[i * v->element_bytes];
        if (v->element_bytes == 4) {
            memcpy(&value, v->bytes + 4 * i, sizeof value);
        }
        fprintf(to, "%s%" PRId32, i ? "," : "[", value);
    }
    fputc(']', to);
}

void print_session(FILE *to, const session *s, const char *model) {
    fprintf(to, "\"model\":");
    print_string(to, model);
    fprintf(to, ",\"kernels\":");
    print_string(to, s->family);
    fprintf(to, ",\"threads\":%" PRIu32 ",\"arena_bytes\":%" PRIu64 ",\"packed_bytes\":%" PRIu64, s->threads,
            s->arena_bytes, s->packed_bytes);
    for (int which = 0; which < 2; which++) {
        int32_t info[5];
        float scale;
        check(lnt_tensor_info(&s->net, which, info, &scale), "lnt_tensor_info");
        fprintf(to, ",\"%s\":{\"shape\":[%" PRId32 ",%" PRId32 ",%" PRId32 "],\"element_bytes\":%" PRId32 "}",
                which ? "output" : "input", info[0], info[1], info[2], info[3]);
    }
}

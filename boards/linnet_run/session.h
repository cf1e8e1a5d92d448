/* One open network of linnet-run: the file, its memory, its hooks. */
#ifndef LINNET_RUN_SESSION_H
#define LINNET_RUN_SESSION_H

#include <stdio.h>

#include "internal.h"

typedef struct settings {
    const char *model;
    const char *kernels; /* NULL: the best that run here */
    uint32_t threads;
    uint64_t arena_bytes; /* at most; 0: as the fastest plan wants */
} settings;

typedef struct session {
    lnt_net net;
    lnt_hooks hooks;
    const char *family;
    uint64_t arena_bytes;
    uint64_t packed_bytes;
    uint32_t threads;
} session;

/* Ends the program with one line on stderr. */
__attribute__((noreturn)) void fail(const char *what, const char *why);

/* Zeroed memory. */
void *allocate(uint64_t bytes);

void open_session(session *s, const settings *wanted);

/* One inference: the answer lies in lnt_output(&s->net). */
void infer(session *s, const uint8_t *input);

/* As lnt_hooks has it. */
typedef void trace_function(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn,
                            const void *data, uint32_t row_bytes, uint32_t layout);

void set_trace(session *s, trace_function *trace, void *context);

/* infer() with a trace that is there for it only. */
void infer_traced(session *s, const uint8_t *input, trace_function *trace, void *context);

/* Values of an operator's output, or of the answer where op is that of the last. */
typedef struct values {
    uint32_t op;
    uint32_t element_bytes;
    size_t count;
    uint8_t *bytes;
} values;

values make_values(const session *s, uint32_t op);

/* infer() and keep what v->op computed. */
void infer_values(session *s, const uint8_t *input, values *v);

/* Text as a JSON string, quotes included. */
void print_string(FILE *to, const char *text);

/* Values as a JSON list of numbers. */
void print_values(FILE *to, const values *v);

/* What a run of any kind says of itself: the members "model" to "output" of a JSON object, without braces. */
void print_session(FILE *to, const session *s, const char *model);

#endif

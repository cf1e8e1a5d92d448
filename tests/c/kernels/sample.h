/* One operator to try kernels on: shapes, parameters and constants as lnt_check() lets them pass. */
#ifndef LNT_TEST_SAMPLE_H
#define LNT_TEST_SAMPLE_H

#include "internal.h"
#include "random.h"

/* How large a sample may be. */
typedef struct limits {
    uint32_t weights; /* bytes */
    uint32_t rows;    /* bytes of the rows that a case looks at */
    uint32_t macs;
} limits;

/* Of parameters: anything; as converters make them, for which kernels have faster ways; sums that reach the limits of
 * 16 bits, of four products or when they are scaled, where such ways end. */
enum { ANY_STYLE, PLAIN_STYLE, EDGE_STYLE };

typedef struct sample {
    uint32_t style;
    lnt_op op;
    lnt_tensor in;
    lnt_tensor in2;
    lnt_tensor out;
    lnt_params params;
    bool foul; /* weights of -128, which docs/numerics.md rules out: the bytes may differ, the memory must not */
} sample;

/* Shapes and parameters of one kind, without constants. */
void sample_draw(rng *r, uint32_t kind, const limits *l, sample *s);

/* Constants, in blocks of their own; sets params. False where there is no room. */
bool sample_place_constants(rng *r, sample *s);

/* Bytes of one pixel. */
static inline uint32_t sample_in_pixel(const sample *s) { return s->in.channels * lnt_element_bytes(&s->in); }
static inline uint32_t sample_out_pixel(const sample *s) { return s->out.channels * lnt_element_bytes(&s->out); }

static inline bool sample_has_window(const sample *s) {
    return s->op.kind == LNT_OP_KIND_CONV || s->op.kind == LNT_OP_KIND_DEPTHWISE;
}

/* Multiply-accumulates of one output channel of one pixel (of the input, for a pool). */
uint32_t sample_taps(const sample *s);

/* QUARTERS: four of them have a sum of 256 or a little more, all of one sign. OUTLIERS: few but large. */
enum { UNIFORM, EXTREMES, LOWEST, HIGHEST, SMALL, QUARTERS, OUTLIERS, VALUE_MODES };

/* int8 values of a mode, none below `lowest`. */
void fill_int8(rng *r, int8_t *to, size_t count, uint32_t mode, int32_t lowest);

/* One line, for people. */
int sample_describe(const sample *s, char *text, size_t bytes);

#endif

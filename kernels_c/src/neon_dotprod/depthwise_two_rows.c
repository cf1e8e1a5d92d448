/* Two output rows of depthwise.h at once, 3x3 and stride 1: four input rows that are zipped once serve both, with
 * weights (w0, w1, w2, 0) and (0, w0, w1, w2). Eight channels at a time: for sixteen there are too few registers. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "../neon/depthwise.h"
#include "dotprod.h"

LNT_DOTPROD_BEGIN

/* Eight channels of four rows, as [channel][row]. */
typedef struct column {
    int8x16_t v[2];
} column;

typedef struct weights {
    column upper[3];
    column lower[3];
    int32x4_t multiplier[2];
} weights;

/* Eight bytes of row i of the next column: one instruction with the step along the row. */
LNT_INLINE int8x16_t next_bytes(lnt_depthwise_row *r, uint32_t i) {
    int8x16_t value;
    __asm__("ld1 {%0.8b}, [%1], %2"
            : "=w"(value), "+r"(r->at[i])
            : "r"(r->pitch[i]), "m"(*(const int8_t (*)[8])r->at[i]));
    return value;
}

LNT_INLINE column next_column(lnt_depthwise_row *r, bool full) {
    (void)full;
    int8x16_t r0 = next_bytes(r, 0);
    int8x16_t r1 = next_bytes(r, 1);
    int8x16_t r2 = next_bytes(r, 2);
    int8x16_t r3 = next_bytes(r, 3);
    int16x8_t r01 = vreinterpretq_s16_s8(vzip1q_s8(r0, r1));
    int16x8_t r23 = vreinterpretq_s16_s8(vzip1q_s8(r2, r3));
    return (column){{vreinterpretq_s8_s16(vzip1q_s16(r01, r23)), vreinterpretq_s8_s16(vzip2q_s16(r01, r23))}};
}

LNT_INLINE column zero_column(const lnt_depthwise_row *r) {
    int8x16_t zero = vld1q_s8(r->block->zero);
    return (column){{zero, zero}};
}

LNT_INLINE int8x16_t one_row_down(int8x16_t w) { return vreinterpretq_s8_u32(vshlq_n_u32(vreinterpretq_u32_s8(w), 8)); }

LNT_INLINE weights load_weights(const lnt_depthwise_row *r) {
    const int32_t *multiplier = r->bias + LNT_DEPTHWISE_CHANNELS;
    const int8_t *from = r->block->weights + 4 * (r->bias - r->block->bias);
    weights w = {.multiplier = {vld1q_s32(multiplier), vld1q_s32(multiplier + 4)}};
    for (int j = 0; j < 3; j++) {
        for (int v = 0; v < 2; v++) {
            w.upper[j].v[v] = vld1q_s8(from + 64 * j + 16 * v);
            w.lower[j].v[v] = one_row_down(w.upper[j].v[v]);
        }
    }
    return w;
}

LNT_INLINE int16x8_t output_row(lnt_depthwise_row *r, const column *a, const column *b, const column *c,
                                const column w[3], const int32x4_t multiplier[2]) {
    __asm__ volatile("" : "+r"(r->bias)); /* loaded for each output, which is cheaper than copying registers */
    int32x4_t acc[2];
    for (int v = 0; v < 2; v++) {
        acc[v] = vdotq_s32(vld1q_s32(r->bias + 4 * v), a->v[v], w[0].v[v]);
        acc[v] = vdotq_s32(acc[v], b->v[v], w[1].v[v]);
        acc[v] = vdotq_s32(acc[v], c->v[v], w[2].v[v]);
        acc[v] = lnt_mulr4(acc[v], multiplier[v]);
    }
    return lnt_truncate8(acc[0], acc[1]);
}

LNT_INLINE void output(lnt_depthwise_row *r, const column *a, const column *b, const column *c, const weights *w,
                       bool full, uint32_t products, uint32_t mode) {
    (void)full;
    (void)products;
    (void)mode;
    int8x16_t y = lnt_narrow16_relu6(output_row(r, a, b, c, w->upper, w->multiplier),
                                     output_row(r, a, b, c, w->lower, w->multiplier));
    __asm__("st1 {%2.8b}, [%1], %3" : "=m"(*(int8_t (*)[8])r->out), "+r"(r->out) : "w"(y), "r"(r->out_pitch));
    __asm__("st1 {%2.d}[1], [%1], %3"
            : "=m"(*(int8_t (*)[8])r->out_below), "+r"(r->out_below)
            : "w"(y), "r"(r->out_pitch));
}

#include "../neon/depthwise_walk.h"

void lnt_depthwise_two_rows_dotprod(const lnt_depthwise_row *r, const lnt_op *op) {
    lnt_depthwise_row row = *r;
    if (r->own == LNT_DEPTHWISE_CHANNELS && r->narrow->mode == LNT_NARROW_RELU6 && r->block->fits) {
        for (uint32_t c = 0; c < LNT_DEPTHWISE_CHANNELS; c += 8) {
            row.bias = r->block->bias + c;
            walk_stride1(&row, true, 3, LNT_NARROW_RELU6);
            row.out += 8;
            row.out_below += 8;
            for (uint32_t i = 0; i < 4; i++) {
                row.at[i] += 8;
            }
        }
        return;
    }
    lnt_depthwise_row_dotprod(&row, op);
    for (uint32_t i = 0; i < 3; i++) {
        row.at[i] = r->at[i + 1];
        row.pitch[i] = r->pitch[i + 1];
    }
    row.out = r->out_below;
    lnt_depthwise_row_dotprod(&row, op);
}

LNT_DOTPROD_END

#endif

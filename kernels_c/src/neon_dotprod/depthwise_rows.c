/* The loops of depthwise.h. A column of 3x3 is loaded and zipped once and serves the three outputs it lies under. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "../neon/depthwise.h"
#include "dotprod.h"

LNT_DOTPROD_BEGIN

/* Sixteen channels of up to four rows: vector v holds channels [4v, 4v + 4) as [channel][row]. */
typedef struct column {
    int8x16_t v[4];
} column;

typedef struct weights {
    column of[3];
} weights;

LNT_INLINE column zip_rows(int8x16_t r0, int8x16_t r1, int8x16_t r2, int8x16_t r3) {
    int16x8_t low01 = vreinterpretq_s16_s8(vzip1q_s8(r0, r1));
    int16x8_t high01 = vreinterpretq_s16_s8(vzip2q_s8(r0, r1));
    int16x8_t low23 = vreinterpretq_s16_s8(vzip1q_s8(r2, r3));
    int16x8_t high23 = vreinterpretq_s16_s8(vzip2q_s8(r2, r3));
    return (column){{
        vreinterpretq_s8_s16(vzip1q_s16(low01, low23)),
        vreinterpretq_s8_s16(vzip2q_s16(low01, low23)),
        vreinterpretq_s8_s16(vzip1q_s16(high01, high23)),
        vreinterpretq_s8_s16(vzip2q_s16(high01, high23)),
    }};
}

/* Row i of the next column: one instruction with the step along the row, for which compilers take two. */
LNT_INLINE int8x16_t next_bytes(lnt_depthwise_row *r, uint32_t i, bool full) {
    int8x16_t value;
    if (full) {
        __asm__("ld1 {%0.16b}, [%1], %2"
                : "=w"(value), "+r"(r->at[i])
                : "r"(r->pitch[i]), "m"(*(const int8_t (*)[16])r->at[i]));
    } else {
        value = lnt_load_part(r->at[i], r->own);
        r->at[i] += r->pitch[i];
    }
    return value;
}

LNT_INLINE column next_column(lnt_depthwise_row *r, bool full) {
    int8x16_t r0 = next_bytes(r, 0, full);
    int8x16_t r1 = next_bytes(r, 1, full);
    int8x16_t r2 = next_bytes(r, 2, full);
    return zip_rows(r0, r1, r2, r2);
}

LNT_INLINE column zero_column(const lnt_depthwise_row *r) {
    int8x16_t zero = vld1q_s8(r->block->zero);
    return (column){{zero, zero, zero, zero}};
}

LNT_INLINE void add_column(int32x4_t acc[4], const column *c, const column *w) {
    for (int v = 0; v < 4; v++) {
        acc[v] = vdotq_s32(acc[v], c->v[v], w->v[v]);
    }
}

LNT_INLINE column load_column(const int8_t *w) {
    return (column){{vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)}};
}

LNT_INLINE weights load_weights(const lnt_depthwise_row *r) {
    const int8_t *w = r->block->weights;
    return (weights){{load_column(w), load_column(w + 64), load_column(w + 128)}};
}

LNT_INLINE void store(lnt_depthwise_row *r, const int32x4_t acc[4], bool full, uint32_t mode) {
    const int32_t *from = r->block->multiplier;
    int32x4_t multiplier[4] = {vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)};
    int8x16_t y = lnt_requantize16(acc, multiplier, vdupq_n_s8(0), r->narrow, mode);
    if (full) {
        __asm__("st1 {%2.16b}, [%1], %3" : "=m"(*(int8_t (*)[16])r->out), "+r"(r->out) : "w"(y), "r"(r->out_pitch));
    } else {
        lnt_store_part(r->out, y, r->own);
        r->out += r->out_pitch;
    }
}

LNT_INLINE void output(lnt_depthwise_row *r, const column *a, const column *b, const column *c, const weights *w,
                       bool full, uint32_t products, uint32_t mode) {
    (void)products;
    const int32_t *bias = r->block->bias;
    __asm__("" : "+r"(bias)); /* loaded for each output, which is cheaper than copying registers */
    int32x4_t acc[4] = {vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12)};
    add_column(acc, a, &w->of[0]);
    add_column(acc, b, &w->of[1]);
    add_column(acc, c, &w->of[2]);
    store(r, acc, full, mode);
}

#include "../neon/depthwise_walk.h"

static void row_3x3(const lnt_depthwise_row *r, bool stride1) {
    bool relu6 = r->narrow->mode == LNT_NARROW_RELU6 && r->block->fits;
    if (r->own != LNT_DEPTHWISE_CHANNELS) {
        walk(r, stride1, false, 3, LNT_NARROW_ANY);
    } else if (relu6) {
        walk(r, stride1, true, 3, LNT_NARROW_RELU6);
    } else {
        walk(r, stride1, true, 3, LNT_NARROW_ANY);
    }
}

/* Four rows from `first` on at column x, as far as they are there. */
LNT_INLINE column column_at(const lnt_depthwise_row *r, uint32_t first, uint32_t rows, int32_t x, bool full) {
    int8x16_t zero = vld1q_s8(r->block->zero);
    if (x < 0 || x >= (int32_t)r->width) {
        return (column){{zero, zero, zero, zero}};
    }
    int8x16_t v[4];
    for (uint32_t i = 0; i < 4; i++) {
        if (first + i < rows) {
            const int8_t *at = r->at[first + i] + (size_t)(x - r->first) * r->pitch[first + i];
            v[i] = full ? vld1q_s8(at) : lnt_load_part(at, r->own);
        } else {
            v[i] = zero;
        }
    }
    return zip_rows(v[0], v[1], v[2], v[3]);
}

LNT_INLINE void row_any(const lnt_depthwise_row *from, const lnt_op *op, bool full) {
    lnt_depthwise_row row = *from;
    lnt_depthwise_row *r = &row;
    uint32_t groups = (op->kernel_h + 3u) / 4;
    for (uint32_t i = 0; i < r->n; i++) {
        const int8_t *w = r->block->weights;
        const int32_t *bias = r->block->bias;
        int32x4_t acc[4] = {vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12)};
        for (uint32_t j = 0; j < op->kernel_w; j++) {
            for (uint32_t g = 0; g < groups; g++, w += 64) {
                column c = column_at(r, 4 * g, op->kernel_h, r->x + (int32_t)j, full);
                column taps = load_column(w);
                add_column(acc, &c, &taps);
            }
        }
        store(r, acc, full, LNT_NARROW_ANY);
        r->x += op->stride_w;
    }
}

void lnt_depthwise_row_dotprod(const lnt_depthwise_row *r, const lnt_op *op) {
    if (lnt_depthwise_is_3x3(op)) {
        row_3x3(r, op->stride_w == 1);
    } else if (r->own == LNT_DEPTHWISE_CHANNELS) {
        row_any(r, op, true);
    } else {
        row_any(r, op, false);
    }
}

LNT_DOTPROD_END

#endif

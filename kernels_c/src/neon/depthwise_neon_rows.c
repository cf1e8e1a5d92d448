/* The loops of depthwise.h for processors without sdot: smull and smlal sum as many products in 16 bits as the block's
 * weights allow, saddw adds them to the sums. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "depthwise.h"

/* Sixteen channels of three rows. */
typedef struct column {
    int8x16_t v[3];
} column;

typedef struct weights {
    column of[3];
} weights;

LNT_INLINE int8x16_t next_bytes(lnt_depthwise_row *r, uint32_t i, bool full) {
    int8x16_t value = full ? vld1q_s8(r->at[i]) : lnt_load_part(r->at[i], r->own);
    r->at[i] += r->pitch[i];
    return value;
}

LNT_INLINE column next_column(lnt_depthwise_row *r, bool full) {
    return (column){{next_bytes(r, 0, full), next_bytes(r, 1, full), next_bytes(r, 2, full)}};
}

LNT_INLINE column zero_column(const lnt_depthwise_row *r) {
    int8x16_t zero = vld1q_s8(r->block->zero);
    return (column){{zero, zero, zero}};
}

LNT_INLINE weights load_weights(const lnt_depthwise_row *r) {
    weights w;
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 3; i++) {
            w.of[j].v[i] = vld1q_s8(r->block->weights + 48 * j + 16 * i);
        }
    }
    return w;
}

/* Products of sixteen channels that have not been added to the sums yet. */
typedef struct pending {
    int16x8_t low;
    int16x8_t high;
} pending;

LNT_INLINE void add_pending(int32x4_t acc[4], const pending *p) {
    acc[0] = vaddw_s16(acc[0], vget_low_s16(p->low));
    acc[1] = lnt_addw_high(acc[1], p->low);
    acc[2] = vaddw_s16(acc[2], vget_low_s16(p->high));
    acc[3] = lnt_addw_high(acc[3], p->high);
}

LNT_INLINE void multiply(pending *p, int8x16_t x, int8x16_t w, bool first) {
    if (first) {
        p->low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
        p->high = lnt_mull_high(x, w);
    } else {
        p->low = vmlal_s8(p->low, vget_low_s8(x), vget_low_s8(w));
        p->high = lnt_mlal_high(p->high, x, w);
    }
}

LNT_INLINE void store(lnt_depthwise_row *r, const int32x4_t acc[4], bool full, uint32_t mode) {
    const int32_t *from = r->block->multiplier;
    int32x4_t multiplier[4] = {vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)};
    int8x16_t y = lnt_requantize16(acc, multiplier, vdupq_n_s8(0), r->narrow, mode);
    if (full) {
        vst1q_s8(r->out, y);
    } else {
        lnt_store_part(r->out, y, r->own);
    }
    r->out += r->out_pitch;
}

LNT_INLINE void output(lnt_depthwise_row *r, const column *a, const column *b, const column *c, const weights *w,
                       bool full, uint32_t products, uint32_t mode) {
    const column *columns[3] = {a, b, c};
    const int32_t *bias = r->block->bias;
    int32x4_t acc[4] = {vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12)};
    /* Three groups of taps side by side, whose chains in-order processors interleave. */
#pragma GCC unroll 3
    for (uint32_t from = 0; from < 9; from += 3 * products) {
        pending group[3];
#pragma GCC unroll 3
        for (uint32_t i = 0; i < products; i++) {
#pragma GCC unroll 3
            for (uint32_t g = 0; g < 3; g++) {
                uint32_t t = from + g * products + i;
                if (t < 9) {
                    multiply(&group[g], columns[t / 3]->v[t % 3], w->of[t / 3].v[t % 3], i == 0);
                }
            }
            if (from == 0) {
                __asm__ volatile(""
                                 : "+w"(group[0].low), "+w"(group[0].high), "+w"(group[1].low), "+w"(group[1].high),
                                   "+w"(group[2].low), "+w"(group[2].high));
            }
        }
#pragma GCC unroll 3
        for (uint32_t g = 0; g < 3; g++) {
            if (from + g * products < 9) {
                add_pending(acc, &group[g]);
            }
        }
    }
    store(r, acc, full, mode);
}

#include "depthwise_walk.h"

/* Full blocks, by stride, products and mode; the rest by the slowest. */
static void row_3x3(const lnt_depthwise_row *r, bool stride1) {
    bool relu6 = r->narrow->mode == LNT_NARROW_RELU6 && r->block->fits;
    uint32_t products = r->block->products;
    if (r->own != LNT_DEPTHWISE_CHANNELS || products == 1) {
        walk(r, stride1, false, 1, LNT_NARROW_ANY);
    } else if (!relu6) {
        walk(r, stride1, true, 2, LNT_NARROW_ANY);
    } else if (products == 2) {
        walk(r, stride1, true, 2, LNT_NARROW_RELU6);
    } else {
        walk(r, stride1, true, 3, LNT_NARROW_RELU6);
    }
}

LNT_INLINE void row_any(const lnt_depthwise_row *from, const lnt_op *op, bool full) {
    lnt_depthwise_row row = *from;
    lnt_depthwise_row *r = &row;
    for (; r->n != 0; r->n--, r->x += op->stride_w) {
        const int8_t *w = r->block->weights;
        const int32_t *bias = r->block->bias;
        int32x4_t acc[4] = {vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12)};
        for (int32_t x = r->x; x < r->x + op->kernel_w; x++) {
            bool there = x >= 0 && x < (int32_t)r->width;
            for (uint32_t i = 0; i < op->kernel_h; i++, w += 16) {
                const int8_t *at = there ? r->at[i] + (size_t)(x - r->first) * r->pitch[i] : r->block->zero;
                pending p;
                multiply(&p, full || !there ? vld1q_s8(at) : lnt_load_part(at, r->own), vld1q_s8(w), true);
                add_pending(acc, &p);
            }
        }
        store(r, acc, full, LNT_NARROW_ANY);
    }
}

void lnt_depthwise_row_neon(const lnt_depthwise_row *r, const lnt_op *op) {
    if (lnt_depthwise_is_3x3(op)) {
        row_3x3(r, op->stride_w == 1);
    } else if (r->own == LNT_DEPTHWISE_CHANNELS) {
        row_any(r, op, true);
    } else {
        row_any(r, op, false);
    }
}

LNT_NEON_END

#endif

/* The loops of depthwise.h. A column of 3x3 is loaded and zipped once and serves the three outputs it lies under. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "depthwise.h"

LNT_DOTPROD_BEGIN

/* Sixteen channels of up to four rows: vector v holds channels [4v, 4v + 4) as [channel][row]. */
typedef struct column {
    int8x16_t v[4];
} column;

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

/* The same where the column may lie outside the input. */
LNT_INLINE column next_column_or_zero(lnt_depthwise_row *r, bool full) {
    int32_t x = r->x++;
    if (x >= 0 && x < (int32_t)r->width) {
        return next_column(r, full);
    }
    int8x16_t zero = vld1q_s8(r->block->zero);
    return (column){{zero, zero, zero, zero}};
}

LNT_INLINE void add_column(int32x4_t acc[4], const column *c, const column *w) {
    for (int v = 0; v < 4; v++) {
        acc[v] = vdotq_s32(acc[v], c->v[v], w->v[v]);
    }
}

LNT_INLINE column load_weights(const int8_t *w) {
    return (column){{vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)}};
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

LNT_INLINE void output(lnt_depthwise_row *r, const column *a, const column *b, const column *c, const column w[3],
                       bool full, uint32_t mode) {
    const int32_t *bias = r->block->bias;
    __asm__("" : "+r"(bias)); /* loaded for each output, which is cheaper than copying registers */
    int32x4_t acc[4] = {vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12)};
    add_column(acc, a, &w[0]);
    add_column(acc, b, &w[1]);
    add_column(acc, c, &w[2]);
    store(r, acc, full, mode);
}

/* How many outputs can be computed before the window's right column leaves the input. */
LNT_INLINE uint32_t inside(const lnt_depthwise_row *r, uint32_t stride, uint32_t columns) {
    int32_t room = (int32_t)r->width - r->x; /* columns not yet loaded, from x on */
    uint32_t n = r->x < 0 || room < (int32_t)columns ? 0 : ((uint32_t)room - columns) / stride + 1;
    return n < r->n ? n : r->n;
}

LNT_INLINE void row_stride1(lnt_depthwise_row *row, bool full, uint32_t mode) {
    lnt_depthwise_row r = *row;
    const int8_t *weights = r.block->weights;
    column w[3] = {load_weights(weights), load_weights(weights + 64), load_weights(weights + 128)};
    column a = next_column_or_zero(&r, full);
    column b = next_column_or_zero(&r, full);
    uint32_t n = inside(&r, 1, 1);
    r.x += (int32_t)(n / 3 * 3);
    r.n -= n / 3 * 3;
    for (n /= 3; n != 0; n--) {
        column c = next_column(&r, full);
        output(&r, &a, &b, &c, w, full, mode);
        a = next_column(&r, full);
        output(&r, &b, &c, &a, w, full, mode);
        b = next_column(&r, full);
        output(&r, &c, &a, &b, w, full, mode);
    }
    for (; r.n != 0; r.n--) {
        column c = next_column_or_zero(&r, full);
        output(&r, &a, &b, &c, w, full, mode);
        a = b;
        b = c;
    }
}

LNT_INLINE void row_stride2(lnt_depthwise_row *row, bool full, uint32_t mode) {
    lnt_depthwise_row r = *row;
    const int8_t *weights = r.block->weights;
    column w[3] = {load_weights(weights), load_weights(weights + 64), load_weights(weights + 128)};
    column a = next_column_or_zero(&r, full);
    uint32_t n = inside(&r, 2, 2);
    r.x += (int32_t)(2 * n);
    r.n -= n;
    for (; n >= 2; n -= 2) {
        column b = next_column(&r, full);
        column c = next_column(&r, full);
        output(&r, &a, &b, &c, w, full, mode);
        b = next_column(&r, full);
        a = next_column(&r, full);
        output(&r, &c, &b, &a, w, full, mode);
    }
    r.x -= (int32_t)(2 * n);
    for (r.n += n; r.n != 0; r.n--) {
        column b = next_column_or_zero(&r, full);
        column c = next_column_or_zero(&r, full);
        output(&r, &a, &b, &c, w, full, mode);
        a = c;
    }
}

static void row_stride1_relu6(lnt_depthwise_row *r) { row_stride1(r, true, LNT_NARROW_RELU6); }
static void row_stride1_any(lnt_depthwise_row *r) { row_stride1(r, true, LNT_NARROW_ANY); }
static void row_stride2_relu6(lnt_depthwise_row *r) { row_stride2(r, true, LNT_NARROW_RELU6); }
static void row_stride2_any(lnt_depthwise_row *r) { row_stride2(r, true, LNT_NARROW_ANY); }

void lnt_depthwise_row_3x3(lnt_depthwise_row *r, uint32_t stride) {
    bool relu6 = r->narrow->mode == LNT_NARROW_RELU6 && r->block->fits;
    if (r->own != LNT_DEPTHWISE_CHANNELS) {
        if (stride == 1) {
            row_stride1(r, false, LNT_NARROW_ANY);
        } else {
            row_stride2(r, false, LNT_NARROW_ANY);
        }
    } else if (stride == 1) {
        if (relu6) {
            row_stride1_relu6(r);
        } else {
            row_stride1_any(r);
        }
    } else if (relu6) {
        row_stride2_relu6(r);
    } else {
        row_stride2_any(r);
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

LNT_INLINE void row_any(lnt_depthwise_row *r, const lnt_op *op, bool full) {
    uint32_t groups = lnt_depthwise_groups(op);
    for (uint32_t i = 0; i < r->n; i++) {
        const int8_t *w = r->block->weights;
        const int32_t *bias = r->block->bias;
        int32x4_t acc[4] = {vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12)};
        for (uint32_t j = 0; j < op->kernel_w; j++) {
            for (uint32_t g = 0; g < groups; g++, w += 64) {
                column c = column_at(r, 4 * g, op->kernel_h, r->x + (int32_t)j, full);
                column weights = load_weights(w);
                add_column(acc, &c, &weights);
            }
        }
        store(r, acc, full, LNT_NARROW_ANY);
        r->x += op->stride_w;
    }
}

void lnt_depthwise_row_any(lnt_depthwise_row *r, const lnt_op *op) {
    if (r->own == LNT_DEPTHWISE_CHANNELS) {
        row_any(r, op, true);
    } else {
        row_any(r, op, false);
    }
}

LNT_DOTPROD_END

#endif

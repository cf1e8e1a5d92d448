/* Sum of two tensors of one shape, each with its own scale.
 * Rows: NHWC. The output may lie exactly over either input. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "vector.h"

typedef struct terms {
    int32x4_t offset;
    int16_t factor;
    int16_t factor2;
    lnt_narrow narrow;
} terms;

LNT_INLINE int16x4_t add4(const terms *t, int16x4_t a, int16x4_t b) {
    return vqshrn_n_s32(vmlal_n_s16(vmlal_n_s16(t->offset, a, t->factor), b, t->factor2), 14);
}

LNT_INLINE int16x8_t add8(const terms *t, int16x8_t a, int16x8_t b) {
    return vcombine_s16(add4(t, vget_low_s16(a), vget_low_s16(b)), add4(t, vget_high_s16(a), vget_high_s16(b)));
}

LNT_INLINE int8x16_t add16(const terms *t, int8x16_t a, int8x16_t b) {
    int16x8_t low = add8(t, vmovl_s8(vget_low_s8(a)), vmovl_s8(vget_low_s8(b)));
    int16x8_t high = add8(t, vmovl_s8(vget_high_s8(a)), vmovl_s8(vget_high_s8(b)));
    return lnt_limit(lnt_narrow16(low, high), &t->narrow);
}

static void add_row(const terms *t, const int8_t *a, const int8_t *b, int8_t *out, uint32_t count) {
    for (; count >= 16; count -= 16, a += 16, b += 16, out += 16) {
        vst1q_s8(out, add16(t, vld1q_s8(a), vld1q_s8(b)));
    }
    if (count != 0) {
        lnt_store_part(out, add16(t, lnt_load_part(a, count), lnt_load_part(b, count)), count);
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    terms t = {.offset = vdupq_n_s32(p->op->offset),
               .factor = (int16_t)p->op->factor,
               .factor2 = (int16_t)p->op->factor2,
               .narrow = lnt_narrow_of(p, false)};
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        add_row(&t, (const int8_t *)lnt_row(&o->in, y), (const int8_t *)lnt_row(&o->in2, y),
                (int8_t *)lnt_row(&o->out, y), lnt_used_bytes(p->out));
    }
}

const lnt_kernel q8_add_neon = {.name = "q8_add_neon", .run = run, .kind = LNT_OP_KIND_ADD, .split = LNT_SPLIT_ROWS};

LNT_NEON_END

#endif

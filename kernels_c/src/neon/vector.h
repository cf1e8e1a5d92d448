/* What the NEON kernels share: partial loads and stores, and the requantization of docs/numerics.md in vectors.
 *
 * SQRDMULH computes (2 * a * b + 2^31) >> 32 and saturates only where both factors are -2^31, so that with 0 <= m <
 * 2^30 it is lnt_mulr(acc, 0, m) exactly; a shift is applied to the sum beforehand, which lnt_check() has left room
 * for. */
#ifndef LNT_NEON_VECTOR_H
#define LNT_NEON_VECTOR_H

#include <arm_neon.h>
#include <string.h>

#include "../internal.h"
#include "../requantize.h"

#define LNT_INLINE static inline __attribute__((always_inline))

/* n < 16 bytes, the rest zero; nothing beyond them is read. */
LNT_INLINE int8x16_t lnt_load_part(const int8_t *from, uint32_t n) {
    int8_t bytes[16] = {0};
    memcpy(bytes, from, n);
    return vld1q_s8(bytes);
}

LNT_INLINE void lnt_store_part(int8_t *to, int8x16_t value, uint32_t n) {
    if (n == 8) {
        vst1_s8(to, vget_low_s8(value));
        return;
    }
    int8_t bytes[16];
    vst1q_s8(bytes, value);
    memcpy(to, bytes, n);
}

/* How sums become int8. */
enum {
    LNT_NARROW_RELU6,   /* fits 16 bits, zero point -128, no other limits than int8's */
    LNT_NARROW_LINEAR,  /* fits 16 bits, any zero point, no other limits than int8's */
    LNT_NARROW_ANY,     /* shift, any size, zero point and limits */
    LNT_NARROW_SHORTCUT /* with the shortcut of a residual block */
};

typedef struct lnt_narrow {
    int32x4_t shift;
    int32x4_t offset;
    int16x8_t zero;
    int16x4_t factor;
    int8x16_t low;
    int8x16_t high;
    uint32_t mode;
} lnt_narrow;

/* fits: the packer has shown that no lnt_mulr() of any input leaves 16 bits. */
LNT_INLINE lnt_narrow lnt_narrow_of(const lnt_params *p, bool fits) {
    const lnt_op *op = p->op;
    bool unlimited = op->clamp_min == INT8_MIN && op->clamp_max == INT8_MAX;
    bool plain = fits && unlimited && op->shift == 0;
    return (lnt_narrow){
        .shift = vdupq_n_s32(op->shift),
        .offset = vdupq_n_s32(op->offset),
        .zero = vdupq_n_s16((int16_t)p->out->zero_point),
        .factor = vdup_n_s16((int16_t)op->factor),
        .low = vdupq_n_s8(op->clamp_min),
        .high = vdupq_n_s8(op->clamp_max),
        .mode = p->in2  ? LNT_NARROW_SHORTCUT
                : plain ? (p->out->zero_point == INT8_MIN ? LNT_NARROW_RELU6 : LNT_NARROW_LINEAR)
                        : LNT_NARROW_ANY,
    };
}

LNT_INLINE int32x4_t lnt_mulr4(int32x4_t acc, int32x4_t multiplier) { return vqrdmulhq_s32(acc, multiplier); }

/* The low halves: exact where the values fit. */
LNT_INLINE int16x8_t lnt_truncate8(int32x4_t a, int32x4_t b) {
#ifdef __aarch64__
    return vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
#else
    return vcombine_s16(vmovn_s32(a), vmovn_s32(b));
#endif
}

LNT_INLINE int16x8_t lnt_saturate8(int32x4_t a, int32x4_t b) {
#ifdef __aarch64__
    return vqmovn_high_s32(vqmovn_s32(a), b);
#else
    return vcombine_s16(vqmovn_s32(a), vqmovn_s32(b));
#endif
}

LNT_INLINE int8x16_t lnt_narrow16(int16x8_t a, int16x8_t b) {
#ifdef __aarch64__
    return vqmovn_high_s16(vqmovn_s16(a), b);
#else
    return vcombine_s8(vqmovn_s16(a), vqmovn_s16(b));
#endif
}

LNT_INLINE int8x16_t lnt_narrow16_relu6(int16x8_t a, int16x8_t b) {
#ifdef __aarch64__
    uint8x16_t bytes = vqmovun_high_s16(vqmovun_s16(a), b);
#else
    uint8x16_t bytes = vcombine_u8(vqmovun_s16(a), vqmovun_s16(b));
#endif
    return vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(0x80)));
}

LNT_INLINE int16x8_t lnt_mull_high(int8x16_t a, int8x16_t b) {
#ifdef __aarch64__
    return vmull_high_s8(a, b);
#else
    return vmull_s8(vget_high_s8(a), vget_high_s8(b));
#endif
}

LNT_INLINE int16x8_t lnt_mlal_high(int16x8_t sum, int8x16_t a, int8x16_t b) {
#ifdef __aarch64__
    return vmlal_high_s8(sum, a, b);
#else
    return vmlal_s8(sum, vget_high_s8(a), vget_high_s8(b));
#endif
}

LNT_INLINE int32x4_t lnt_addw_high(int32x4_t sum, int16x8_t value) {
#ifdef __aarch64__
    return vaddw_high_s16(sum, value);
#else
    return vaddw_s16(sum, vget_high_s16(value));
#endif
}

LNT_INLINE int8x16_t lnt_look_up(int8x16_t table, uint8x16_t order) {
#ifdef __aarch64__
    return vqtbl1q_s8(table, order);
#else
    int8x8x2_t halves = {{vget_low_s8(table), vget_high_s8(table)}};
    int8x16_t places = vreinterpretq_s8_u8(order);
    return vcombine_s8(vtbl2_s8(halves, vget_low_s8(places)), vtbl2_s8(halves, vget_high_s8(places)));
#endif
}

/* Half a vector of the branch's p and of the shortcut: (p * 2^8 + x * factor + offset) >> 14. */
LNT_INLINE int16x4_t lnt_add_shortcut4(int16x4_t branch, int16x4_t x, const lnt_narrow *n) {
    int32x4_t sum = vmlal_s16(vmlal_n_s16(n->offset, branch, 256), x, n->factor);
    return vqshrn_n_s32(sum, 14);
}

LNT_INLINE int16x8_t lnt_add_shortcut8(int16x8_t branch, int8x8_t shortcut, const lnt_narrow *n) {
    int16x8_t x = vmovl_s8(shortcut);
    return vcombine_s16(lnt_add_shortcut4(vget_low_s16(branch), vget_low_s16(x), n),
                        lnt_add_shortcut4(vget_high_s16(branch), vget_high_s16(x), n));
}

LNT_INLINE int8x16_t lnt_limit(int8x16_t value, const lnt_narrow *n) {
    return vminq_s8(vmaxq_s8(value, n->low), n->high);
}

/* Sixteen sums to sixteen outputs; mode is a constant where this is used. */
LNT_INLINE int8x16_t lnt_requantize16(const int32x4_t acc[4], const int32x4_t multiplier[4], int8x16_t shortcut,
                                      const lnt_narrow *n, uint32_t mode) {
    int32x4_t v[4];
    for (int i = 0; i < 4; i++) {
        int32x4_t sum = mode >= LNT_NARROW_ANY ? vshlq_s32(acc[i], n->shift) : acc[i];
        v[i] = lnt_mulr4(sum, multiplier[i]);
    }
    if (mode == LNT_NARROW_RELU6) {
        return lnt_narrow16_relu6(lnt_truncate8(v[0], v[1]), lnt_truncate8(v[2], v[3]));
    }
    if (mode == LNT_NARROW_LINEAR) {
        return lnt_narrow16(vqaddq_s16(lnt_truncate8(v[0], v[1]), n->zero),
                            vqaddq_s16(lnt_truncate8(v[2], v[3]), n->zero));
    }
    int16x8_t a = lnt_saturate8(v[0], v[1]);
    int16x8_t b = lnt_saturate8(v[2], v[3]);
    if (mode == LNT_NARROW_SHORTCUT) {
        a = lnt_add_shortcut8(a, vget_low_s8(shortcut), n);
        b = lnt_add_shortcut8(b, vget_high_s8(shortcut), n);
    } else {
        a = vqaddq_s16(a, n->zero);
        b = vqaddq_s16(b, n->zero);
    }
    return lnt_limit(lnt_narrow16(a, b), n);
}

#endif

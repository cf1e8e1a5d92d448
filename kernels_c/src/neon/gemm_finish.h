/* Beginning and end of a tile of a matrix product: biases, requantization, stores. */
#ifndef LNT_NEON_GEMM_FINISH_H
#define LNT_NEON_GEMM_FINISH_H

#include "vector.h"

/* The compiler does not know any more what the pointer points at: sums start by loading biases for each pixel, which
 * takes half as many instructions as copying registers. */
#define LNT_HIDE(pointer) __asm__ volatile("" : "+r"(pointer))

/* A pixel of fewer than sixteen bytes, with zeros before them. */
LNT_INLINE int8x16_t lnt_load_short(const int8_t *x, uint32_t depth) {
    if (depth == 8) {
        return vcombine_s8(vdup_n_s8(0), vld1_s8(x));
    }
    int8_t bytes[16] = {0};
    memcpy(bytes + 16 - depth, x, depth);
    return vld1q_s8(bytes);
}

/* own: how many of the tile's channels there are. */
LNT_INLINE void lnt_gemm_store(const int32x4_t acc[][4], const int32x4_t *multiplier, const lnt_narrow *n, int8_t *out,
                               const int8_t *in2, size_t pitch, uint32_t own, int P, uint32_t mode) {
#pragma GCC unroll 6
    for (int i = 0; i < P; i++) {
        int8x16_t shortcut = vdupq_n_s8(0);
        if (mode == LNT_NARROW_SHORTCUT) {
            shortcut = own == 16 ? vld1q_s8(in2 + i * pitch) : lnt_load_part(in2 + i * pitch, own);
        }
        int8x16_t y = lnt_requantize16(acc[i], multiplier, shortcut, n, mode);
        if (own == 16) {
            vst1q_s8(out + i * pitch, y);
        } else {
            lnt_store_part(out + i * pitch, y, own);
        }
    }
}

/* The sums of P pixels and V vectors of channels to out. */
LNT_INLINE void lnt_gemm_finish(const int32x4_t acc[][4], const uint8_t *packed, const lnt_narrow *n, int8_t *out,
                                const int8_t *in2, size_t pitch, uint32_t own, int P, int V, uint32_t mode) {
    const int32_t *from = (const int32_t *)(const void *)packed + 4 * (size_t)V;
    int32x4_t multiplier[4];
    for (int v = 0; v < 4; v++) {
        multiplier[v] = v < V ? vld1q_s32(from + 4 * v) : vdupq_n_s32(0);
    }
    switch (mode) {
    case LNT_NARROW_RELU6:
        lnt_gemm_store(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_RELU6);
        break;
    case LNT_NARROW_LINEAR:
        lnt_gemm_store(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_LINEAR);
        break;
    case LNT_NARROW_SHORTCUT:
        lnt_gemm_store(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_SHORTCUT);
        break;
    default:
        lnt_gemm_store(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_ANY);
    }
}

/* The sums of one pixel and the tile's channels to logits. */
LNT_INLINE void lnt_gemm_finish_int32(const int32x4_t acc[4], const uint8_t *packed, const lnt_narrow *n, uint32_t own,
                                      int32_t *out) {
    int vectors = own <= 8 ? 2 : 4;
    const int32_t *multiplier = (const int32_t *)(const void *)packed + (size_t)4 * vectors;
    int32_t logits[16];
    for (int v = 0; v < vectors; v++) {
        int32x4_t y = lnt_mulr4(vshlq_s32(acc[v], n->shift), vld1q_s32(multiplier + (size_t)4 * v));
        vst1q_s32(logits + (size_t)4 * v, y);
    }
    memcpy(out, logits, own * sizeof *out);
}

#endif

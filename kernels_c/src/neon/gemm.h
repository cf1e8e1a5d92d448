/* Matrix product of pixels (rows of int8) and packed weights: the heart of conv, pointwise and fully_connected. */
#ifndef LNT_NEON_GEMM_H
#define LNT_NEON_GEMM_H

#include "gemm_pack.h"
#include "vector.h"

/* Channels [c, c + cn) of the output, c a multiple of LNT_GEMM_CHANNELS, of pixels that lie x_pitch and out_pitch bytes
 * apart. */
typedef struct lnt_gemm {
    const uint8_t *packed;
    lnt_narrow narrow;
    size_t x_pitch;
    size_t out_pitch;
    uint32_t depth;
    uint32_t c;
    uint32_t cn;
} lnt_gemm;

/* From x to out; in2 (or NULL) lies as out does, and both point at channel 0. */
typedef void lnt_gemm_function(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels);

/* The same for one pixel and int32 outputs with no zero point. */
typedef void lnt_gemm_int32_function(const lnt_gemm *g, const int8_t *x, int32_t *out);

/* With sdot by lane; weights in fours. */
lnt_gemm_function lnt_gemm_dotprod;
lnt_gemm_int32_function lnt_gemm_dotprod_int32;

/* With smull and sadalp; weights in pairs; up to LNT_GEMM_PAIRS_DEPTH inputs. */
lnt_gemm_function lnt_gemm_pairs;
lnt_gemm_function lnt_gemm_pairs_inorder; /* in an order for in-order cores */
lnt_gemm_int32_function lnt_gemm_pairs_int32;

/* Pixels of a block that stays in the first-level cache while the weights pass by. */
static inline uint32_t lnt_gemm_block(uint32_t bytes, size_t pixel_bytes, uint32_t multiple) {
    uint32_t pixels = bytes / (uint32_t)pixel_bytes / multiple * multiple;
    return pixels == 0 ? multiple : pixels;
}

#endif

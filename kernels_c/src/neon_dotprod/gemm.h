/* Matrix product of pixels (rows of int8) and weights for sdot by lane: the heart of conv, pointwise and
 * fully_connected.
 *
 * Packed: a header, then for each tile of sixteen output channels (the last: eight, if that is enough) their biases,
 * multipliers, and weights in steps of four inputs, [step][channel][4]. Inputs beyond a multiple of sixteen are read
 * together with those before them, as the last sixteen of the pixel, and what has been counted before has zero weights:
 * so nothing is read beyond a pixel. */
#ifndef LNT_DOTPROD_GEMM_H
#define LNT_DOTPROD_GEMM_H

#include "dotprod.h"

enum { LNT_GEMM_HEADER = 64, LNT_GEMM_CHANNELS = 16, LNT_GEMM_PIXELS = 6 };

static inline uint32_t lnt_gemm_steps(uint32_t depth) { return (depth + 3) / 4; }

/* Bytes of one tile of `vectors` times four channels. */
static inline size_t lnt_gemm_tile_bytes(uint32_t depth, uint32_t vectors) {
    return (size_t)vectors * (32 + 16 * lnt_gemm_steps(depth));
}

uint64_t lnt_gemm_bytes(uint32_t depth, uint32_t channels);

/* Weights O,I of p's operator, where depth is the number of inputs per output. */
void lnt_gemm_pack(const lnt_params *p, uint32_t depth, uint8_t *to);

/* Pixels at x, x + x_pitch, ... to out, out + out_pitch, ...; in2 (or NULL) lies as out does. Channels [c, c + cn) of
 * the pixels, c a multiple of sixteen; out and in2 point at channel 0. */
typedef struct lnt_gemm {
    const uint8_t *packed;
    lnt_narrow narrow;
    size_t x_pitch;
    size_t out_pitch;
    uint32_t depth;
    uint32_t c;
    uint32_t cn;
} lnt_gemm;

void lnt_gemm_run(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels);

/* The same for one pixel and int32 outputs with no zero point. */
void lnt_gemm_run_int32(const lnt_gemm *g, const int8_t *x, int32_t *out);

static inline bool lnt_gemm_fits(const uint8_t *packed) { return packed[0] != 0; }

#endif

/* Matrix products with AVX-512 VNNI: gemm_avx512.c. */
#ifndef LNT_X86_GEMM_AVX512_H
#define LNT_X86_GEMM_AVX512_H

#include "gemm.h"

#ifdef LNT_X86
#include <string.h>

enum {
    LNT_LANES512 = 16,
    LNT_BLOCK512_BYTES = 28 * 1024, /* with a panel's weights this is about the first-level cache */
    LNT_BLOCK512_PIXELS = 128,
};

/* Pixels on the stack, as x + 128, depth padded to whole units, and where their outputs go: channel 0 of each. */
typedef struct lnt_block512 {
    _Alignas(64) uint8_t x[LNT_BLOCK512_BYTES];
    int8_t *out[LNT_BLOCK512_PIXELS];
    const int8_t *in2[LNT_BLOCK512_PIXELS]; /* the shortcut's pixels, where there is one */
    uint32_t depth;                         /* bytes of a pixel */
    uint32_t tile;                          /* pixels that are computed together, where there are so many */
    uint32_t most;                          /* pixels, a multiple of tile where possible */
    uint32_t count;
} lnt_block512;

/* All blocks of a step of so many pixels. */
void lnt_begin_blocks512(const lnt_params *p, lnt_block512 *block, uint32_t pixels);

/* Channels [c, c + cn) of a block. */
void lnt_gemm512(const lnt_params *p, const lnt_block512 *block, uint32_t c, uint32_t cn);

static inline bool lnt_gemm512_takes(const lnt_params *p) { return lnt_depth(p) <= LNT_BLOCK512_BYTES - 3; }

uint64_t lnt_gemm512_bytes(const lnt_params *p);
void lnt_gemm512_pack(const lnt_params *p, uint8_t *to);

/* to = from + 128. */
LNT_INLINE LNT_AVX512 void lnt_copy_unsigned512(uint8_t *to, const int8_t *from, size_t bytes) {
    __m512i sign = _mm512_set1_epi8(-128);
    for (; bytes >= 64; bytes -= 64, from += 64, to += 64) {
        _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_loadu_si512(from), sign));
    }
    if (bytes != 0) {
        __mmask64 mask = ~(__mmask64)0 >> (64 - bytes);
        _mm512_mask_storeu_epi8(to, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from), sign));
    }
}

/* The same for one pixel, whose last unit is filled up with zeros. */
LNT_INLINE LNT_AVX512 void lnt_copy_pixel512(uint8_t *to, const int8_t *from, size_t bytes, size_t depth) {
    lnt_copy_unsigned512(to, from, bytes);
    memset(to + bytes, 0, depth - bytes);
}

#endif
#endif

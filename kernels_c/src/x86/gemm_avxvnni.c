/* Matrix products with AVX-VNNI: four bytes a lane and instruction. */
#include "target.h"

#ifdef LNT_X86
#define TARGET LNT_AVXVNNI
#define TILE_PIXELS 4
#define TILE_VECTORS 3

LNT_INLINE TARGET __m256i dot(__m256i acc, __m256i x, __m256i w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }

#include "gemm_256.h"

/* To x + 128. */
TARGET static void copy(uint8_t *to, size_t to_step, const int8_t *from, size_t from_step, size_t bytes,
                        uint32_t count) {
    __m256i sign = _mm256_set1_epi8(-128);
    size_t whole = bytes / 32 * 32;
    for (; count != 0; count--, to += to_step, from += from_step) {
        for (size_t i = 0; i < whole; i += 32) {
            lnt_store256(to + i, _mm256_xor_si256(lnt_load256(from + i), sign));
        }
        for (size_t i = whole; i < bytes; i++) {
            to[i] = (uint8_t)from[i] ^ 0x80;
        }
    }
}

const lnt_isa lnt_avxvnni = {.panels = {.lanes = LANES, .unit = 4},
                             .tile = TILE_PIXELS,
                             .element = 1,
                             .copy = copy,
                             .multiply = multiply_channels};
#endif

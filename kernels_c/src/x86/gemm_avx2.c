/* Matrix products with AVX2: two words a lane and instruction. Products of bytes (vpmaddubsw) saturate at 16 bits, so
 * they are exact for some weights only. */
#include "target.h"

#ifdef LNT_X86
#define TARGET LNT_AVX2
#define TILE_PIXELS 6
#define TILE_VECTORS 2

LNT_INLINE TARGET __m256i dot(__m256i acc, __m256i x, __m256i w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
}

#include "gemm_256.h"

/* To int16. */
TARGET static void copy(uint8_t *to, size_t to_step, const int8_t *from, size_t from_step, size_t bytes,
                        uint32_t count) {
    size_t whole = bytes / 16 * 16;
    for (; count != 0; count--, to += to_step, from += from_step) {
        for (size_t i = 0; i < whole; i += 16) {
            lnt_store256(to + 2 * i, _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(from + i))));
        }
        for (size_t i = whole; i < bytes; i++) {
            int16_t word = (int16_t)from[i]; /* NOLINT(bugprone-signed-char-misuse,cert-str34-c): numbers */
            memcpy(to + 2 * i, &word, 2);
        }
    }
}

const lnt_isa lnt_avx2 = {.panels = {.lanes = LANES, .unit = 2},
                          .tile = TILE_PIXELS,
                          .element = 2,
                          .copy = copy,
                          .multiply = multiply_channels};
#endif

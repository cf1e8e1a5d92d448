/* Depthwise convolution with AVX2: units of two rows, widened to words. */
#include "depthwise.h"
#include "requantize_256.h"

#ifdef LNT_X86
#define TARGET LNT_AVX2

enum { LANES = 8, UNIT = 2 };

LNT_INLINE TARGET __m256i dot(__m256i acc, __m256i x, __m256i w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
}

LNT_INLINE TARGET void interleave(const __m256i rows[UNIT], uint8_t (*to)[32]) {
    __m256i low = _mm256_unpacklo_epi8(rows[0], rows[1]), high = _mm256_unpackhi_epi8(rows[0], rows[1]);
    __m256i zero = _mm256_setzero_si256();
    lnt_store256(to[0], _mm256_unpacklo_epi8(low, zero));
    lnt_store256(to[1], _mm256_unpackhi_epi8(low, zero));
    lnt_store256(to[2], _mm256_unpacklo_epi8(high, zero));
    lnt_store256(to[3], _mm256_unpackhi_epi8(high, zero));
}

#include "depthwise_256.h"

const lnt_filter_isa lnt_depthwise_avx2 = {.filters = {.lanes = LANES, .unit = UNIT}, .run = run_piece};
#endif

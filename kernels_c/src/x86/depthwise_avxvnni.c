/* Depthwise convolution with AVX-VNNI: units of four rows. */
#include "depthwise.h"
#include "requantize_256.h"

#ifdef LNT_X86
#define TARGET LNT_AVXVNNI

enum { LANES = 8, UNIT = 4 };

LNT_INLINE TARGET __m256i dot(__m256i acc, __m256i x, __m256i w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }

LNT_INLINE TARGET void interleave(const __m256i rows[UNIT], uint8_t (*to)[32]) {
    __m256i ab_low = _mm256_unpacklo_epi8(rows[0], rows[1]), ab_high = _mm256_unpackhi_epi8(rows[0], rows[1]);
    __m256i cd_low = _mm256_unpacklo_epi8(rows[2], rows[3]), cd_high = _mm256_unpackhi_epi8(rows[2], rows[3]);
    lnt_store256(to[0], _mm256_unpacklo_epi16(ab_low, cd_low));
    lnt_store256(to[1], _mm256_unpackhi_epi16(ab_low, cd_low));
    lnt_store256(to[2], _mm256_unpacklo_epi16(ab_high, cd_high));
    lnt_store256(to[3], _mm256_unpackhi_epi16(ab_high, cd_high));
}

#include "depthwise_256.h"

const lnt_filter_isa lnt_depthwise_avxvnni = {.filters = {.lanes = LANES, .unit = UNIT}, .run = run_piece};
#endif

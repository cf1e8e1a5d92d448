/* docs/numerics.md in vectors of 8: from sums to int8. AVX2 is enough for all of it. */
#ifndef LNT_X86_REQUANTIZE_256_H
#define LNT_X86_REQUANTIZE_256_H

#include "scaling.h"

#ifdef LNT_X86
#include <string.h>

/* What is the same for all outputs of an operator. */
typedef struct lnt_law256 {
    __m256i zero_point; /* int16 */
    __m256i low;        /* int8 */
    __m256i high;
    __m128i shift;
    bool by_four;
} lnt_law256;

/* Of an operator without packed constants: multipliers are 2m. */
LNT_INLINE LNT_AVX2 lnt_law256 lnt_clamps256(const lnt_params *p) {
    return (lnt_law256){
        .zero_point = _mm256_set1_epi16((int16_t)p->out->zero_point),
        .low = _mm256_set1_epi8(p->op->clamp_min),
        .high = _mm256_set1_epi8(p->op->clamp_max),
        .shift = _mm_cvtsi32_si128(p->op->shift),
    };
}

LNT_INLINE LNT_AVX2 lnt_law256 lnt_make_law256(const lnt_params *p) {
    lnt_law256 law = lnt_clamps256(p);
    law.by_four = ((const lnt_scaling *)(const void *)p->packed)->by_four != 0;
    return law;
}

LNT_INLINE LNT_AVX2 __m256i lnt_load256(const void *from) { return _mm256_loadu_si256(from); }

LNT_INLINE LNT_AVX2 void lnt_store256(void *to, __m256i value) { _mm256_storeu_si256(to, value); }

/* The first n of 32 bytes. */
LNT_INLINE LNT_AVX2 __m256i lnt_load_first256(const void *from, size_t n) {
    if (n >= 32) {
        return lnt_load256(from);
    }
    uint8_t bytes[32] = {0};
    memcpy(bytes, from, n);
    return lnt_load256(bytes);
}

LNT_INLINE LNT_AVX2 void lnt_store_first256(void *to, __m256i value, size_t n) {
    if (n >= 32) {
        lnt_store256(to, value);
        return;
    }
    uint8_t bytes[32];
    lnt_store256(bytes, value);
    memcpy(to, bytes, n);
}

/* High halves of 64-bit products, of even and of odd lanes. */
LNT_INLINE LNT_AVX2 __m256i lnt_high_halves256(__m256i even_products, __m256i odd_products) {
    return _mm256_blend_epi32(_mm256_srli_epi64(even_products, 32), odd_products, 0xAA);
}

/* With by_four one bit more than wanted and not rounded, else mulr(). */
LNT_INLINE LNT_AVX2 __m256i lnt_scale256(const lnt_law256 *law, bool by_four, __m256i acc, __m256i m, __m256i odd) {
    if (by_four) {
        return lnt_high_halves256(_mm256_mul_epi32(acc, m), _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), odd));
    }
    __m256i half = _mm256_set1_epi64x(INT64_C(1) << 31);
    acc = _mm256_sll_epi32(acc, law->shift);
    return lnt_high_halves256(_mm256_add_epi64(_mm256_mul_epi32(acc, m), half),
                              _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(acc, 32), odd), half));
}

/* mulr(), as int32. */
LNT_INLINE LNT_AVX2 __m256i lnt_mulr256(const lnt_law256 *law, __m256i acc, __m256i m, __m256i odd) {
    __m256i t = lnt_scale256(law, law->by_four, acc, m, odd);
    return law->by_four ? _mm256_srai_epi32(_mm256_add_epi32(t, _mm256_set1_epi32(1)), 1) : t;
}

/* int8 of four vectors of 16 bits, clamped. Saturating to 16 bits on the way to here changes nothing. */
LNT_INLINE LNT_AVX2 __m256i lnt_clamp256(const lnt_law256 *law, __m256i ab, __m256i cd) {
    return _mm256_min_epi8(_mm256_max_epi8(_mm256_packs_epi16(ab, cd), law->low), law->high);
}

/* Outputs of four vectors of scaled sums, interleaved as the pack instructions do it: in each half of the result first
 * 4 from a, then 4 from b, c, d. */
LNT_INLINE LNT_AVX2 __m256i lnt_narrow256(const lnt_law256 *law, bool by_four, __m256i a, __m256i b, __m256i c,
                                          __m256i d) {
    __m256i ab = _mm256_packs_epi32(a, b);
    __m256i cd = _mm256_packs_epi32(c, d);
    if (by_four) { /* (t + 1) >> 1 */
        ab = _mm256_mulhrs_epi16(ab, _mm256_set1_epi16(1 << 14));
        cd = _mm256_mulhrs_epi16(cd, _mm256_set1_epi16(1 << 14));
    }
    return lnt_clamp256(law, _mm256_adds_epi16(ab, law->zero_point), _mm256_adds_epi16(cd, law->zero_point));
}

/* 8 outputs of a, then of b, c, d, from the order of lnt_narrow256(). */
LNT_INLINE LNT_AVX2 __m256i lnt_in_order256(__m256i y) {
    return _mm256_permutevar8x32_epi32(y, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

#endif
#endif

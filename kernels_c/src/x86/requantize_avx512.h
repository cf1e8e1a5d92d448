/* docs/numerics.md in vectors of 16: from sums to int8. */
#ifndef LNT_X86_REQUANTIZE_AVX512_H
#define LNT_X86_REQUANTIZE_AVX512_H

#include "scaling.h"

#ifdef LNT_X86

/* What is the same for all outputs of an operator. */
typedef struct lnt_law512 {
    __m512i zero_point; /* int16 */
    __m512i low;        /* int8 */
    __m512i high;
    __m128i shift;
    bool by_four;
} lnt_law512;

LNT_INLINE LNT_AVX512 lnt_law512 lnt_make_law512(const lnt_params *p) {
    return (lnt_law512){
        .zero_point = _mm512_set1_epi16((int16_t)p->out->zero_point),
        .low = _mm512_set1_epi8(p->op->clamp_min),
        .high = _mm512_set1_epi8(p->op->clamp_max),
        .shift = _mm_cvtsi32_si128(p->op->shift),
        .by_four = ((const lnt_scaling *)(const void *)p->packed)->by_four != 0,
    };
}

/* High halves of 64-bit products, of even and of odd lanes. */
LNT_INLINE LNT_AVX512 __m512i lnt_high_halves512(__m512i even_products, __m512i odd_products) {
    return _mm512_mask_shuffle_epi32(odd_products, 0x5555, even_products, _MM_PERM_DDBB);
}

/* With by_four one bit more than wanted and not rounded, else mulr(). */
LNT_INLINE LNT_AVX512 __m512i lnt_scale512(const lnt_law512 *law, bool by_four, __m512i acc, __m512i m, __m512i odd) {
    if (by_four) {
        return lnt_high_halves512(_mm512_mul_epi32(acc, m), _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), odd));
    }
    __m512i half = _mm512_set1_epi64(INT64_C(1) << 31);
    acc = _mm512_sll_epi32(acc, law->shift);
    return lnt_high_halves512(_mm512_add_epi64(_mm512_mul_epi32(acc, m), half),
                              _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), odd), half));
}

/* mulr(), as int32. */
LNT_INLINE LNT_AVX512 __m512i lnt_mulr512(const lnt_law512 *law, __m512i acc, __m512i m, __m512i odd) {
    __m512i t = lnt_scale512(law, law->by_four, acc, m, odd);
    return law->by_four ? _mm512_srai_epi32(_mm512_add_epi32(t, _mm512_set1_epi32(1)), 1) : t;
}

/* int8 of four vectors of 16 bits, clamped. Saturating to 16 bits on the way to here changes nothing. */
LNT_INLINE LNT_AVX512 __m512i lnt_clamp512(const lnt_law512 *law, __m512i ab, __m512i cd) {
    return _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(ab, cd), law->low), law->high);
}

/* Outputs of four vectors of scaled sums, interleaved as the pack instructions do it: in each quarter of the result
 * first 4 from a, then 4 from b, c, d. */
LNT_INLINE LNT_AVX512 __m512i lnt_narrow512(const lnt_law512 *law, bool by_four, __m512i a, __m512i b, __m512i c,
                                            __m512i d) {
    __m512i ab = _mm512_packs_epi32(a, b);
    __m512i cd = _mm512_packs_epi32(c, d);
    if (by_four) { /* (t + 1) >> 1 */
        ab = _mm512_mulhrs_epi16(ab, _mm512_set1_epi16(1 << 14));
        cd = _mm512_mulhrs_epi16(cd, _mm512_set1_epi16(1 << 14));
    }
    return lnt_clamp512(law, _mm512_adds_epi16(ab, law->zero_point), _mm512_adds_epi16(cd, law->zero_point));
}

/* 16 outputs of a, then of b, c, d, from the order of lnt_narrow512(). */
LNT_INLINE LNT_AVX512 __m512i lnt_in_order512(__m512i y) {
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), y);
}

/* The first n of 64 lanes. */
LNT_INLINE LNT_AVX512 __mmask64 lnt_first512(size_t n) { return n >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1; }

#endif
#endif

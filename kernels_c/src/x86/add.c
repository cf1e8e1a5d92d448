/* Sum of two tensors of one shape, each with its own scale, with AVX2.
 * Rows: NHWC. The output may lie exactly over either input. */
#include "requantize_256.h"
#include "x86.h"

#ifdef LNT_X86

enum { STEP = 32 };

/* (a * factor + b * factor2 + offset) >> 14 of 8 pairs of bytes. */
LNT_INLINE LNT_AVX2 __m256i add_pairs(const lnt_op *op, __m128i pairs) {
    __m256i factors = _mm256_set1_epi32((int32_t)((uint32_t)op->factor | (uint32_t)op->factor2 << 16));
    __m256i sums = _mm256_madd_epi16(_mm256_cvtepi8_epi16(pairs), factors);
    return _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(op->offset)), 14);
}

LNT_INLINE LNT_AVX2 __m256i add_bytes(const lnt_op *op, const lnt_law256 *law, __m256i a, __m256i b) {
    __m128i a0 = _mm256_castsi256_si128(a), a1 = _mm256_extracti128_si256(a, 1);
    __m128i b0 = _mm256_castsi256_si128(b), b1 = _mm256_extracti128_si256(b, 1);
    __m256i y0 = add_pairs(op, _mm_unpacklo_epi8(a0, b0)), y1 = add_pairs(op, _mm_unpackhi_epi8(a0, b0));
    __m256i y2 = add_pairs(op, _mm_unpacklo_epi8(a1, b1)), y3 = add_pairs(op, _mm_unpackhi_epi8(a1, b1));
    return lnt_in_order256(lnt_clamp256(law, _mm256_packs_epi32(y0, y1), _mm256_packs_epi32(y2, y3)));
}

LNT_AVX2 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    size_t bytes = lnt_used_bytes(p->out);
    lnt_law256 law = lnt_clamps256(p);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        const uint8_t *a = lnt_row(&o->in, y), *b = lnt_row(&o->in2, y);
        uint8_t *out = lnt_row(&o->out, y);
        for (size_t i = 0; i < bytes; i += STEP) {
            __m256i sum =
                add_bytes(p->op, &law, lnt_load_first256(a + i, bytes - i), lnt_load_first256(b + i, bytes - i));
            lnt_store_first256(out + i, sum, bytes - i);
        }
    }
}

const lnt_kernel q8_add_avx2 = {.name = "q8_add_avx2", .run = run, .kind = LNT_OP_KIND_ADD, .split = LNT_SPLIT_ROWS};
#endif

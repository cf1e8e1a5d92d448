/* Mean over height and width, with AVX2. Input rows and columns are added to the sums; the last ones write the output.
 * Rows: NHWC. State: int32 sums, one per channel. Nothing may overlap. */
#include "requantize_256.h"
#include "x86.h"

#ifdef LNT_X86

enum { LANES = 8, BLOCK = 4 * LANES };

/* Add a block's channels of all pixels of the range to the sums. */
LNT_AVX2 static void add_block(const lnt_params *p, const lnt_operands *o, lnt_range range, uint32_t c,
                               uint32_t channels, int32_t *sums) {
    __m256i acc[4];
    LNT_UNROLL
    for (int v = 0; v < 4; v++) {
        acc[v] = lnt_load256(sums + v * LANES);
    }
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        const int8_t *pixel = lnt_pixel(&o->in, y, range.x, p->in->channels) + c;
        for (uint32_t x = 0; x < range.xn; x++, pixel += p->in->channels) {
            __m256i bytes = lnt_load_first256(pixel, channels);
            __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
            acc[0] = _mm256_add_epi32(acc[0], _mm256_cvtepi8_epi32(low));
            acc[1] = _mm256_add_epi32(acc[1], _mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)));
            acc[2] = _mm256_add_epi32(acc[2], _mm256_cvtepi8_epi32(high));
            acc[3] = _mm256_add_epi32(acc[3], _mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)));
        }
    }
    LNT_UNROLL
    for (int v = 0; v < 4; v++) {
        lnt_store256(sums + v * LANES, acc[v]);
    }
}

LNT_AVX2 static void write_block(const lnt_params *p, const int32_t *sums, int8_t *out, uint32_t channels) {
    lnt_law256 law = lnt_clamps256(p);
    __m256i m = _mm256_set1_epi32(2 * p->op->factor), t[4];
    LNT_UNROLL
    for (int v = 0; v < 4; v++) {
        t[v] = lnt_scale256(&law, false, lnt_load256(sums + v * LANES), m, m);
    }
    lnt_store_first256(out, lnt_in_order256(lnt_narrow256(&law, false, t[0], t[1], t[2], t[3])), channels);
}

LNT_AVX2 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    bool first = range.y == 0 && range.x == 0;
    bool last = range.y + range.n >= p->in->height && range.x + range.xn >= p->in->width;
    for (uint32_t c = range.c, end = range.c + range.cn; c < end; c += BLOCK) {
        uint32_t channels = end - c < BLOCK ? end - c : BLOCK;
        int32_t *state = (int32_t *)(void *)o->state + c, sums[BLOCK] = {0};
        if (!first) {
            memcpy(sums, state, channels * sizeof *state);
        } else {
            for (uint32_t i = 0; i < BLOCK; i++) {
                sums[i] = p->op->offset;
            }
        }
        add_block(p, o, range, c, channels, sums);
        memcpy(state, sums, channels * sizeof *state);
        if (last) {
            write_block(p, sums, (int8_t *)o->out.base + c, channels);
        }
    }
}

const lnt_kernel q8_avg_pool_avx2 = {.name = "q8_avg_pool_avx2",
                                     .run = run,
                                     .kind = LNT_OP_KIND_AVG_POOL,
                                     .split = LNT_SPLIT_CHANNELS,
                                     .channel_group = BLOCK};
#endif

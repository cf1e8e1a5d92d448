/* Depthwise convolution with AVX-512 VNNI, 64 channels at a time. */
#include "depthwise.h"
#include "requantize_avx512.h"

#ifdef LNT_X86

enum { LANES = 16 };

/* One interleaved unit of each channel of a block. */
typedef struct units {
    _Alignas(64) uint8_t vector[4][64];
} units;

/* What the loops below share. */
typedef struct job {
    const lnt_filter_job *f;
    const uint8_t *constants;
    __mmask64 mask; /* channels that there are */
    lnt_law512 law;
} job;

LNT_INLINE LNT_AVX512 __m512i load(const void *from) { return _mm512_loadu_si512(from); }

LNT_INLINE LNT_AVX512 __m512i load_channels(const job *j, const int8_t *from) {
    __m512i x = j->mask == ~(__mmask64)0 ? load(from) : _mm512_maskz_loadu_epi8(j->mask, from);
    return _mm512_xor_si512(x, _mm512_set1_epi8(-128));
}

/* Interleave a column of 4 rows. */
LNT_INLINE LNT_AVX512 void interleave(const job *j, const int8_t *const at[4], units *to) {
    __m512i a = load_channels(j, at[0]), b = load_channels(j, at[1]);
    __m512i c = load_channels(j, at[2]), d = load_channels(j, at[3]);
    __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
    _mm512_store_si512(to->vector[0], _mm512_unpacklo_epi16(ab_low, cd_low));
    _mm512_store_si512(to->vector[1], _mm512_unpackhi_epi16(ab_low, cd_low));
    _mm512_store_si512(to->vector[2], _mm512_unpacklo_epi16(ab_high, cd_high));
    _mm512_store_si512(to->vector[3], _mm512_unpackhi_epi16(ab_high, cd_high));
}

/* Columns [x, x + count) of the input, those outside of it too. */
LNT_INLINE LNT_AVX512 void interleave_columns(const job *j, int32_t x, uint32_t count, units *to) {
    for (uint32_t i = 0; i < count; i++, x++) {
        for (uint32_t g = 0; g < j->f->groups; g++, to++) {
            const int8_t *at[4];
            LNT_UNROLL
            for (uint32_t k = 0; k < 4; k++) {
                at[k] = lnt_source(j->f, 4 * g + k, x);
            }
            interleave(j, at, to);
        }
    }
}

/* One output column of one or two rows; window: a constant, where there is one. */
LNT_INLINE LNT_AVX512 void convolve(const job *j, const units *x, uint32_t window, int rows, bool by_four, size_t to) {
    __m512i acc[2][4];
    LNT_UNROLL
    for (int v = 0; v < 4; v++) {
        acc[0][v] = acc[1][v] = load(j->constants + v * 192);
    }
    const uint8_t *w = j->constants + 4 * 192;
    for (uint32_t t = 0; t < window; t++, w += 256) {
        LNT_UNROLL
        for (int v = 0; v < 4; v++) {
            __m512i column = _mm512_load_si512(x[t].vector[v]);
            LNT_UNROLL
            for (int r = 0; r < rows; r++) {
                acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], column, load(w + (size_t)r * j->f->filter_bytes + v * 64));
            }
        }
    }
    LNT_UNROLL
    for (int r = 0; r < rows; r++) {
        LNT_UNROLL
        for (int v = 0; v < 4; v++) {
            const uint8_t *m = j->constants + v * 192 + 64;
            acc[r][v] = lnt_scale512(&j->law, by_four, acc[r][v], load(m), load(m + 64));
        }
        __m512i y = lnt_narrow512(&j->law, by_four, acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
        _mm512_mask_storeu_epi8(j->f->out[r] + to, j->mask, y);
    }
}

LNT_INLINE LNT_AVX512 void convolve_columns(const job *j, const units *x, uint32_t count, uint32_t first, int rows,
                                            bool by_four) {
    uint32_t step = j->f->p->op->stride_w * j->f->groups;
    if (j->f->window == 3) {
        for (uint32_t i = 0; i < count; i++) {
            convolve(j, x + (size_t)i * step, 3, rows, by_four, (size_t)(first + i) * j->f->p->out->channels);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            convolve(j, x + (size_t)i * step, j->f->window, rows, by_four,
                     (size_t)(first + i) * j->f->p->out->channels);
        }
    }
}

LNT_AVX512 static void convolve_one(const job *j, const units *x, uint32_t count, uint32_t first) {
    if (j->law.by_four) {
        convolve_columns(j, x, count, first, 1, true);
    } else {
        convolve_columns(j, x, count, first, 1, false);
    }
}

LNT_AVX512 static void convolve_two(const job *j, const units *x, uint32_t count, uint32_t first) {
    if (j->law.by_four) {
        convolve_columns(j, x, count, first, 2, true);
    } else {
        convolve_columns(j, x, count, first, 2, false);
    }
}

LNT_AVX512 static void run_piece(const lnt_filter_job *f, int32_t left, uint32_t first, uint32_t count) {
    units columns[LNT_HELD_UNITS];
    job j = {.f = f, .constants = f->constants, .mask = lnt_first512(f->channels), .law = lnt_make_law512(f->p)};
    interleave_columns(&j, left, (count - 1) * f->p->op->stride_w + f->p->op->kernel_w, columns);
    (f->rows_out == 2 ? convolve_two : convolve_one)(&j, columns, count, first);
}

const lnt_filter_isa lnt_depthwise_avx512vnni = {.filters = {.lanes = LANES, .unit = 4}, .run = run_piece};
#endif

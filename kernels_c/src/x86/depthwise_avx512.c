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
    int8_t *out[2];
    size_t filter_bytes;
    size_t out_step; /* from column to column */
    size_t fold;     /* to the columns of the upper half, where blocks are folded */
    __mmask64 mask;  /* channels that there are */
    lnt_law512 law;
} job;

LNT_INLINE LNT_AVX512 __m512i load(const void *from) { return _mm512_loadu_si512(from); }

LNT_INLINE LNT_AVX512 __m512i load_channels(const job *j, uint32_t row, int32_t x, int32_t fold) {
    const int8_t *from = lnt_source(j->f, row, x);
    __m512i bytes;
    if (fold >= 0) {
        const int8_t *upper = lnt_source(j->f, row, x + fold);
        __m256i low = _mm256_maskz_loadu_epi8((__mmask32)j->mask, from);
        bytes = _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_maskz_loadu_epi8((__mmask32)j->mask, upper), 1);
    } else {
        bytes = j->mask == ~(__mmask64)0 ? load(from) : _mm512_maskz_loadu_epi8(j->mask, from);
    }
    return _mm512_xor_si512(bytes, _mm512_set1_epi8(-128));
}

/* Interleave a column of 4 rows; from column x + fold on for the upper half, unless fold is -1. */
LNT_INLINE LNT_AVX512 void interleave(const job *j, uint32_t row, int32_t x, int32_t fold, units *to) {
    __m512i a = load_channels(j, row, x, fold), b = load_channels(j, row + 1, x, fold);
    __m512i c = load_channels(j, row + 2, x, fold), d = load_channels(j, row + 3, x, fold);
    __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
    _mm512_store_si512(to->vector[0], _mm512_unpacklo_epi16(ab_low, cd_low));
    _mm512_store_si512(to->vector[1], _mm512_unpackhi_epi16(ab_low, cd_low));
    _mm512_store_si512(to->vector[2], _mm512_unpacklo_epi16(ab_high, cd_high));
    _mm512_store_si512(to->vector[3], _mm512_unpackhi_epi16(ab_high, cd_high));
}

/* Columns [x, x + count) of the input, those outside of it too. */
LNT_INLINE LNT_AVX512 void interleave_columns(const job *j, int32_t x, uint32_t count, int32_t fold, units *to) {
    uint32_t groups = j->f->groups;
    for (uint32_t i = 0; i < count; i++, x++) {
        for (uint32_t g = 0; g < groups; g++, to++) {
            interleave(j, 4 * g, x, fold, to);
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
                acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], column, load(w + (size_t)r * j->filter_bytes + v * 64));
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
        if (j->fold == 0) {
            _mm512_mask_storeu_epi8(j->out[r] + to, j->mask, y);
        } else {
            _mm256_mask_storeu_epi8(j->out[r] + to, (__mmask32)j->mask, _mm512_castsi512_si256(y));
            _mm256_mask_storeu_epi8(j->out[r] + to + j->fold, (__mmask32)j->mask, _mm512_extracti64x4_epi64(y, 1));
        }
    }
}

LNT_INLINE LNT_AVX512 void convolve_columns(const job *shared, const units *x, uint32_t count, int rows, bool by_four) {
    const job copy = *shared, *j = &copy; /* nobody else's, so that storing outputs does not mean loading it again */
    uint32_t step = j->f->p->op->stride_w * j->f->groups, window = j->f->window;
    size_t to = 0;
    if (window == 3) {
        for (uint32_t i = 0; i < count; i++, x += step, to += j->out_step) {
            convolve(j, x, 3, rows, by_four, to);
        }
    } else {
        for (uint32_t i = 0; i < count; i++, x += step, to += j->out_step) {
            convolve(j, x, window, rows, by_four, to);
        }
    }
}

LNT_AVX512 static void convolve_one(const job *j, const units *x, uint32_t count) {
    if (j->law.by_four) {
        convolve_columns(j, x, count, 1, true);
    } else {
        convolve_columns(j, x, count, 1, false);
    }
}

LNT_AVX512 static void convolve_two(const job *j, const units *x, uint32_t count) {
    if (j->law.by_four) {
        convolve_columns(j, x, count, 2, true);
    } else {
        convolve_columns(j, x, count, 2, false);
    }
}

LNT_AVX512 static void run_piece(const lnt_filter_job *f, int32_t left, uint32_t first, uint32_t count) {
    units columns[LNT_HELD_UNITS];
    const lnt_op *op = f->p->op;
    job j = {.f = f, .constants = f->constants, .filter_bytes = f->filter_bytes, .law = lnt_make_law512(f->p)};
    j.mask = lnt_first512(f->channels);
    j.out_step = f->p->out->channels;
    for (uint32_t r = 0; r < f->rows_out; r++) {
        j.out[r] = f->out[r] + first * j.out_step;
    }
    if (f->folded && count > 1) {
        /* The lower half computes the first columns, the upper one the last; of an odd number both have the middle. */
        uint32_t fold = count / 2;
        count -= fold;
        j.fold = fold * j.out_step;
        interleave_columns(&j, left, (count - 1) * op->stride_w + op->kernel_w, (int32_t)(fold * op->stride_w),
                           columns);
    } else {
        interleave_columns(&j, left, (count - 1) * op->stride_w + op->kernel_w, -1, columns);
    }
    (f->rows_out == 2 ? convolve_two : convolve_one)(&j, columns, count);
}

const lnt_filter_isa lnt_depthwise_avx512vnni = {.filters = {.lanes = LANES, .unit = 4}, .run = run_piece};
#endif

/* Depthwise convolution of nearly any size, stride and padding, with AVX-512 VNNI: 64 channels at a time, two output
 * rows at a time where they share their input (depthwise.h).
 * Rows: NHWC. Nothing may overlap. 20 KB of stack: the interleaved columns under a piece of the output row. */
#include "../ref/window.h"
#include "depthwise.h"
#include "requantize_avx512.h"
#include "x86.h"

#ifdef LNT_X86

enum { LANES = 16, BLOCK = 4 * LANES, COLUMNS = 72, MAX_UNITS = 36 };

static const lnt_filters filters = {.lanes = LANES, .unit = 4};

/* One interleaved unit of each channel of a block. */
typedef struct units {
    _Alignas(64) uint8_t vector[4][64];
} units;

/* Where rows of input lie: a column every `step` bytes. Rows of padding have one column for all. */
typedef struct row {
    const int8_t *at; /* column x0, channel 0 of the block */
    size_t step;
} row;

/* One block of channels of one or two output rows. */
typedef struct job {
    const lnt_op *op;
    const uint8_t *constants;
    size_t filter_bytes;
    const row *rows;
    const int8_t *padding; /* a column */
    int8_t *out[2];        /* the first output column of the range */
    size_t out_step;
    uint32_t width; /* of the input */
    uint32_t x0;
    uint32_t groups;
    uint32_t window; /* units of one output */
    __mmask64 mask;  /* channels that there are */
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
        bool inside = x >= 0 && x < (int32_t)j->width;
        for (uint32_t g = 0; g < j->groups; g++, to++) {
            const row *rows = j->rows + (size_t)4 * g;
            const int8_t *at[4];
            LNT_UNROLL
            for (int k = 0; k < 4; k++) {
                at[k] = inside ? rows[k].at + (size_t)((uint32_t)x - j->x0) * rows[k].step : j->padding;
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
        _mm512_mask_storeu_epi8(j->out[r] + to, j->mask, y);
    }
}

LNT_INLINE LNT_AVX512 void convolve_columns(const job *j, const units *x, uint32_t count, uint32_t first, int rows,
                                            bool by_four) {
    uint32_t step = j->op->stride_w * j->groups;
    if (j->window == 3) {
        for (uint32_t i = 0; i < count; i++) {
            convolve(j, x + (size_t)i * step, 3, rows, by_four, (first + i) * j->out_step);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            convolve(j, x + (size_t)i * step, j->window, rows, by_four, (first + i) * j->out_step);
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

/* The rows' columns in pieces whose interleaved input fits the stack. */
LNT_AVX512 static void run_rows(const job *j, uint32_t x, uint32_t xn, bool two) {
    units columns[COLUMNS];
    uint32_t stride = j->op->stride_w, kernel = j->op->kernel_w;
    uint32_t most = (COLUMNS / j->groups - kernel) / stride + 1;
    uint32_t pieces = (xn + most - 1) / most;
    for (uint32_t i = 0; i < pieces; i++) {
        uint32_t from = xn * i / pieces, count = xn * (i + 1) / pieces - from;
        int32_t left = (int32_t)((x + from) * stride) - j->op->pad_left;
        interleave_columns(j, left, (count - 1) * stride + kernel, columns);
        (two ? convolve_two : convolve_one)(j, columns, count, from);
    }
}

/* Find the rows under output row y, and under the next one if `two`; others count as padding. */
static void find_rows(const lnt_params *p, const lnt_operands *o, uint32_t y, bool two, uint32_t c,
                      const int8_t *padding, row rows[LNT_MAX_KERNEL_H]) {
    const lnt_op *op = p->op;
    int32_t top = (int32_t)(y * op->stride_h) - op->pad_top;
    for (uint32_t i = 0; i < LNT_MAX_KERNEL_H; i++) {
        int32_t at = top + (int32_t)i;
        rows[i] = (row){.at = padding, .step = 0};
        bool used = i < op->kernel_h || (two && i >= op->stride_h && i < (uint32_t)op->stride_h + op->kernel_h);
        if (used && at >= 0 && at < p->in->height) {
            rows[i] = (row){.at = (const int8_t *)lnt_row(&o->in, (uint32_t)at) + c, .step = p->in->channels};
        }
    }
}

LNT_AVX512 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    _Alignas(64) int8_t padding[BLOCK];
    _mm512_store_si512(padding, _mm512_set1_epi8((int8_t)p->in->zero_point));
    uint32_t channels = p->out->channels, end = range.c + range.cn;
    row rows[LNT_MAX_KERNEL_H];
    job j = {.op = op, .rows = rows, .padding = padding, .out_step = channels, .law = lnt_make_law512(p)};
    j.width = p->in->width;
    j.x0 = o->in.x0;
    j.groups = lnt_row_groups(op, 4);
    j.window = lnt_window_units(op, 4);
    j.filter_bytes = lnt_filter_bytes(op, filters);
    for (uint32_t y = range.y, n; y < range.y + range.n; y += n) {
        n = range.y + range.n - y >= 2 && lnt_rows_pair(op, 4) ? 2 : 1;
        for (uint32_t c = range.c; c < end; c += BLOCK) {
            find_rows(p, o, y, n == 2, c, padding, rows);
            j.constants = p->packed + LNT_SCALING_BYTES + c / BLOCK * lnt_filter_block_bytes(op, filters);
            j.mask = lnt_first512(end - c);
            for (uint32_t i = 0; i < n; i++) {
                j.out[i] = lnt_pixel(&o->out, y + i, range.x, channels) + c;
            }
            run_rows(&j, range.x, range.xn, n == 2);
        }
    }
}

static bool takes(const lnt_params *p) { return lnt_window_units(p->op, 4) <= MAX_UNITS; }

static uint64_t bytes(const lnt_params *p) { return lnt_depthwise_bytes(p, filters); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_depthwise_pack(p, filters, to); }

static const lnt_packing packing = {.takes = takes, .bytes = bytes, .pack = pack};

const lnt_kernel q8_depthwise_avx512vnni = {.name = "q8_depthwise_avx512vnni",
                                            .run = run,
                                            .packing = &packing,
                                            .kind = LNT_OP_KIND_DEPTHWISE,
                                            .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                            .channel_group = BLOCK};
#endif

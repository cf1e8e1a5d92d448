/* Depthwise convolution of any kernel, stride_w 1 or 2: one filter per channel.
 * Rows: NHWC. Packed weights: for each channel, its kernel rows as bytes, each filled up
 * with zeros to a whole number of words of the planes. Scratch: the planes of planes.h, filled for
 * four channels at a time, of which here the first word's lower half is the first tap of the first output; behind them
 * one channel's weights, 16 bits wide. */
#include "dsp.h"
#include "planes.h"

enum {
    MOST_ROWS = 18, /* of the input, that output rows share the splitting of */
    MOST_KERNEL_W = 16,
    PLANE_WORDS = LNT_PLANE_BYTES / 4,
};

/* For outputs of one or two columns, splitting rows and widening weights costs more than it saves. */
static bool takes(const lnt_params *p) {
    return p->op->stride_w <= 2 && p->op->kernel_w <= MOST_KERNEL_W && p->out->width > 2;
}

/* Words of a plane under the kernel, from whichever half of the first one it begins in. */
static uint32_t taps_words(const lnt_op *op) { return op->kernel_w / 2u + 1; }

static uint64_t bytes(const lnt_params *p) {
    return (uint64_t)p->out->channels * p->op->kernel_h * taps_words(p->op) * 2;
}

static void pack(const lnt_params *p, uint8_t *to) {
    uint32_t channels = p->out->channels, width = p->op->kernel_w;
    const uint8_t *w = p->data + p->op->weights;
    for (uint32_t c = 0; c < channels; c++) {
        for (uint32_t i = 0; i < p->op->kernel_h; i++) {
            for (uint32_t j = 0; j < 2 * taps_words(p->op); j++) {
                *to++ = j < width ? w[(size_t)(i * width + j) * channels + c] : 0;
            }
        }
    }
}

static uint32_t block_rows(const lnt_op *op, uint32_t n) {
    uint32_t most = (uint32_t)(MOST_ROWS - op->kernel_h) / op->stride_h + 1;
    return n < most ? n : most;
}

static uint64_t planes_bytes(const lnt_op *op, uint32_t n) {
    return (uint64_t)((block_rows(op, n) - 1) * op->stride_h + op->kernel_h) * LNT_ROW_BYTES;
}

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    (void)xn;
    return planes_bytes(p->op, n) + (uint64_t)p->op->kernel_h * taps_words(p->op) * 8;
}

_Static_assert(LNT_MAX_KERNEL_H <= MOST_ROWS, "one output row fits");

#if LNT_DSP_HERE

#include <string.h>

#include "../clamp.h"
#include "../ref/ref.h"
#include "intrinsics.h"

/* A kernel row's taps of two columns: for outputs that begin in the lower half of a word, and in the upper one. */
typedef struct taps {
    uint32_t even;
    uint32_t odd;
} taps;

/* Output rows and columns that are computed from one filling of the planes. */
typedef struct block {
    const lnt_params *p;
    uint8_t *planes;
    taps *weights;
    lnt_range range;
    uint32_t rows;                  /* of the input, padding included */
    uint32_t top, bottom;           /* those that lie in it: [top, bottom) */
    uint32_t from, to;              /* likewise of the columns under the block */
    uint32_t start;                 /* the first one in the lower half of a word */
    const int8_t *in[MOST_ROWS];    /* at column `from` */
    const int8_t *split[MOST_ROWS]; /* at column `start` */
    int8_t *out[MOST_ROWS];         /* at the first output column */
} block;

static uint32_t *plane_of(const block *b, uint32_t row, uint32_t plane) {
    return (uint32_t *)(void *)(b->planes + (size_t)row * LNT_ROW_BYTES + (size_t)plane * LNT_PLANE_BYTES);
}

/* Of `count` places from `first` on, those in [0, size): [*from, *to), relative to the first. */
static void find_inside(int32_t first, uint32_t count, uint32_t size, uint32_t *from, uint32_t *to) {
    int32_t end = (int32_t)size - first;
    *to = end < 0 ? 0 : (uint32_t)end < count ? (uint32_t)end : count;
    *from = first < 0 ? (uint32_t)-first : 0;
    *from = *from < *to ? *from : *to;
}

static void copy_columns(const block *b, uint32_t from, uint32_t to, uint32_t c, uint32_t channels) {
    uint32_t pixel = b->p->in->channels;
    for (uint32_t i = b->top; i < b->bottom; i++) {
        for (uint32_t k = 0; k < channels; k++) {
            const int8_t *in = b->in[i] + (size_t)(from - b->from) * pixel + c + k;
            int16_t *plane = (int16_t *)(void *)plane_of(b, i, k);
            for (uint32_t x = from; x < to; x++, in += pixel) {
                plane[x] = *in;
            }
        }
    }
}

/* What of the planes is not padding. */
static void fill(const block *b, uint32_t c, uint32_t channels) {
    uint32_t groups = channels == LNT_PLANES && b->to > b->start ? (b->to - b->start) / 4 : 0;
    if (groups == 0 || b->top == b->bottom) {
        copy_columns(b, b->from, b->to, c, channels);
        return;
    }
    lnt_split split = {.from = b->split + b->top,
                       .channel = c,
                       .pixel = b->p->in->channels,
                       .to = (uint8_t *)(plane_of(b, b->top, 0) + b->start / 2),
                       .rows = b->bottom - b->top,
                       .groups = groups};
    lnt_dsp_split(&split);
    copy_columns(b, b->from, b->start, c, channels);
    copy_columns(b, b->start + 4 * groups, b->to, c, channels);
}

static void widen(const block *b, uint32_t c) {
    const lnt_op *op = b->p->op;
    uint32_t words = taps_words(op);
    const int8_t *w = (const int8_t *)b->p->packed + (size_t)c * op->kernel_h * words * 2;
    taps *to = b->weights;
    for (uint32_t i = 0; i < op->kernel_h; i++) {
        uint32_t before = 0;
        for (const taps *end = to + words; to != end; to++, w += 2) {
            uint32_t low = (uint16_t)w[0], high = (uint16_t)w[1];
            to->even = low | high << 16;
            to->odd = before | low << 16;
            before = high;
        }
    }
}

static inline int32_t add_taps(uint32_t x, uint32_t w, int32_t sum) { return __smlad((int16x2_t)x, (int16x2_t)w, sum); }

/* Two of a kernel row's taps for four outputs, whose windows begin at x. */
__attribute__((always_inline)) static inline void add_word(const uint32_t *x, const taps *w, bool strided,
                                                           int32_t sum[4]) {
    sum[0] = add_taps(x[0], w->even, sum[0]);
    sum[1] = strided ? add_taps(x[1], w->even, sum[1]) : add_taps(x[0], w->odd, sum[1]);
    sum[2] = add_taps(x[strided ? 2 : 1], w->even, sum[2]);
    sum[3] = strided ? add_taps(x[3], w->even, sum[3]) : add_taps(x[1], w->odd, sum[3]);
}

/* All taps. */
__attribute__((always_inline)) static inline void sum_four(const uint32_t *x, const taps *w, uint32_t rows,
                                                           uint32_t words, bool strided, int32_t sum[4]) {
    for (; rows != 0; rows--, x += LNT_ROW_BYTES / 4, w += words) {
        if (words == 3) {
            add_word(x, w, strided, sum);
            add_word(x + 1, w + 1, strided, sum);
            add_word(x + 2, w + 2, strided, sum);
        } else {
            for (uint32_t j = 0; j < words; j++) {
                add_word(x + j, w + j, strided, sum);
            }
        }
    }
}

/* One channel's output rows. words and strided are constants where this is inlined for them. */
__attribute__((always_inline)) static inline void filter_rows(const block *b, const uint32_t *plane, uint32_t c,
                                                              uint32_t words, bool strided) {
    const lnt_params *p = b->p;
    int32_t bias = lnt_int32_data(p, p->op->bias)[c], doubled = 2 * lnt_int32_data(p, p->op->multiplier)[c];
    int32_t zero = p->out->zero_point;
    uint32_t pixel = p->out->channels, shift = p->op->shift, height = p->op->kernel_h;
    const taps *weights = b->weights;
    for (uint32_t i = 0; i < b->range.n; i++, plane += p->op->stride_h * (LNT_ROW_BYTES / 4)) {
        const uint32_t *x = plane;
        int8_t *out = b->out[i] + c;
        for (uint32_t left = b->range.xn; left != 0; x += strided ? 4 : 2) {
            int32_t sum[4] = {bias, bias, bias, bias};
            sum_four(x, weights, height, words, strided, sum);
            uint32_t count = left < 4 ? left : 4;
#pragma GCC unroll 4
            for (uint32_t k = 0; k < 4; k++) {
                if (count == k) {
                    break;
                }
                *out = (int8_t)__ssat(lnt_scale((int32_t)((uint32_t)sum[k] << shift), doubled, zero), 8);
                out += pixel;
            }
            left -= count;
        }
    }
}

static void filter(const block *b, const uint32_t *plane, uint32_t c) {
    uint32_t words = taps_words(b->p->op);
    bool strided = b->p->op->stride_w == 2;
    if (words == 3 && strided) {
        filter_rows(b, plane, c, 3, true);
    } else if (words == 3) {
        filter_rows(b, plane, c, 3, false);
    } else if (strided) {
        filter_rows(b, plane, c, words, true);
    } else {
        filter_rows(b, plane, c, words, false);
    }
}

static void run_channels(const block *b, uint32_t c, uint32_t channels) {
    fill(b, c, channels);
    for (uint32_t k = 0; k < channels; k++) {
        widen(b, c + k);
        filter(b, plane_of(b, 0, k), c + k);
    }
}

static void run_block(block *b, const lnt_operands *o) {
    const lnt_params *p = b->p;
    const lnt_op *op = p->op;
    const lnt_range *r = &b->range;
    int32_t first = (int32_t)(r->y * op->stride_h) - op->pad_top;
    int32_t left = (int32_t)(r->x * op->stride_w) - op->pad_left;
    b->rows = (r->n - 1) * op->stride_h + op->kernel_h;
    find_inside(first, b->rows, p->in->height, &b->top, &b->bottom);
    find_inside(left, (r->xn - 1) * op->stride_w + op->kernel_w, p->in->width, &b->from, &b->to);
    b->start = (b->from + 1) / 2 * 2;
    for (uint32_t i = b->top; i < b->bottom && b->from < b->to; i++) {
        b->in[i] =
            lnt_pixel(&o->in, (uint32_t)(first + (int32_t)i), (uint32_t)(left + (int32_t)b->from), p->in->channels);
        b->split[i] = b->in[i] + (size_t)(b->start - b->from) * p->in->channels;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        b->out[i] = lnt_pixel(&o->out, r->y + i, r->x, p->out->channels);
    }
    /* Padding is the same for all channels. */
    uint32_t zeros = (uint16_t)p->in->zero_point * 0x10001u;
    for (uint32_t *word = plane_of(b, 0, 0), *end = plane_of(b, b->rows, 0); word < end; word++) {
        *word = zeros;
    }
    for (uint32_t c = r->c; c < r->c + r->cn; c += LNT_PLANES) {
        uint32_t rest = r->c + r->cn - c;
        run_channels(b, c, rest < LNT_PLANES ? rest : LNT_PLANES);
    }
}

/* Outputs of a row for which a plane holds all that groups of four look at. */
static uint32_t block_columns(const lnt_op *op) { return (PLANE_WORDS - op->kernel_w / 2u) / (2u * op->stride_w) * 4; }

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t rows = block_rows(p->op, range.n), columns = block_columns(p->op);
    block b = {.p = p,
               .planes = o->scratch,
               .weights = (taps *)(void *)(o->scratch + planes_bytes(p->op, range.n)),
               .range = range};
    for (uint32_t y = range.y, end = range.y + range.n; y < end; y += b.range.n) {
        b.range.y = y;
        b.range.n = end - y < rows ? end - y : rows;
        for (uint32_t x = range.x, right = range.x + range.xn; x < right; x += b.range.xn) {
            b.range.x = x;
            b.range.xn = right - x < columns ? right - x : columns;
            run_block(&b, o);
        }
    }
    lnt_clamp_range(p, o, &range);
}

#endif

static const lnt_packing packing = {
    .takes = takes, .bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

const lnt_kernel q8_depthwise_any_dsp = {.name = "q8_depthwise_any_dsp",
                                         .run = LNT_DSP_RUN(run),
                                         .packing = &packing,
                                         .kind = LNT_OP_KIND_DEPTHWISE,
                                         .split = LNT_SPLIT_NONE,
                                         .channel_group = 8};

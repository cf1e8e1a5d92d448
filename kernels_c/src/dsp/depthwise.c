/* Depthwise convolution 3x3 of stride 1 or 2: one filter per channel.
 * Rows: NHWC. Packed weights: for each channel and kernel row, bytes w0, w1, w1, w2, which SXTB16 takes apart as
 * (w0, w1) and (w1, w2). Scratch: planes.h, and filled for four channels at a time. */
#include "dsp.h"
#include "planes.h"

/* Output rows that share the splitting of their input rows. */
enum { KERNEL = 3, MOST_ROWS = 18 };

static bool takes(const lnt_params *p) {
    const lnt_op *op = p->op;
    return op->kernel_h == KERNEL && op->kernel_w == KERNEL && op->stride_h <= 2 && op->stride_w <= 2 && op->shift <= 8;
}

static uint64_t bytes(const lnt_params *p) { return (uint64_t)p->out->channels * KERNEL * 4; }

static void pack(const lnt_params *p, uint8_t *to) {
    uint32_t channels = p->out->channels;
    const uint8_t *w = p->data + p->op->weights;
    for (uint32_t c = 0; c < channels; c++) {
        for (uint32_t i = 0; i < KERNEL; i++, to += 4) {
            to[0] = w[(size_t)(i * KERNEL) * channels + c];
            to[1] = to[2] = w[(size_t)(i * KERNEL + 1) * channels + c];
            to[3] = w[(size_t)(i * KERNEL + 2) * channels + c];
        }
    }
}

static uint32_t block_rows(const lnt_op *op, uint32_t n) {
    uint32_t most = (uint32_t)(MOST_ROWS - KERNEL) / op->stride_h + 1;
    return n < most ? n : most;
}

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    (void)xn;
    return (uint64_t)((block_rows(p->op, n) - 1) * p->op->stride_h + KERNEL) * LNT_ROW_BYTES;
}

#if LNT_DSP_HERE

#include <string.h>

#include "../clamp.h"
#include "../ref/ref.h"

/* Output rows and columns that are computed from one filling of the planes. */
typedef struct block {
    const lnt_params *p;
    uint8_t *planes;
    lnt_range range;
    uint32_t rows;               /* of the input, padding included */
    uint32_t top, bottom;        /* those that lie in it: [top, bottom) */
    const int8_t *in[MOST_ROWS]; /* at column `left` + 1, which may be outside */
    int8_t *out[MOST_ROWS];
    int32_t left;    /* the first tap's column */
    int32_t end;     /* behind the last column that may be read */
    uint32_t groups; /* of four columns that lie in the input */
    uint32_t words;  /* of a plane */
} block;

static uint32_t *word_of(const block *b, uint32_t row, uint32_t plane, uint32_t word) {
    return (uint32_t *)(void *)(b->planes + (size_t)row * LNT_ROW_BYTES + (size_t)plane * LNT_PLANE_BYTES) + word;
}

static bool has_column(const block *b, int32_t x) { return x >= 0 && x < b->end; }

/* What is padding is so for all channels. */
static void fill_padding(const block *b) {
    uint32_t zeros = (uint16_t)b->p->in->zero_point * 0x10001u;
    for (uint32_t i = 0; i < b->rows; i++) {
        bool inside = i >= b->top && i < b->bottom;
        for (uint32_t plane = 0; plane < LNT_PLANES; plane++) {
            uint32_t *words = word_of(b, i, plane, 0);
            words[0] = zeros;
            for (uint32_t k = inside ? 1 + 2 * b->groups : 1; k < b->words; k++) {
                words[k] = zeros;
            }
        }
    }
}

/* Columns that are not part of a group of four: the first one, where it is not padding, and the last ones. */
LNT_OUTLINE static void fill_edges(const block *b, uint32_t c, uint32_t channels, uint32_t groups) {
    for (int32_t x = b->left; x < b->end; x = x == b->left ? x + 1 + 4 * (int32_t)groups : x + 1) {
        if (!has_column(b, x)) {
            continue;
        }
        uint32_t at = (uint32_t)(x - b->left) + 1;
        for (uint32_t i = b->top; i < b->bottom; i++) {
            const int8_t *pixel = b->in[i] + (ptrdiff_t)(x - b->left - 1) * b->p->in->channels + c;
            for (uint32_t k = 0; k < channels; k++) {
                ((int16_t *)(void *)word_of(b, i, k, 0))[at] = pixel[k];
            }
        }
    }
}

static void run_channels(const block *b, uint32_t c, uint32_t channels) {
    const lnt_op *op = b->p->op;
    uint32_t pixel = b->p->out->channels;
    uint32_t groups = channels == LNT_PLANES ? b->groups : 0;
    if (groups != 0 && b->top < b->bottom) {
        lnt_split split = {.from = b->in + b->top,
                           .channel = c,
                           .pixel = pixel,
                           .to = (uint8_t *)word_of(b, b->top, 0, 1),
                           .rows = b->bottom - b->top,
                           .groups = groups};
        lnt_dsp_split(&split);
    }
    fill_edges(b, c, channels, groups);
    lnt_filter filter = {.planes = b->planes,
                         .row_step = op->stride_h * LNT_ROW_BYTES,
                         .out = b->out,
                         .rows = b->range.n,
                         .groups = b->range.xn / 4,
                         .rest = b->range.xn % 4,
                         .pixel = pixel,
                         .channel = c,
                         .channels = channels,
                         .packed = b->p->packed + (size_t)c * KERNEL * 4,
                         .bias = lnt_int32_data(b->p, op->bias) + c,
                         .multiplier = lnt_int32_data(b->p, op->multiplier) + c,
                         .zero = b->p->out->zero_point,
                         .shift = op->shift,
                         .strided = op->stride_w == 2};
    lnt_dsp_filter(&filter);
}

static void run_block(block *b, const lnt_operands *o) {
    const lnt_params *p = b->p;
    const lnt_op *op = p->op;
    const lnt_range *r = &b->range;
    int32_t first = (int32_t)(r->y * op->stride_h) - op->pad_top;
    int32_t below = (int32_t)p->in->height - first;
    b->rows = (r->n - 1) * op->stride_h + KERNEL;
    b->top = first < 0 ? (uint32_t)-first : 0;
    b->bottom = below < (int32_t)b->rows ? (uint32_t)below : b->rows;
    b->left = (int32_t)(r->x * op->stride_w) - op->pad_left;
    b->end = b->left + (int32_t)((r->xn - 1) * op->stride_w + KERNEL);
    b->words = op->stride_w == 1 ? 2 * ((r->xn + 3) / 4) + 2 : 4 * ((r->xn + 3) / 4) + 1;
    if (b->end > p->in->width) {
        b->end = p->in->width;
    }
    bool first_inside = b->left + 1 >= 0;
    b->groups = first_inside && b->end > b->left + 1 ? (uint32_t)(b->end - b->left - 1) / 4 : 0;
    for (uint32_t i = b->top; i < b->bottom; i++) {
        b->in[i] = lnt_pixel(&o->in, (uint32_t)(first + (int32_t)i), o->in.x0, p->in->channels) +
                   (ptrdiff_t)(b->left + 1 - (int32_t)o->in.x0) * p->in->channels;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        b->out[i] = lnt_pixel(&o->out, r->y + i, r->x, p->out->channels);
    }
    fill_padding(b);
    for (uint32_t c = r->c; c < r->c + r->cn; c += LNT_PLANES) {
        uint32_t left = r->c + r->cn - c;
        run_channels(b, c, left < LNT_PLANES ? left : LNT_PLANES);
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t rows = block_rows(p->op, range.n), columns = LNT_PLANE_COLUMNS / p->op->stride_w;
    block b = {.p = p, .planes = o->scratch, .range = range};
    for (uint32_t y = range.y, end = range.y + range.n; y < end; y += b.range.n) {
        b.range.y = y;
        b.range.n = end - y < rows ? end - y : rows;
        for (uint32_t x = range.x, right = range.x + range.xn; x < right; x += columns) {
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

const lnt_kernel q8_depthwise_dsp = {.name = "q8_depthwise_dsp",
                                     .run = LNT_DSP_RUN(run),
                                     .packing = &packing,
                                     .kind = LNT_OP_KIND_DEPTHWISE,
                                     .split = LNT_SPLIT_NONE,
                                     .channel_group = 8};

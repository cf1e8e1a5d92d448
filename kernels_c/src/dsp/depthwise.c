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
    lnt_range range;
    uint32_t rows;               /* of the input, padding included */
    uint32_t top, bottom;        /* those that lie in it: [top, bottom) */
    const int8_t *in[MOST_ROWS]; /* at column `left` + 1, which may be outside */
    int8_t *out[MOST_ROWS];
    int32_t left;   /* the first tap's column */
    int32_t end;    /* behind the last column that may be read */
    uint32_t words; /* of a plane */
    lnt_split split;
    lnt_filter filter;
} block;

static uint32_t *word_of(const block *b, uint32_t row, uint32_t plane, uint32_t word) {
    return (uint32_t *)(void *)(b->filter.planes + (size_t)row * LNT_ROW_BYTES + (size_t)plane * LNT_PLANE_BYTES) +
           word;
}

/* What is padding is so for all channels. */
static void fill_padding(const block *b) {
    uint32_t zeros = (uint16_t)b->p->in->zero_point * 0x10001u;
    for (uint32_t i = 0; i < b->rows; i++) {
        bool inside = i >= b->top && i < b->bottom;
        for (uint32_t plane = 0; plane < LNT_PLANES; plane++) {
            uint32_t *words = word_of(b, i, plane, 0);
            words[0] = zeros;
            for (uint32_t k = inside ? 1 + 2 * b->split.groups : 1; k < b->words; k++) {
                words[k] = zeros;
            }
        }
    }
}

/* Column x of all rows. */
static void fill_column(const block *b, int32_t x, uint32_t channels) {
    ptrdiff_t from = (ptrdiff_t)(x - b->left - 1) * b->p->in->channels + (ptrdiff_t)b->split.channel;
    int16_t *to = (int16_t *)(void *)word_of(b, b->top, 0, 0) + (x - b->left) + 1;
    for (uint32_t i = b->top; i < b->bottom; i++, to += LNT_ROW_BYTES / 2) {
        const int8_t *pixel = b->in[i] + from;
        if (channels == LNT_PLANES) {
            to[0] = pixel[0];
            to[LNT_PLANE_BYTES / 2] = pixel[1];
            to[LNT_PLANE_BYTES] = pixel[2];
            to[LNT_PLANE_BYTES / 2 * 3] = pixel[3];
            continue;
        }
        for (uint32_t k = 0; k < channels; k++) {
            to[k * (LNT_PLANE_BYTES / 2)] = pixel[k];
        }
    }
}

static void run_channels(block *b, uint32_t channels) {
    uint32_t groups = channels == LNT_PLANES ? b->split.groups : 0;
    if (groups != 0 && b->split.rows != 0) {
        lnt_dsp_split(&b->split);
    }
    /* What is not part of a group of four: the first column, where it is not padding, and the last ones. */
    if (b->left >= 0) {
        fill_column(b, b->left, channels);
    }
    for (int32_t x = b->left + 1 + 4 * (int32_t)groups; x < b->end; x++) {
        if (x >= 0) {
            fill_column(b, x, channels);
        }
    }
    b->filter.channels = channels;
    lnt_dsp_filter(&b->filter);
}

static void run_block(block *b, const lnt_operands *o) {
    const lnt_params *p = b->p;
    const lnt_op *op = p->op;
    const lnt_range *r = &b->range;
    uint32_t pixel = p->out->channels;
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
    for (uint32_t i = b->top; i < b->bottom; i++) {
        b->in[i] = lnt_pixel(&o->in, (uint32_t)(first + (int32_t)i), o->in.x0, pixel) +
                   (ptrdiff_t)(b->left + 1 - (int32_t)o->in.x0) * pixel;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        b->out[i] = lnt_pixel(&o->out, r->y + i, r->x, pixel);
    }
    b->filter = (lnt_filter){.planes = o->scratch,
                             .row_step = op->stride_h * LNT_ROW_BYTES,
                             .out = b->out,
                             .rows = r->n,
                             .groups = r->xn / 4,
                             .rest = r->xn % 4,
                             .pixel = pixel,
                             .packed = p->packed + (size_t)r->c * KERNEL * 4,
                             .bias = lnt_int32_data(p, op->bias) + r->c,
                             .multiplier = lnt_int32_data(p, op->multiplier) + r->c,
                             .zero = p->out->zero_point,
                             .shift = op->shift,
                             .strided = op->stride_w == 2};
    b->split = (lnt_split){
        .from = b->in + b->top,
        .pixel = pixel,
        .to = (uint8_t *)word_of(b, b->top, 0, 1),
        .rows = b->bottom - b->top,
        .groups = first_inside && b->end > b->left + 1 ? (uint32_t)(b->end - b->left - 1) / 4 : 0,
    };
    fill_padding(b);
    for (uint32_t c = r->c; c < r->c + r->cn; c += LNT_PLANES) {
        uint32_t left = r->c + r->cn - c;
        b->split.channel = b->filter.channel = c;
        run_channels(b, left < LNT_PLANES ? left : LNT_PLANES);
        b->filter.packed += (size_t)LNT_PLANES * KERNEL * 4;
        b->filter.bias += LNT_PLANES;
        b->filter.multiplier += LNT_PLANES;
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t rows = block_rows(p->op, range.n), columns = LNT_PLANE_COLUMNS / p->op->stride_w;
    block b;
    b.p = p;
    b.range = range;
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

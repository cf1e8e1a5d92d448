/* Depthwise convolution 3x3 of stride 1 or 2: one filter per channel.
 * Rows: NHWC. Packed weights: for each channel, for each kernel column, the three rows and a zero. Scratch: columns.h,
 * filled for sixteen channels and one or two output rows at a time. */
#include "columns.h"
#include "mve.h"

enum { KERNEL = 3, MOST_WIDTH = 64 };

static bool takes(const lnt_params *p) {
    const lnt_op *op = p->op;
    return op->kernel_h == KERNEL && op->kernel_w == KERNEL && op->stride_h <= 2 && op->stride_w <= 2;
}

static uint64_t bytes(const lnt_params *p) { return (uint64_t)p->out->channels * KERNEL * LNT_COLUMN_ROWS; }

static void pack(const lnt_params *p, uint8_t *to) {
    uint32_t channels = p->out->channels;
    const uint8_t *w = p->data + p->op->weights;
    for (uint32_t c = 0; c < channels; c++) {
        for (uint32_t j = 0; j < KERNEL; j++) {
            for (uint32_t i = 0; i < KERNEL; i++) {
                *to++ = w[(size_t)(i * KERNEL + j) * channels + c];
            }
            *to++ = 0;
        }
    }
}

/* Outputs of a row that are computed together. */
static uint32_t block_width(uint32_t xn) { return xn < MOST_WIDTH ? xn : MOST_WIDTH; }

/* The inner loops compute groups of four or eight outputs, and read the columns that these would have. */
static uint32_t columns_of(const lnt_op *op, uint32_t xn) {
    return op->stride_w == 1 ? (xn + 3) / 4 * 4 + 2 : (xn + 7) / 8 * 16 + 2;
}

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    (void)n;
    return LNT_COLUMN_CHANNELS + (uint64_t)columns_of(p->op, block_width(xn)) * LNT_COLUMN_BYTES;
}

#if LNT_MVE_HERE

#include <string.h>

#include "../clamp.h"
#include "../ref/ref.h"

/* Columns [from, to) of the block's input lie in the tensor, counted from its first tap. */
typedef struct span {
    int32_t first;
    uint32_t from, to;
} span;

static void run_rows(const lnt_params *p, const lnt_operands *o, const lnt_range *r, const span *columns, bool two,
                     uint32_t c) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels, left = r->c + r->cn - c;
    const int8_t *padding = (const int8_t *)o->scratch;
    uint8_t *room = o->scratch + LNT_COLUMN_CHANNELS;
    lnt_transposition t = {.to = room + (size_t)columns->from * LNT_COLUMN_BYTES,
                           .columns = columns->to - columns->from,
                           .channels = left < LNT_COLUMN_CHANNELS ? left : LNT_COLUMN_CHANNELS};
    for (uint32_t i = 0; i < LNT_COLUMN_ROWS; i++) {
        /* The fourth row is not looked at but for a second output row. */
        int32_t y = (int32_t)(r->y * op->stride_h) - op->pad_top + (int32_t)(i == KERNEL && !two ? 0 : i);
        bool inside = y >= 0 && y < p->in->height;
        uint32_t x = (uint32_t)(columns->first + (int32_t)columns->from);
        t.row[i] = inside ? lnt_pixel(&o->in, (uint32_t)y, x, depth) + c : padding;
        t.step[i] = inside ? depth : 0;
    }
    if (t.columns != 0) {
        lnt_mve_transpose(&t);
    }
    lnt_filter f = {.columns = room,
                    .out = lnt_pixel(&o->out, r->y, r->x, depth) + c,
                    .width = r->xn,
                    .pixel = depth,
                    .packed = p->packed + (size_t)c * KERNEL * LNT_COLUMN_ROWS,
                    .bias = lnt_int32_data(p, op->bias) + c,
                    .multiplier = lnt_int32_data(p, op->multiplier) + c,
                    .zero = p->out->zero_point,
                    .shift = op->shift,
                    .channels = t.channels};
    f.below = two ? lnt_pixel(&o->out, r->y + 1, r->x, depth) + c : f.out;
    if (op->stride_w == 1) {
        lnt_mve_filter_1(&f);
    } else {
        lnt_mve_filter_2(&f);
    }
}

/* Columns of one block; padding to the left and to the right is the same for all rows and channels. */
static void run_columns(const lnt_params *p, const lnt_operands *o, const lnt_range *range) {
    const lnt_op *op = p->op;
    span columns = {.first = (int32_t)(range->x * op->stride_w) - op->pad_left};
    uint32_t width = (range->xn - 1) * op->stride_w + KERNEL;
    int32_t end = (int32_t)p->in->width - columns.first;
    columns.from = columns.first < 0 ? (uint32_t)-columns.first : 0;
    columns.to = end < (int32_t)width ? (uint32_t)end : width;
    memset(o->scratch, p->in->zero_point, LNT_COLUMN_CHANNELS + (size_t)columns.from * LNT_COLUMN_BYTES);
    memset(o->scratch + LNT_COLUMN_CHANNELS + (size_t)columns.to * LNT_COLUMN_BYTES, p->in->zero_point,
           (size_t)(columns_of(op, range->xn) - columns.to) * LNT_COLUMN_BYTES);
    lnt_range r = *range;
    uint32_t most = op->stride_h == 1 && op->stride_w == 1 ? 2 : 1;
    for (uint32_t y = range->y, bottom = range->y + range->n; y < bottom; y += r.n) {
        r.y = y;
        r.n = bottom - y < most ? bottom - y : most;
        for (uint32_t c = range->c; c < range->c + range->cn; c += LNT_COLUMN_CHANNELS) {
            run_rows(p, o, &r, &columns, r.n == 2, c);
        }
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_range r = range;
    for (uint32_t x = range.x, right = range.x + range.xn; x < right; x += r.xn) {
        r.x = x;
        r.xn = block_width(right - x);
        run_columns(p, o, &r);
    }
    lnt_clamp_range(p, o, &range);
}

#endif

static const lnt_packing packing = {.takes = takes, .bytes = bytes, .pack = pack, .scratch_bytes = scratch_bytes};

const lnt_kernel q8_depthwise_mve = {.name = "q8_depthwise_mve",
                                     .run = LNT_MVE_RUN(run),
                                     .packing = &packing,
                                     .kind = LNT_OP_KIND_DEPTHWISE,
                                     .split = LNT_SPLIT_NONE,
                                     .channel_group = 8};

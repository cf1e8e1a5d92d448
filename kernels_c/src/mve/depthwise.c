/* Depthwise convolution 3x3 of stride 1 or 2: one filter per channel.
 * Rows: NHWC. Packed weights: for each channel, for each kernel column, the three rows and a zero. Scratch: columns.h,
 * filled for sixteen channels and a few output rows at a time. */
#include "columns.h"
#include "mve.h"

enum { KERNEL = 3, MOST_WIDTH = 64, MOST_ROWS = 8 };

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

/* For fewer rows or columns it is never more, as strips want it. */
static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    uint64_t most = columns_of(p->op, MOST_WIDTH), own = (uint64_t)n * columns_of(p->op, block_width(xn));
    return LNT_COLUMN_CHANNELS + (own < most ? own : most) * LNT_COLUMN_BYTES;
}

#if LNT_MVE_HERE

#include <string.h>

#include "../clamp.h"
#include "../ref/ref.h"

/* Output rows that are computed from the same columns. */
static uint32_t rows_at_once(const lnt_op *op) { return op->stride_h == 1 && op->stride_w == 1 ? 2 : 1; }

/* How many times such rows, so that the weights are fetched once for all: as many as are no wider than one may be. */
static uint32_t block_rows(const lnt_op *op, uint32_t n, uint32_t xn) {
    uint32_t all = (n + rows_at_once(op) - 1) / rows_at_once(op);
    uint32_t most = columns_of(op, MOST_WIDTH) / columns_of(op, block_width(xn));
    most = most < MOST_ROWS ? most : MOST_ROWS;
    return all < most ? all : most;
}

/* Output rows and columns of which all channels are computed in turn. */
typedef struct block {
    const lnt_params *p;
    const int8_t *padding;
    uint8_t *columns;
    uint32_t columns_each; /* of each of `count` */
    uint32_t count;
    uint32_t from, to; /* of these columns [from, to) lie in the input */
    lnt_transposition input[MOST_ROWS];
    lnt_output_rows output[MOST_ROWS];
} block;

/* The input rows under output row y, of which there are `rows`, at the block's first column that is not padding. */
static void find_rows(lnt_transposition *t, const block *b, const lnt_operands *o, uint32_t y, uint32_t rows,
                      uint32_t x) {
    const lnt_op *op = b->p->op;
    uint32_t depth = b->p->in->channels;
    for (uint32_t i = 0; i < LNT_COLUMN_ROWS; i++) {
        /* The fourth row is not looked at but for a second output row. */
        int32_t row = (int32_t)(y * op->stride_h) - op->pad_top + (int32_t)(i == KERNEL && rows == 1 ? 0 : i);
        bool inside = row >= 0 && row < b->p->in->height;
        t->row[i] = inside ? lnt_pixel(&o->in, (uint32_t)row, x, depth) : b->padding;
        t->step[i] = inside ? depth : 0;
    }
}

static void transpose(const block *b, uint32_t k, uint32_t c, uint32_t channels) {
    lnt_transposition t = b->input[k];
    for (uint32_t i = 0; i < LNT_COLUMN_ROWS; i++) {
        t.row[i] += t.step[i] ? c : 0;
    }
    t.to = b->columns + (size_t)(k * b->columns_each + b->from) * LNT_COLUMN_BYTES;
    t.columns = b->to - b->from;
    t.channels = channels;
    lnt_mve_transpose(&t);
}

static void run_channels(const block *b, uint32_t width, uint32_t c, uint32_t channels) {
    const lnt_params *p = b->p;
    const lnt_op *op = p->op;
    if (b->from < b->to) {
        for (uint32_t k = 0; k < b->count; k++) {
            transpose(b, k, c, channels);
        }
    }
    const lnt_filter f = {.columns = b->columns,
                          .rows = b->output,
                          .count = b->count,
                          .width = width,
                          .pixel = p->out->channels,
                          .packed = p->packed + (size_t)c * KERNEL * LNT_COLUMN_ROWS,
                          .bias = lnt_int32_data(p, op->bias) + c,
                          .multiplier = lnt_int32_data(p, op->multiplier) + c,
                          .zero = p->out->zero_point,
                          .shift = op->shift,
                          .channels = channels,
                          .channel = c};
    if (op->stride_w == 1) {
        lnt_mve_filter_1(&f);
    } else {
        lnt_mve_filter_2(&f);
    }
}

/* As many rows as go together, from the range's first on; returns how many. */
static uint32_t run_block(block *b, const lnt_operands *o, const lnt_range *range) {
    const lnt_op *op = b->p->op;
    int32_t first = (int32_t)(range->x * op->stride_w) - op->pad_left;
    uint32_t together = rows_at_once(op), done = 0;
    b->count = block_rows(op, range->n, range->xn);
    for (uint32_t k = 0; k < b->count; k++) {
        uint32_t rows = range->n - done < together ? range->n - done : together, y = range->y + done;
        find_rows(&b->input[k], b, o, y, rows, (uint32_t)(first + (int32_t)b->from));
        b->output[k].out = lnt_pixel(&o->out, y, range->x, b->p->out->channels);
        b->output[k].below = rows == 2 ? lnt_pixel(&o->out, y + 1, range->x, b->p->out->channels) : b->output[k].out;
        done += rows;
        /* Padding to the left and to the right is the same for all channels. */
        uint8_t *columns = b->columns + (size_t)k * b->columns_each * LNT_COLUMN_BYTES;
        memset(columns, b->p->in->zero_point, (size_t)b->from * LNT_COLUMN_BYTES);
        memset(columns + (size_t)b->to * LNT_COLUMN_BYTES, b->p->in->zero_point,
               (size_t)(b->columns_each - b->to) * LNT_COLUMN_BYTES);
    }
    for (uint32_t c = range->c; c < range->c + range->cn; c += LNT_COLUMN_CHANNELS) {
        uint32_t left = range->c + range->cn - c;
        run_channels(b, range->xn, c, left < LNT_COLUMN_CHANNELS ? left : LNT_COLUMN_CHANNELS);
    }
    return done;
}

static void run_columns(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    int32_t first = (int32_t)(range.x * op->stride_w) - op->pad_left;
    int32_t end = (int32_t)p->in->width - first;
    uint32_t width = (range.xn - 1) * op->stride_w + KERNEL;
    block b = {.p = p,
               .padding = (const int8_t *)o->scratch,
               .columns = o->scratch + LNT_COLUMN_CHANNELS,
               .columns_each = columns_of(op, range.xn),
               .from = first < 0 ? (uint32_t)-first : 0,
               .to = end < (int32_t)width ? (uint32_t)end : width};
    memset(o->scratch, p->in->zero_point, LNT_COLUMN_CHANNELS);
    while (range.n != 0) {
        uint32_t done = run_block(&b, o, &range);
        range.y += done;
        range.n -= done;
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_range r = range;
    for (uint32_t x = range.x, right = range.x + range.xn; x < right; x += r.xn) {
        r.x = x;
        r.xn = block_width(right - x);
        run_columns(p, o, r);
    }
    lnt_clamp_range(p, o, &range);
}

#endif

static const lnt_packing packing = {
    .takes = takes, .bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

const lnt_kernel q8_depthwise_mve = {.name = "q8_depthwise_mve",
                                     .run = LNT_MVE_RUN(run),
                                     .packing = &packing,
                                     .kind = LNT_OP_KIND_DEPTHWISE,
                                     .split = LNT_SPLIT_NONE,
                                     .channel_group = 8};

/* Convolution of any size, stride and padding over all input channels: the first layer of a network.
 * Rows: NHWC. Weights: O,H,W,I. A tap outside the input reads pad_values[input channel]. No scratch; nothing may
 * overlap. */
#include "../requantize.h"
#include "dot.h"
#include "ref.h"
#include "window.h"

/* Some output channels' filters, of which all taps of one kernel row are summed at a time. */
typedef struct filters {
    const int8_t *weights;
    const int8_t *pad_values;
    size_t stride; /* from one output channel to the next */
    uint32_t depth;
    uint32_t channels;
} filters;

static void sum_padding(const filters *f, const int8_t *w, uint32_t taps, int32_t acc[LNT_DOT_CHANNELS]) {
    for (uint32_t j = 0; j < taps; j++) {
        lnt_dots(f->pad_values, w + (size_t)j * f->depth, f->stride, f->depth, f->channels, acc);
    }
}

/* The input rows under one output row. */
typedef struct window {
    const int8_t *row[LNT_MAX_KERNEL_H];
    lnt_taps taps;
    uint32_t x0;
} window;

static void sum_window(const lnt_op *op, const filters *f, const window *win, lnt_taps columns,
                       int32_t acc[LNT_DOT_CHANNELS]) {
    const int8_t *w = f->weights;
    size_t left = (size_t)(columns.start + (int32_t)columns.from - (int32_t)win->x0) * f->depth;
    for (uint32_t i = 0; i < op->kernel_h; i++, w += (size_t)op->kernel_w * f->depth) {
        if (i < win->taps.from || i >= win->taps.to) {
            sum_padding(f, w, op->kernel_w, acc);
            continue;
        }
        sum_padding(f, w, columns.from, acc);
        lnt_dots(win->row[i] + left, w + (size_t)columns.from * f->depth, f->stride,
                 (size_t)(columns.to - columns.from) * f->depth, f->channels, acc);
        sum_padding(f, w + (size_t)columns.to * f->depth, op->kernel_w - columns.to, acc);
    }
}

/* One output row, `channels` output channels from c on. */
static void conv_row(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t y, uint32_t c,
                     uint32_t channels) {
    const lnt_op *op = p->op;
    size_t stride = (size_t)op->kernel_h * op->kernel_w * p->in->channels;
    filters f = {
        .weights = lnt_int8_data(p, op->weights) + c * stride,
        .pad_values = lnt_int8_data(p, op->pad_values),
        .stride = stride,
        .depth = p->in->channels,
        .channels = channels,
    };
    const int32_t *bias = lnt_int32_data(p, op->bias) + c;
    const int32_t *multiplier = lnt_int32_data(p, op->multiplier) + c;
    int8_t *out = lnt_pixel(&o->out, y, range->x, p->out->channels) + c;
    window win = {.taps = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height), .x0 = o->in.x0};
    for (uint32_t i = win.taps.from; i < win.taps.to; i++) {
        win.row[i] = (const int8_t *)lnt_row(&o->in, (uint32_t)win.taps.start + i);
    }
    for (uint32_t x = 0; x < range->xn; x++) {
        int32_t acc[LNT_DOT_CHANNELS] = {0};
        lnt_taps columns = lnt_find_taps(range->x + x, op->stride_w, op->pad_left, op->kernel_w, p->in->width);
        sum_window(op, &f, &win, columns, acc);
        for (uint32_t k = 0; k < channels; k++) {
            int32_t value = p->out->zero_point + lnt_mulr(acc[k] + bias[k], op->shift, multiplier[k]);
            out[(size_t)x * p->out->channels + k] = lnt_clamp(value, op->clamp_min, op->clamp_max);
        }
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t end = range.c + range.cn;
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        for (uint32_t c = range.c; c < end; c += LNT_DOT_CHANNELS) {
            conv_row(p, o, &range, y, c, end - c < LNT_DOT_CHANNELS ? end - c : LNT_DOT_CHANNELS);
        }
    }
}

const lnt_kernel q8_conv_ref = {.name = "q8_conv_ref",
                                .run = run,
                                .kind = LNT_OP_KIND_CONV,
                                .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                .channel_group = 8};

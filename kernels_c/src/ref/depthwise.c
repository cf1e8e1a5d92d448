/* Depthwise convolution of any size, stride and padding: one filter per channel.
 * Rows: NHWC. Weights: H,W,C. A tap outside the input reads the input's zero point. No scratch; nothing may overlap. */
#include "../requantize.h"
#include "ref.h"
#include "window.h"

/* Channels summed together, tap by tap: enough to fill vector registers, few enough for a small stack. */
enum { BLOCK = 32 };

static inline void sum_tap(const int8_t *x, const int8_t *w, uint32_t channels, int32_t acc[BLOCK]) {
    for (uint32_t k = 0; k < channels; k++) {
        acc[k] += x[k] * w[k];
    }
}

/* taps: how many, one behind the other. */
static void sum_padding(const lnt_params *p, const int8_t *w, uint32_t taps, uint32_t channels, int32_t acc[BLOCK]) {
    for (uint32_t j = 0; j < taps; j++) {
        for (uint32_t k = 0; k < channels; k++) {
            acc[k] += p->in->zero_point * w[(size_t)j * p->in->channels + k];
        }
    }
}

/* Three taps, one behind the other: sums are loaded and stored once for all. */
static inline void sum_three(const int8_t *x, const int8_t *w, size_t pixel, uint32_t channels, int32_t acc[BLOCK]) {
    const int8_t *x1 = x + pixel, *x2 = x1 + pixel, *w1 = w + pixel, *w2 = w1 + pixel;
    for (uint32_t k = 0; k < channels; k++) {
        acc[k] += x[k] * w[k] + x1[k] * w1[k] + x2[k] * w2[k];
    }
}

/* Taps of one kernel row inside the input; x and w point at the first. The full block has a loop of its own because a
 * fixed count makes the better vector code. */
static void sum_taps(const int8_t *x, const int8_t *w, size_t pixel, uint32_t taps, uint32_t channels,
                     int32_t acc[BLOCK]) {
    for (; taps >= 3; taps -= 3, x += 3 * pixel, w += 3 * pixel) {
        if (channels == BLOCK) {
            sum_three(x, w, pixel, BLOCK, acc);
        } else {
            sum_three(x, w, pixel, channels, acc);
        }
    }
    for (; taps != 0; taps--, x += pixel, w += pixel) {
        if (channels == BLOCK) {
            sum_tap(x, w, BLOCK, acc);
        } else {
            sum_tap(x, w, channels, acc);
        }
    }
}

/* The input rows under one output row. */
typedef struct window {
    const int8_t *row[LNT_MAX_KERNEL_H];
    lnt_taps taps;
    uint32_t x0;
} window;

/* Channels [c, c + channels). */
static void sum_window(const lnt_params *p, const window *win, lnt_taps columns, uint32_t c, uint32_t channels,
                       int32_t acc[BLOCK]) {
    uint32_t kernel_w = p->op->kernel_w;
    size_t pixel = p->in->channels;
    size_t left = (size_t)(columns.start + (int32_t)columns.from - (int32_t)win->x0) * pixel + c;
    for (uint32_t i = 0; i < p->op->kernel_h; i++) {
        const int8_t *w = lnt_int8_data(p, p->op->weights) + i * kernel_w * pixel + c;
        if (i < win->taps.from || i >= win->taps.to) {
            sum_padding(p, w, kernel_w, channels, acc);
            continue;
        }
        sum_padding(p, w, columns.from, channels, acc);
        sum_taps(win->row[i] + left, w + columns.from * pixel, pixel, columns.to - columns.from, channels, acc);
        if (columns.to < kernel_w) {
            sum_padding(p, w + columns.to * pixel, kernel_w - columns.to, channels, acc);
        }
    }
}

/* One output row, `channels` channels from c on. */
static void depthwise_row(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t y, uint32_t c,
                          uint32_t channels) {
    const lnt_op *op = p->op;
    const int32_t *bias = lnt_int32_data(p, op->bias) + c;
    const int32_t *multiplier = lnt_int32_data(p, op->multiplier) + c;
    int8_t *out = lnt_pixel(&o->out, y, range->x, p->out->channels) + c;
    window win = {.taps = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height), .x0 = o->in.x0};
    for (uint32_t i = win.taps.from; i < win.taps.to; i++) {
        win.row[i] = (const int8_t *)lnt_row(&o->in, (uint32_t)win.taps.start + i);
    }
    for (uint32_t x = 0; x < range->xn; x++) {
        int32_t acc[BLOCK] = {0};
        lnt_taps columns = lnt_find_taps(range->x + x, op->stride_w, op->pad_left, op->kernel_w, p->in->width);
        sum_window(p, &win, columns, c, channels, acc);
        for (uint32_t k = 0; k < channels; k++) {
            int32_t value = p->out->zero_point + lnt_mulr(acc[k] + bias[k], op->shift, multiplier[k]);
            out[(size_t)x * p->out->channels + k] = lnt_clamp(value, op->clamp_min, op->clamp_max);
        }
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t end = range.c + range.cn;
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        for (uint32_t c = range.c; c < end; c += BLOCK) {
            depthwise_row(p, o, &range, y, c, end - c < BLOCK ? end - c : BLOCK);
        }
    }
}

const lnt_kernel q8_depthwise_ref = {.name = "q8_depthwise_ref",
                                     .run = run,
                                     .kind = LNT_OP_KIND_DEPTHWISE,
                                     .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                     .channel_group = 8};

/* 1x1 convolution, with the shortcut of a residual block added in where there is one.
 * Rows: NHWC. Weights: O,I. The output may lie exactly over the shortcut (in2); nothing else may overlap. No scratch.
 */
#include "../requantize.h"
#include "dot.h"
#include "ref.h"

/* The branch with six fractional bits and the shortcut, in units of the output times 2^14, rounded once. */
static int32_t add_shortcut(const lnt_op *op, int32_t acc, int32_t multiplier, int32_t x) {
    int32_t branch = lnt_sat16(lnt_mulr(acc, op->shift, multiplier));
    return (branch * 256 + x * op->factor + op->offset) >> 14;
}

/* One output row, `channels` output channels from c on, whose weights stay in the cache meanwhile. */
static void pointwise_row(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t y, uint32_t c,
                          uint32_t channels) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels;
    const int8_t *w = lnt_int8_data(p, op->weights) + (size_t)c * depth;
    const int32_t *bias = lnt_int32_data(p, op->bias) + c;
    const int32_t *multiplier = lnt_int32_data(p, op->multiplier) + c;
    const int8_t *in = lnt_pixel(&o->in, y, range->x, depth);
    const int8_t *in2 = p->in2 ? lnt_pixel(&o->in2, y, range->x, p->out->channels) + c : NULL;
    int8_t *out = lnt_pixel(&o->out, y, range->x, p->out->channels) + c;
    for (uint32_t x = 0; x < range->xn; x++) {
        int32_t acc[LNT_DOT_CHANNELS] = {0};
        lnt_dots(in + (size_t)x * depth, w, depth, depth, channels, acc);
        size_t pixel = (size_t)x * p->out->channels;
        for (uint32_t k = 0; k < channels; k++) {
            int32_t value = in2 ? add_shortcut(op, acc[k] + bias[k], multiplier[k], in2[pixel + k])
                                : p->out->zero_point + lnt_mulr(acc[k] + bias[k], op->shift, multiplier[k]);
            out[pixel + k] = lnt_clamp(value, op->clamp_min, op->clamp_max);
        }
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t end = range.c + range.cn;
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        for (uint32_t c = range.c; c < end; c += LNT_DOT_CHANNELS) {
            pointwise_row(p, o, &range, y, c, end - c < LNT_DOT_CHANNELS ? end - c : LNT_DOT_CHANNELS);
        }
    }
}

const lnt_kernel q8_pointwise_ref = {.name = "q8_pointwise_ref",
                                     .run = run,
                                     .kind = LNT_OP_KIND_POINTWISE,
                                     .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                     .channel_group = 8};

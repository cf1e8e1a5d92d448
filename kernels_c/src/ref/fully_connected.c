/* The last layer: int32 logits with one scale, not saturated.
 * Input: 1x1xI int8. Output: 1x1xO int32. Weights: O,I. No scratch; nothing may overlap. */
#include "../requantize.h"
#include "dot.h"
#include "ref.h"

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels;
    const int8_t *in = (const int8_t *)o->in.base;
    const int8_t *w = lnt_int8_data(p, op->weights);
    const int32_t *bias = lnt_int32_data(p, op->bias);
    const int32_t *multiplier = lnt_int32_data(p, op->multiplier);
    int32_t *out = (int32_t *)(void *)o->out.base;
    uint32_t end = range.c + range.cn;
    for (uint32_t c = range.c; c < end; c += LNT_DOT_CHANNELS) {
        uint32_t channels = end - c < LNT_DOT_CHANNELS ? end - c : LNT_DOT_CHANNELS;
        int32_t acc[LNT_DOT_CHANNELS] = {0};
        lnt_dots(in, w + (size_t)c * depth, depth, depth, channels, acc);
        for (uint32_t k = 0; k < channels; k++) {
            out[c + k] = lnt_mulr(acc[k] + bias[c + k], op->shift, multiplier[c + k]);
        }
    }
}

const lnt_kernel q8_fully_connected_ref = {.name = "q8_fully_connected_ref",
                                           .run = run,
                                           .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                           .split = LNT_SPLIT_CHANNELS,
                                           .channel_group = 8};

/* The last layer: int32 logits with one scale, not saturated.
 * Input: 1x1xI int8. Output: 1x1xO int32. Weights: O,I, as the file has them. No scratch. */
#include "mve.h"

#if LNT_MVE_HERE

#include <arm_mve.h>

#include "../ref/ref.h"
#include "../requantize.h"

enum { CHANNELS = 4 };

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels;
    const int8_t *in = (const int8_t *)o->in.base;
    int32_t *out = (int32_t *)(void *)o->out.base;
    for (uint32_t c = range.c, end = range.c + range.cn; c < end; c += CHANNELS) {
        uint32_t channels = end - c < CHANNELS ? end - c : CHANNELS;
        const int8_t *w0 = lnt_int8_data(p, op->weights) + (size_t)c * depth;
        const int8_t *w1 = channels > 1 ? w0 + depth : w0; /* one of them again where there are fewer */
        const int8_t *w2 = channels > 2 ? w1 + depth : w1, *w3 = channels > 3 ? w2 + depth : w2;
        int32_t sum[CHANNELS] = {0};
        for (uint32_t i = 0; i < depth; i += 16) {
            mve_pred16_t some = vctp8q(depth - i);
            int8x16_t x = vldrbq_z_s8(in + i, some);
            sum[0] = vmladavaq_s8(sum[0], x, vldrbq_z_s8(w0 + i, some));
            sum[1] = vmladavaq_s8(sum[1], x, vldrbq_z_s8(w1 + i, some));
            sum[2] = vmladavaq_s8(sum[2], x, vldrbq_z_s8(w2 + i, some));
            sum[3] = vmladavaq_s8(sum[3], x, vldrbq_z_s8(w3 + i, some));
        }
        for (uint32_t k = 0; k < channels; k++) {
            int32_t acc = sum[k] + lnt_int32_data(p, op->bias)[c + k];
            out[c + k] = lnt_mulr(acc, op->shift, lnt_int32_data(p, op->multiplier)[c + k]);
        }
    }
}

#endif

const lnt_kernel q8_fully_connected_mve = {.name = "q8_fully_connected_mve",
                                           .run = LNT_MVE_RUN(run),
                                           .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                           .split = LNT_SPLIT_CHANNELS,
                                           .channel_group = 8};

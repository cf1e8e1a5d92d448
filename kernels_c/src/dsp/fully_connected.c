/* The last layer: int32 logits with one scale, not saturated. One pixel only, so nothing is worth being unpacked
 * beforehand.
 * Input: 1x1xI int8. Output: 1x1xO int32. Weights: O,I, as the file has them. No scratch. */
#include "dsp.h"

/* Rows of weights are read by words. */
static bool takes(const lnt_params *p) { return p->in->channels % 4 == 0; }

#if LNT_DSP_HERE

#include "../ref/ref.h"
#include "../requantize.h"
#include "intrinsics.h"

enum { CHANNELS = 4 };

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels;
    const int8_t *in = (const int8_t *)o->in.base;
    int32_t *out = (int32_t *)(void *)o->out.base;
    for (uint32_t c = range.c, end = range.c + range.cn; c < end; c += CHANNELS) {
        const int8_t *w[CHANNELS];
        int32_t sum[CHANNELS];
        uint32_t channels = end - c < CHANNELS ? end - c : CHANNELS;
        for (uint32_t k = 0; k < CHANNELS; k++) { /* the last one again where there are fewer */
            uint32_t own = c + (k < channels ? k : channels - 1);
            w[k] = lnt_int8_data(p, op->weights) + (size_t)own * depth;
            sum[k] = lnt_int32_data(p, op->bias)[own];
        }
        for (uint32_t i = 0; i < depth; i += 4) {
            uint32_t x = lnt_word(in + i);
            int16x2_t even = lnt_even(x), odd = lnt_odd(x);
            for (uint32_t k = 0; k < CHANNELS; k++) {
                uint32_t word = lnt_word(w[k] + i);
                sum[k] = __smlad(even, lnt_even(word), __smlad(odd, lnt_odd(word), sum[k]));
            }
        }
        for (uint32_t k = 0; k < channels; k++) {
            out[c + k] = lnt_mulr(sum[k], op->shift, lnt_int32_data(p, op->multiplier)[c + k]);
        }
    }
}

#endif

static const lnt_packing packing = {.takes = takes};

const lnt_kernel q8_fully_connected_dsp = {.name = "q8_fully_connected_dsp",
                                           .run = LNT_DSP_RUN(run),
                                           .packing = &packing,
                                           .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                           .split = LNT_SPLIT_CHANNELS,
                                           .channel_group = 8};

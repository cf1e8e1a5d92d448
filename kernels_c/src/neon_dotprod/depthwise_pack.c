/* Packing for depthwise.h. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "../neon/bounds.h"
#include "depthwise.h"

uint64_t lnt_depthwise_bytes(const lnt_params *p) {
    uint64_t blocks = (p->out->channels + LNT_DEPTHWISE_CHANNELS - 1u) / LNT_DEPTHWISE_CHANNELS;
    return blocks * lnt_depthwise_block_bytes(p->op);
}

static void pack_channel(const lnt_params *p, uint32_t channel, lnt_depthwise_block *block) {
    const lnt_op *op = p->op;
    uint32_t c = channel % LNT_DEPTHWISE_CHANNELS;
    uint32_t groups = lnt_depthwise_groups(op);
    size_t channels = p->out->channels;
    const int8_t *weights = lnt_int8_data(p, op->weights) + channel;
    block->fits &= lnt_channel_fits(p, channel, weights, (size_t)op->kernel_h * op->kernel_w, channels);
    block->bias[c] = lnt_int32_data(p, op->bias)[channel];
    block->multiplier[c] = lnt_int32_data(p, op->multiplier)[channel];
    for (uint32_t i = 0; i < op->kernel_h; i++) {
        for (uint32_t j = 0; j < op->kernel_w; j++) {
            size_t to = ((size_t)(j * groups + i / 4) * LNT_DEPTHWISE_CHANNELS + c) * 4 + i % 4;
            block->weights[to] = weights[(i * op->kernel_w + j) * channels];
        }
    }
}

void lnt_depthwise_pack(const lnt_params *p, uint8_t *to) {
    size_t bytes = lnt_depthwise_block_bytes(p->op);
    memset(to, 0, lnt_depthwise_bytes(p));
    for (uint32_t c = 0; c < p->out->channels; c++) {
        lnt_depthwise_block *block = (lnt_depthwise_block *)(void *)(to + c / LNT_DEPTHWISE_CHANNELS * bytes);
        if (c % LNT_DEPTHWISE_CHANNELS == 0) {
            memset(block->zero, p->in->zero_point, sizeof block->zero);
            block->fits = 1;
        }
        pack_channel(p, c, block);
    }
}

#endif

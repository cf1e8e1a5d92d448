/* Packing for depthwise.h. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "bounds.h"
#include "depthwise.h"

uint64_t lnt_depthwise_bytes(const lnt_params *p, lnt_depthwise_order order) {
    uint64_t blocks = (p->out->channels + LNT_DEPTHWISE_CHANNELS - 1u) / LNT_DEPTHWISE_CHANNELS;
    return blocks * lnt_depthwise_block_bytes(p->op, order);
}

/* What a channel's weights allow, as in lnt_depthwise_block.allow. */
static uint32_t allowed(const lnt_params *p, uint32_t channel) {
    const lnt_op *op = p->op;
    size_t channels = p->out->channels;
    const int8_t *weights = lnt_int8_data(p, op->weights) + channel;
    bool is_3x3 = op->kernel_h == 3 && op->kernel_w == 3;
    uint32_t allow = LNT_DEPTHWISE_TWO;
    for (uint32_t j = 0; j < op->kernel_w; j++) {
        int64_t low = 0;
        int64_t high = 0;
        for (uint32_t i = 0; i < op->kernel_h; i++) {
            int8_t weight = weights[(i * op->kernel_w + j) * channels];
            lnt_widen(&low, &high, weight);
            allow &= weight == INT8_MIN ? ~(uint32_t)LNT_DEPTHWISE_TWO : UINT32_MAX;
        }
        if (is_3x3 && low >= INT16_MIN && high <= INT16_MAX) {
            allow |= 1u << j;
        }
    }
    return allow;
}

/* How many products sum to 16 bits, taken column by column. */
static uint32_t products_of(uint32_t allow) { return (allow & 7) == 7 ? 3 : allow & LNT_DEPTHWISE_TWO ? 2 : 1; }

static size_t place(const lnt_op *op, lnt_depthwise_order order, uint32_t i, uint32_t j, uint32_t c) {
    size_t column = j * lnt_depthwise_column_bytes(op, order);
    return column + (order == LNT_DEPTHWISE_ZIPPED ? ((size_t)(i / 4) * LNT_DEPTHWISE_CHANNELS + c) * 4 + i % 4
                                                   : (size_t)i * LNT_DEPTHWISE_CHANNELS + c);
}

static void pack_channel(const lnt_params *p, lnt_depthwise_order order, uint32_t channel, lnt_depthwise_block *block) {
    const lnt_op *op = p->op;
    uint32_t c = channel % LNT_DEPTHWISE_CHANNELS;
    size_t channels = p->out->channels;
    const int8_t *weights = lnt_int8_data(p, op->weights) + channel;
    uint32_t allow = allowed(p, channel);
    uint32_t products = products_of(allow);
    block->allow[c / 8] &= (uint8_t)allow;
    block->fits &= lnt_channel_fits(p, channel, weights, (size_t)op->kernel_h * op->kernel_w, channels);
    block->products = products < block->products ? products : block->products;
    block->bias[c] = lnt_int32_data(p, op->bias)[channel];
    block->multiplier[c] = lnt_int32_data(p, op->multiplier)[channel];
    for (uint32_t i = 0; i < op->kernel_h; i++) {
        for (uint32_t j = 0; j < op->kernel_w; j++) {
            block->weights[place(op, order, i, j, c)] = weights[(i * op->kernel_w + j) * channels];
        }
    }
}

void lnt_depthwise_pack(const lnt_params *p, lnt_depthwise_order order, uint8_t *to) {
    size_t bytes = lnt_depthwise_block_bytes(p->op, order);
    memset(to, 0, lnt_depthwise_bytes(p, order));
    for (uint32_t c = 0; c < p->out->channels; c++) {
        lnt_depthwise_block *block = (lnt_depthwise_block *)(void *)(to + c / LNT_DEPTHWISE_CHANNELS * bytes);
        if (c % LNT_DEPTHWISE_CHANNELS == 0) {
            memset(block->zero, p->in->zero_point, sizeof block->zero);
            block->fits = 1;
            block->products = 3;
            memset(block->allow, 0xFF, sizeof block->allow);
        }
        pack_channel(p, order, c, block);
    }
}

LNT_NEON_END

#endif

/* Packing for gemm_pack.h. */
#include "gemm_pack.h"

#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include <string.h>

#include "bounds.h"

uint64_t lnt_gemm_bytes(const lnt_params *p, uint32_t depth) {
    uint32_t rest = p->out->channels % LNT_GEMM_CHANNELS;
    uint64_t tiles = p->out->channels / LNT_GEMM_CHANNELS;
    return sizeof(lnt_gemm_head) + tiles * lnt_gemm_tile_bytes(depth, 4) +
           (rest == 0 ? 0 : lnt_gemm_tile_bytes(depth, rest <= 8 ? 2 : 4));
}

/* Input i of step s, or -1 where the step repeats what others have counted. */
static int32_t input_of(uint32_t depth, uint32_t s, uint32_t i) {
    uint32_t whole = depth / 16 * 4;
    if (s < whole) {
        return (int32_t)(4 * s + i);
    }
    int32_t k = (int32_t)depth - 4 * (int32_t)(lnt_gemm_steps(depth) - s) + (int32_t)i;
    return k < (int32_t)(4 * whole) ? -1 : k;
}

static size_t place(lnt_gemm_order order, uint32_t c, uint32_t i) {
    return order == LNT_GEMM_FOURS ? 4 * (size_t)c + i : 16 * (size_t)(c / 4) + 8 * (i / 2) + 2 * (c % 4) + i % 2;
}

typedef struct tile {
    uint32_t first; /* channel */
    uint32_t own;   /* channels that there are */
    uint32_t channels;
} tile;

static void pack_tile(const lnt_params *p, uint32_t depth, lnt_gemm_order order, tile t, uint8_t *to) {
    int32_t *bias = (int32_t *)(void *)to;
    int32_t *multiplier = bias + t.channels;
    int8_t *w = (int8_t *)(multiplier + t.channels);
    memset(to, 0, lnt_gemm_tile_bytes(depth, t.channels / 4));
    for (uint32_t c = 0; c < t.own; c++) {
        const int8_t *weights = lnt_int8_data(p, p->op->weights) + (size_t)(t.first + c) * depth;
        bias[c] = lnt_int32_data(p, p->op->bias)[t.first + c];
        multiplier[c] = lnt_int32_data(p, p->op->multiplier)[t.first + c];
        for (uint32_t s = 0; s < lnt_gemm_steps(depth); s++) {
            for (uint32_t i = 0; i < 4; i++) {
                int32_t k = input_of(depth, s, i);
                w[4 * (size_t)t.channels * s + place(order, c, i)] = k < 0 ? 0 : weights[k];
            }
        }
    }
}

void lnt_gemm_pack(const lnt_params *p, uint32_t depth, lnt_gemm_order order, uint8_t *to) {
    lnt_gemm_head head = {.fits = 1, .pairs_fit = 1};
    for (uint32_t c = 0; c < p->out->channels; c++) {
        const int8_t *weights = lnt_int8_data(p, p->op->weights) + (size_t)c * depth;
        head.fits &= lnt_channel_fits(p, c, weights, depth, 1);
        head.pairs_fit &= memchr(weights, (uint8_t)INT8_MIN, depth) == NULL;
    }
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    for (uint32_t c = 0; c < p->out->channels; c += LNT_GEMM_CHANNELS) {
        uint32_t left = p->out->channels - c;
        tile t = {.first = c, .own = left < LNT_GEMM_CHANNELS ? left : LNT_GEMM_CHANNELS};
        t.channels = t.own <= 8 ? 8 : LNT_GEMM_CHANNELS;
        pack_tile(p, depth, order, t, to);
        to += lnt_gemm_tile_bytes(depth, t.channels / 4);
    }
}

LNT_NEON_END

#endif

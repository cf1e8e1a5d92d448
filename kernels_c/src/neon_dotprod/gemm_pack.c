/* Packing for gemm.h. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "../neon/bounds.h"
#include "gemm.h"

uint64_t lnt_gemm_bytes(uint32_t depth, uint32_t channels) {
    uint32_t rest = channels % LNT_GEMM_CHANNELS;
    uint64_t bytes = LNT_GEMM_HEADER + (uint64_t)(channels / LNT_GEMM_CHANNELS) * lnt_gemm_tile_bytes(depth, 4);
    return bytes + (rest == 0 ? 0 : lnt_gemm_tile_bytes(depth, rest <= 8 ? 2 : 4));
}

/* Input k of step s, negative or too small where the step repeats what others have counted. */
static int32_t input_of(uint32_t depth, uint32_t s, uint32_t i) {
    uint32_t whole = depth / 16 * 4;
    if (s < whole) {
        return (int32_t)(4 * s + i);
    }
    int32_t k = (int32_t)depth - 4 * (int32_t)(lnt_gemm_steps(depth) - s) + (int32_t)i;
    return k < (int32_t)(4 * whole) ? -1 : k;
}

static void pack_tile(const lnt_params *p, uint32_t depth, uint32_t first, uint32_t tile, uint32_t channels,
                      uint8_t *to) {
    const int8_t *weights = lnt_int8_data(p, p->op->weights);
    int32_t *bias = (int32_t *)(void *)to;
    int32_t *multiplier = bias + tile;
    int8_t *w = (int8_t *)(multiplier + tile);
    for (uint32_t c = 0; c < tile; c++) {
        bool there = c < channels;
        bias[c] = there ? lnt_int32_data(p, p->op->bias)[first + c] : 0;
        multiplier[c] = there ? lnt_int32_data(p, p->op->multiplier)[first + c] : 0;
    }
    for (uint32_t s = 0; s < lnt_gemm_steps(depth); s++) {
        for (uint32_t c = 0; c < tile; c++) {
            for (uint32_t i = 0; i < 4; i++) {
                int32_t k = input_of(depth, s, i);
                *w++ = c < channels && k >= 0 ? weights[(size_t)(first + c) * depth + (uint32_t)k] : 0;
            }
        }
    }
}

void lnt_gemm_pack(const lnt_params *p, uint32_t depth, uint8_t *to) {
    uint32_t channels = p->out->channels;
    bool fits = true;
    for (uint32_t c = 0; c < channels; c++) {
        fits = fits && lnt_channel_fits(p, c, lnt_int8_data(p, p->op->weights) + (size_t)c * depth, depth, 1);
    }
    memset(to, fits, LNT_GEMM_HEADER);
    to += LNT_GEMM_HEADER;
    for (uint32_t c = 0; c < channels; c += LNT_GEMM_CHANNELS) {
        uint32_t own = channels - c < LNT_GEMM_CHANNELS ? channels - c : LNT_GEMM_CHANNELS;
        uint32_t tile = own <= 8 ? 8 : LNT_GEMM_CHANNELS;
        pack_tile(p, depth, c, tile, own, to);
        to += lnt_gemm_tile_bytes(depth, tile / 4);
    }
}

#endif

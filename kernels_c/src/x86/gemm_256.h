/* Tiles of pixels x output channels in vectors of 8. The file that includes this has defined TARGET, its instruction
 * set, TILE_PIXELS and TILE_VECTORS (up to 3), how many of both its registers hold, and dot(): the sum of a unit's
 * products, added to the accumulator. */
#include <string.h>

#include "block.h"
#include "requantize_256.h"

enum { LANES = 8, SUMS = TILE_VECTORS * LANES };

/* Up to TILE_VECTORS vectors of channels of a block. */
typedef struct job {
    const lnt_op *op;
    const uint8_t *panel;
    size_t panel_bytes;
    uint32_t units;
    uint32_t c;
    uint32_t channels;
    lnt_law256 law;
} job;

/* Where a tile's results go. */
typedef struct target {
    int8_t *const *out;
    const int8_t *const *in2; /* or NULL */
    uint32_t pixels;
} target;

LNT_INLINE TARGET const uint8_t *panel(const job *j, int v) { return j->panel + (size_t)v * j->panel_bytes; }

/* Sums of one tile: sums[pixel][channel]. */
LNT_INLINE TARGET void multiply(const job *j, const uint8_t *x, int pixels, int vectors, int32_t (*sums)[SUMS]) {
    __m256i acc[TILE_PIXELS][TILE_VECTORS];
    LNT_UNROLL
    for (int v = 0; v < vectors; v++) {
        __m256i bias = lnt_load256(panel(j, v));
        LNT_UNROLL
        for (int i = 0; i < pixels; i++) {
            acc[i][v] = bias;
        }
    }
    size_t stride = (size_t)j->units * 4, panel_bytes = j->panel_bytes;
    const uint8_t *w = j->panel + 3 * 32;
    for (const uint8_t *end = x + stride; x < end; x += 4, w += 32) {
        __m256i weights[TILE_VECTORS];
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            weights[v] = lnt_load256(w + (size_t)v * panel_bytes);
        }
        LNT_UNROLL
        for (int i = 0; i < pixels; i++) {
            int32_t unit;
            memcpy(&unit, x + (size_t)i * stride, sizeof unit);
            __m256i pixel = _mm256_set1_epi32(unit);
            LNT_UNROLL
            for (int v = 0; v < vectors; v++) {
                acc[i][v] = dot(acc[i][v], pixel, weights[v]);
            }
        }
    }
    LNT_UNROLL
    for (int i = 0; i < pixels; i++) {
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            lnt_store256(sums[i] + v * LANES, acc[i][v]);
        }
    }
}

LNT_INLINE TARGET void finish_plain(const job *j, target to, int32_t (*sums)[SUMS], int vectors, bool by_four) {
    for (uint32_t i = 0; i < to.pixels; i++) {
        __m256i t[TILE_VECTORS], last = _mm256_setzero_si256();
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            __m256i m = lnt_load256(panel(j, v) + 32), odd = lnt_load256(panel(j, v) + 64);
            last = t[v] = lnt_scale256(&j->law, by_four, lnt_load256(sums[i] + v * LANES), m, odd);
        }
        __m256i y = lnt_narrow256(&j->law, by_four, t[0], vectors > 1 ? t[1] : last, last, last);
        lnt_store_first256(to.out[i] + j->c, lnt_in_order256(y), j->channels);
    }
}

/* With the shortcut: the branch has six fractional bits, and both are rounded once. */
LNT_INLINE TARGET void finish_residual(const job *j, target to, int32_t (*sums)[SUMS], int vectors) {
    __m256i factors = _mm256_set1_epi32((int32_t)(256u | (uint32_t)j->op->factor << 16));
    __m256i offset = _mm256_set1_epi32(j->op->offset);
    for (uint32_t i = 0; i < to.pixels; i++) {
        __m256i y[TILE_VECTORS];
        int8_t shortcut[32];
        lnt_store256(shortcut, lnt_load_first256(to.in2[i] + j->c, j->channels));
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            __m256i m = lnt_load256(panel(j, v) + 32), odd = lnt_load256(panel(j, v) + 64);
            __m256i branch = lnt_mulr256(&j->law, lnt_load256(sums[i] + v * LANES), m, odd);
            branch = _mm256_min_epi32(branch, _mm256_set1_epi32(INT16_MAX));
            branch = _mm256_max_epi32(branch, _mm256_set1_epi32(INT16_MIN));
            __m256i x = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(shortcut + v * LANES)));
            __m256i pairs = _mm256_blend_epi16(branch, _mm256_slli_epi32(x, 16), 0xAA);
            y[v] = _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(pairs, factors), offset), 14);
        }
        __m256i ab = _mm256_packs_epi32(y[0], y[vectors > 1 ? 1 : 0]);
        __m256i cd = _mm256_packs_epi32(y[vectors - 1], y[vectors - 1]);
        lnt_store_first256(to.out[i] + j->c, lnt_in_order256(lnt_clamp256(&j->law, ab, cd)), j->channels);
    }
}

/* Logits. */
LNT_INLINE TARGET void finish_wide(const job *j, target to, int32_t (*sums)[SUMS], int vectors) {
    for (uint32_t i = 0; i < to.pixels; i++) {
        int32_t y[SUMS] = {0};
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            __m256i m = lnt_load256(panel(j, v) + 32), odd = lnt_load256(panel(j, v) + 64);
            lnt_store256(y + v * LANES, lnt_mulr256(&j->law, lnt_load256(sums[i] + v * LANES), m, odd));
        }
        memcpy((int32_t *)(void *)to.out[i] + j->c, y, sizeof y[0] * j->channels);
    }
}

LNT_INLINE TARGET void finish(const job *j, target to, int32_t (*sums)[SUMS], int vectors) {
    if (j->op->kind == LNT_OP_KIND_FULLY_CONNECTED) {
        finish_wide(j, to, sums, vectors);
    } else if (to.in2) {
        finish_residual(j, to, sums, vectors);
    } else if (j->law.by_four) {
        finish_plain(j, to, sums, vectors, true);
    } else {
        finish_plain(j, to, sums, vectors, false);
    }
}

/* All tiles of a block for the channels of one job. */
LNT_INLINE TARGET void multiply_block(const job *j, const lnt_block *block, int vectors) {
    _Alignas(32) int32_t sums[TILE_PIXELS][SUMS];
    for (uint32_t i = 0, left; (left = block->count - i) != 0;) {
        const uint8_t *x = block->x + (size_t)i * block->depth;
        target to = {.out = block->out + i, .in2 = block->in2[0] ? block->in2 + i : NULL};
        if (left >= TILE_PIXELS) {
            multiply(j, x, TILE_PIXELS, vectors, sums);
            to.pixels = TILE_PIXELS;
#if TILE_PIXELS > 4
        } else if (left >= 4) {
            multiply(j, x, 4, vectors, sums);
            to.pixels = 4;
#endif
        } else if (left >= 2) {
            multiply(j, x, 2, vectors, sums);
            to.pixels = 2;
        } else {
            multiply(j, x, 1, vectors, sums);
            to.pixels = 1;
        }
        finish(j, to, sums, vectors);
        i += to.pixels;
    }
}

TARGET static void multiply_1(const job *j, const lnt_block *block) { multiply_block(j, block, 1); }
TARGET static void multiply_2(const job *j, const lnt_block *block) { multiply_block(j, block, 2); }
#if TILE_VECTORS > 2
TARGET static void multiply_3(const job *j, const lnt_block *block) { multiply_block(j, block, 3); }
#endif

/* As many of the `left` channels as a tile takes, but of four vectors two and two. Returns how many. */
TARGET static uint32_t multiply_some(job *j, const lnt_block *block, uint32_t left) {
    uint32_t vectors = (left + LANES - 1) / LANES;
    vectors = vectors == 4 ? 2 : vectors < TILE_VECTORS ? vectors : TILE_VECTORS;
    j->channels = left < vectors * LANES ? left : vectors * LANES;
    if (vectors == 1) {
        multiply_1(j, block);
    } else if (vectors == 2) {
        multiply_2(j, block);
    }
#if TILE_VECTORS > 2
    if (vectors == 3) {
        multiply_3(j, block);
    }
#endif
    return j->channels;
}

TARGET static void multiply_channels(const lnt_params *p, const lnt_block *block, uint32_t c, uint32_t cn) {
    job j = {.op = p->op, .units = block->depth / 4, .law = lnt_make_law256(p)};
    j.panel_bytes = lnt_panel_bytes(j.units, LANES);
    for (uint32_t end = c + cn; c < end;) {
        j.panel = p->packed + LNT_SCALING_BYTES + c / LANES * j.panel_bytes;
        j.c = c;
        c += multiply_some(&j, block, end - c);
    }
}

#include "pairs.h"

#if LNT_DSP_HERE

#include <string.h>

#include "../clamp.h"
#include "../ref/ref.h"
#include "../requantize.h"
#include "tiles.h"

/* One block of pixels, in scratch. */
typedef struct block {
    int16_t *weights;
    int16_t *pixels;
    int8_t **out;
    int8_t **in2;
    uint32_t count; /* pixels, a multiple of LNT_TILE; the last one may be there several times */
} block;

/* Where the last of the taps end within a word, what follows may not be read. */
static void widen(const int8_t *from[LNT_TILE], int16_t *tile, uint32_t bytes) {
    uint32_t groups = bytes / 4, rest = bytes % 4;
    if (groups != 0) {
        lnt_dsp_widen(from, tile, groups);
    }
    if (rest != 0) {
        int8_t last[LNT_TILE][4] = {{0}};
        const int8_t *rows[LNT_TILE];
        for (uint32_t i = 0; i < LNT_TILE; i++) {
            for (uint32_t k = 0; k < rest; k++) {
                last[i][k] = from[i][groups * 4 + k];
            }
            rows[i] = last[i];
        }
        lnt_dsp_widen(rows, tile + (size_t)groups * 4 * LNT_TILE, 1);
    }
}

LNT_OUTLINE static void set_pixels(int8_t **table, int8_t *first, uint32_t channels, uint32_t count) {
    for (uint32_t i = 0; i < count; i++, first += channels) {
        table[i] = first;
    }
}

/* Pixels from (*y, *x) on, rows one behind the other. */
static void fill(block *b, const lnt_params *p, const lnt_operands *o, const lnt_range *range, const lnt_fetch *f,
                 uint32_t *y, uint32_t *x) {
    uint32_t channels = p->out->channels, end = range->x + range->xn, words = lnt_whole_words(f->depth);
    int8_t *room = (int8_t *)b->weights; /* free as yet: four pixels in bytes take what two channels do in 16 bits */
    int16_t *tile = b->pixels;
    for (uint32_t i = 0; i < b->count; i += LNT_TILE, tile += (size_t)words * LNT_TILE) {
        const int8_t *from[LNT_TILE];
        uint32_t k = 0;
        while (k < LNT_TILE && *y != range->y + range->n) {
            uint32_t some = end - *x < LNT_TILE - k ? end - *x : LNT_TILE - k;
            f->fetch(p, o, *y, *x, some, from + k, room + (size_t)k * words);
            set_pixels(b->out + i + k, lnt_pixel(&o->out, *y, *x, channels), channels, some);
            if (p->in2) {
                set_pixels(b->in2 + i + k, lnt_pixel(&o->in2, *y, *x, channels), channels, some);
            }
            k += some;
            *x += some;
            if (*x == end) {
                *x = range->x;
                ++*y;
            }
        }
        for (; k < LNT_TILE; k++) {
            from[k] = from[k - 1];
            b->out[i + k] = b->out[i + k - 1];
            b->in2[i + k] = b->in2[i + k - 1];
        }
        widen(from, tile, f->bytes);
    }
}

/* The last of an odd number of channels, whose weights lie in the packed constants beside zeros or another channel. */
static void run_single(const block *b, const lnt_params *p, uint32_t depth, uint32_t c) {
    const lnt_op *op = p->op;
    const uint8_t *w = p->packed + (size_t)(c / 2) * 2 * lnt_whole_words(depth) + (size_t)(c % 2) * 4;
    int32_t bias = lnt_int32_data(p, op->bias)[c], multiplier = lnt_int32_data(p, op->multiplier)[c];
    for (uint32_t i = 0; i < b->count; i++) {
        const int16_t *x = b->pixels + (size_t)(i / LNT_TILE) * LNT_TILE * lnt_whole_words(depth) + (i % LNT_TILE) * 2;
        int32_t acc = bias;
        for (uint32_t k = 0; k < depth; k++) { /* taps 0, 2 then 1, 3 of each four */
            acc += x[k / 4 * 16 + (k & 1) * 8 + (k >> 1 & 1)] * (int8_t)w[k / 4 * 8 + k % 4];
        }
        int32_t value = lnt_mulr(acc, op->shift, multiplier);
        if (!p->in2) {
            b->out[i][c] = lnt_clamp(p->out->zero_point + value, INT8_MIN, INT8_MAX);
        } else if (i == 0 || b->out[i] != b->out[i - 1]) { /* once: the output may lie over the shortcut */
            value = (lnt_sat16(value) * 256 + b->in2[i][c] * op->factor + op->offset) >> 14;
            b->out[i][c] = lnt_clamp(value, INT8_MIN, INT8_MAX);
        }
    }
}

static void run_block(const block *b, const lnt_params *p, uint32_t depth, uint32_t c, uint32_t cn) {
    const lnt_op *op = p->op;
    lnt_tiles tiles = {
        .packed = p->packed + (size_t)c * lnt_whole_words(depth),
        .weights = b->weights,
        .pixels = b->pixels,
        .out = b->out,
        .out_end = b->out + b->count,
        .shortcut = (uint32_t)((uintptr_t)b->in2 - (uintptr_t)b->out),
        .bias = lnt_int32_data(p, op->bias) + c,
        .multiplier = lnt_int32_data(p, op->multiplier) + c,
        .channel = c,
        .end = c + cn / 2 * 2,
        .zero = p->in2 ? op->offset : p->out->zero_point,
        .factors = 256 | (uint32_t)op->factor << 16,
        .shift = op->shift,
        .groups = lnt_whole_words(depth) / 4,
        .with_shortcut = p->in2 != NULL,
    };
    if (cn >= 2) {
        lnt_dsp_tiles(&tiles);
    }
    if (cn % 2 != 0) {
        run_single(b, p, depth, c + cn - 1);
    }
}

void lnt_run_pairs(const lnt_params *p, const lnt_operands *o, lnt_range range, const lnt_fetch *fetch) {
    uint32_t words = lnt_whole_words(fetch->depth), left = range.n * range.xn, y = range.y, x = range.x;
    uint32_t most = lnt_pairs_block(fetch->depth, left);
    block b = {.weights = (int16_t *)(void *)o->scratch};
    b.out = (int8_t **)(void *)(o->scratch + (size_t)words * 4);
    b.in2 = b.out + most;
    b.pixels = (int16_t *)(void *)(b.in2 + most);
    while (left != 0) {
        uint32_t pixels = left < most ? left : most;
        b.count = (pixels + LNT_TILE - 1) / LNT_TILE * LNT_TILE;
        fill(&b, p, o, &range, fetch, &y, &x);
        run_block(&b, p, fetch->depth, range.c, range.cn);
        left -= pixels;
    }
    lnt_clamp_range(p, o, &range);
}

#endif

#include "pairs.h"

#if LNT_DSP_HERE

#include "../clamp.h"
#include "../move.h"
#include "../ref/ref.h"
#include "../requantize.h"
#include "tiles.h"

/* One block of pixels, in scratch: tiles as lnt_tiles has them, weights behind. */
typedef struct block {
    uint8_t *tiles;
    uint8_t *weights;
    uint32_t taps_bytes; /* of a tile */
    uint32_t tile_bytes; /* pointers included */
    uint32_t count;      /* pixels, a multiple of LNT_TILE; the last one may be there several times */
} block;

/* Taps behind the last whole word: what follows them may not be read. */
static void widen_rest(const int8_t *const from[LNT_TILE], uint32_t bytes, uint8_t *tile) {
    int16_t *to = (int16_t *)(void *)tile + (size_t)(bytes / 4) * 4 * LNT_TILE;
    for (uint32_t i = 0; i < LNT_TILE; i++, to += 2) {
        for (uint32_t k = 0; k < 4; k++) { /* 0, 2 then 1, 3 */
            to[(k & 1) * 2 * LNT_TILE + (k >> 1)] = k < bytes % 4 ? from[i][bytes / 4 * 4 + k] : 0;
        }
    }
}

/* The next pixels of a row: `tiles` times those that complete the four. */
static uint8_t *add_tiles(const block *b, lnt_widening *four, uint32_t tiles, uint32_t bytes, uint8_t *tile) {
    four->tile = tile;
    four->tiles = tiles;
    lnt_dsp_widen(four);
    if (bytes % 4 != 0) {
        widen_rest(four->from, bytes, tile);
    }
    return tile + (size_t)tiles * b->tile_bytes;
}

/* Collect the taps of `count` pixels into what is still free of the block, with the `known` pixels of the row before
 * that did not fill a tile in front: as tiles are filled from the other end, none of them is overwritten unread. */
static const int8_t *collect(const block *b, const lnt_params *p, const lnt_operands *o, const lnt_fetch *f, uint32_t y,
                             uint32_t x, uint32_t count, const int8_t **from, uint32_t known) {
    int8_t *room = (int8_t *)b->weights + (size_t)LNT_TILE * f->bytes - (size_t)(known + count) * f->bytes;
    for (uint32_t i = 0; i < known; i++, room += f->bytes) {
        lnt_move((uint8_t *)room, (const uint8_t *)from[i], f->bytes); /* never to memory behind it */
        from[i] = room;
    }
    f->collect(p, o, y, x, count, room, f->bytes);
    return room;
}

/* So many pixels from (*y, *x) on. */
static void fill(const block *b, const lnt_params *p, const lnt_operands *o, const lnt_range *range, const lnt_fetch *f,
                 uint32_t *y, uint32_t *x, uint32_t left) {
    uint32_t channels = p->out->channels, bytes = f->bytes, known = 0;
    uint8_t *tile = b->tiles;
    lnt_widening four = {.groups = bytes / 4,
                         .skip = LNT_TILE * bytes - bytes / 4 * 4,
                         .gap = bytes % 4 != 0 ? 8 * LNT_TILE : 0,
                         .step = LNT_TILE * channels,
                         .with_shortcut = p->in2 != NULL};
    while (left != 0) {
        uint32_t row = range->x + range->xn - *x, count = row < left ? row : left;
        const int8_t *from =
            f->collect ? collect(b, p, o, f, *y, *x, count, four.from, known) : lnt_pixel(&o->in, *y, *x, bytes);
        int8_t *out = lnt_pixel(&o->out, *y, *x, channels);
        int8_t *in2 = p->in2 ? lnt_pixel(&o->in2, *y, *x, channels) : out;
        left -= count;
        *x += count;
        if (count == row) {
            *x = range->x;
            ++*y;
        }
        while (count != 0) {
            uint32_t some = LNT_TILE - known < count ? LNT_TILE - known : count;
            uint32_t more = some == LNT_TILE && bytes % 4 == 0 ? count / LNT_TILE - 1 : 0; /* tiles of this row */
            for (uint32_t i = 0; i < some; i++, known++, from += bytes, in2 += channels, out += channels) {
                four.from[known] = from;
                four.in2[known] = in2;
                four.out[known] = out;
            }
            count -= some;
            for (; left == 0 && count == 0 && known < LNT_TILE; known++) {
                four.from[known] = four.from[known - 1];
                four.in2[known] = four.in2[known - 1];
                four.out[known] = four.out[known - 1];
            }
            if (known == LNT_TILE) {
                tile = add_tiles(b, &four, 1 + more, bytes, tile);
                from += more * LNT_TILE * bytes;
                in2 += more * LNT_TILE * channels;
                out += more * LNT_TILE * channels;
                count -= more * LNT_TILE;
                known = 0;
            }
        }
    }
}

/* The last of an odd number of channels, whose weights lie in the packed constants beside zeros or another channel. */
static void run_single(const block *b, const lnt_params *p, uint32_t depth, uint32_t c) {
    const lnt_op *op = p->op;
    const uint8_t *w = p->packed + (size_t)(c / 2) * 2 * lnt_whole_words(depth) + (size_t)(c % 2) * 4;
    int32_t bias = lnt_int32_data(p, op->bias)[c], multiplier = lnt_int32_data(p, op->multiplier)[c];
    const int8_t *before = NULL;
    for (uint32_t i = 0; i < b->count; i++) {
        uint8_t *tile = b->tiles + (size_t)(i / LNT_TILE) * b->tile_bytes;
        int8_t *const *in2 = (int8_t *const *)(void *)(tile + b->taps_bytes) + i % LNT_TILE;
        int8_t *out = in2[p->in2 ? LNT_TILE : 0] + c;
        const int16_t *x = (const int16_t *)(void *)tile + (i % LNT_TILE) * 2;
        int32_t acc = bias;
        for (uint32_t k = 0; k < depth; k++) { /* taps 0, 2 then 1, 3 of each four */
            acc += x[k / 4 * 16 + (k & 1) * 8 + (k >> 1 & 1)] * (int8_t)w[k / 4 * 8 + k % 4];
        }
        int32_t value = lnt_mulr(acc, op->shift, multiplier);
        if (!p->in2) {
            *out = lnt_clamp(p->out->zero_point + value, INT8_MIN, INT8_MAX);
        } else if (out != before) { /* once: the output may lie over the shortcut */
            value = (lnt_sat16(value) * 256 + (*in2)[c] * op->factor + op->offset) >> 14;
            *out = lnt_clamp(value, INT8_MIN, INT8_MAX);
        }
        before = out;
    }
}

static void run_block(const block *b, const lnt_params *p, uint32_t depth, uint32_t c, uint32_t cn) {
    const lnt_op *op = p->op;
    lnt_tiles tiles = {
        .packed = p->packed + (size_t)c * lnt_whole_words(depth),
        .weights = (int16_t *)(void *)b->weights,
        .tiles = b->tiles,
        .bias = lnt_int32_data(p, op->bias) + c,
        .multiplier = lnt_int32_data(p, op->multiplier) + c,
        .zero = p->in2 ? op->offset : p->out->zero_point,
        .factors = 256 | (uint32_t)op->factor << 16,
        .shift = op->shift,
        .groups = lnt_whole_words(depth) / 4,
        .end = c + cn / 2 * 2,
        .channel = c,
        .tiles_end = b->tiles + (size_t)(b->count / LNT_TILE) * b->tile_bytes,
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
    block b = {.tiles = o->scratch, .taps_bytes = 2 * LNT_TILE * words};
    b.tile_bytes = b.taps_bytes + (p->in2 ? 2 : 1) * LNT_TILE * (uint32_t)sizeof(int8_t *);
    b.weights = b.tiles + (size_t)(most / LNT_TILE) * b.tile_bytes;
    while (left != 0) {
        uint32_t pixels = left < most ? left : most;
        b.count = (pixels + LNT_TILE - 1) / LNT_TILE * LNT_TILE;
        fill(&b, p, o, &range, fetch, &y, &x, pixels);
        run_block(&b, p, fetch->depth, range.c, range.cn);
        left -= pixels;
    }
    lnt_clamp_range(p, o, &range);
}

#endif

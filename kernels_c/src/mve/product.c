#include "product.h"

#if LNT_MVE_HERE

#include "../clamp.h"
#include "../ref/dot.h"
#include "../ref/ref.h"
#include "../requantize.h"
#include "tiles.h"

enum { PIXELS = 4 };

/* What one call works on, and how far it has come. */
typedef struct work {
    const lnt_params *p;
    const lnt_operands *o;
    const lnt_product *product;
    lnt_range range;
    bool merged; /* outputs of all rows follow one another, so that tiles need not end with a row */
    uint32_t y, x;
    uint32_t run; /* pixels left of this run */
    uint32_t left;
    lnt_tile *tiles;
    int8_t *room;
} work;

/* Whether each row begins where the one before it ends. */
static bool follow(const lnt_rows *rows, const lnt_range *r, uint32_t channels) {
    for (uint32_t y = r->y + 1; y < r->y + r->n; y++) {
        const int8_t *before = lnt_pixel(rows, y - 1, r->x, channels) + (size_t)r->xn * channels;
        if (lnt_pixel(rows, y, r->x, channels) != before) {
            return false;
        }
    }
    return true;
}

/* The next tile of `pixels` pixels; where these are less than four, the last of them fills it up. */
static void add_tile(work *w, lnt_tile *tile, int8_t *room, uint32_t pixels) {
    const lnt_range *r = &w->range;
    uint32_t k = 0;
    tile->out = lnt_pixel(&w->o->out, w->y, w->x, w->p->out->channels);
    tile->in2 = w->p->in2 ? lnt_pixel(&w->o->in2, w->y, w->x, w->p->out->channels) : NULL;
    while (k < pixels) {
        uint32_t some = r->x + r->xn - w->x < pixels - k ? r->x + r->xn - w->x : pixels - k;
        w->product->fetch(w->p, w->o, w->y, w->x, some, tile->pixel + k, room + (size_t)k * w->product->room);
        k += some;
        w->x += some;
        if (w->x == r->x + r->xn) {
            w->x = r->x;
            w->y++;
        }
    }
    for (; k < PIXELS; k++) {
        tile->pixel[k] = tile->pixel[k - 1];
    }
}

/* The last of an odd number of channels. */
static void run_single(const work *w, const lnt_tile *tile, uint32_t pixels, uint32_t c) {
    const lnt_op *op = w->p->op;
    uint32_t vectors = lnt_whole_vectors(w->product->depth), channels = w->p->out->channels;
    const int8_t *packed = (const int8_t *)w->p->packed + (size_t)(c / 2) * 2 * vectors + (size_t)(c % 2) * LNT_VECTOR;
    for (uint32_t i = 0; i < pixels; i++) {
        int32_t acc = lnt_int32_data(w->p, op->bias)[c];
        for (uint32_t k = 0; k < w->product->depth; k += LNT_VECTOR) {
            uint32_t taps = w->product->depth - k < LNT_VECTOR ? w->product->depth - k : LNT_VECTOR;
            acc += lnt_dot(tile->pixel[i] + k, packed + (size_t)k * 2, taps);
        }
        int32_t value = lnt_mulr(acc, op->shift, lnt_int32_data(w->p, op->multiplier)[c]);
        size_t at = (size_t)i * channels + c;
        if (tile->in2) {
            value = (lnt_sat16(value) * 256 + tile->in2[at] * op->factor + op->offset) >> 14;
        } else {
            value += w->p->out->zero_point;
        }
        tile->out[at] = lnt_clamp(value, INT8_MIN, INT8_MAX);
    }
}

/* Tiles of `pixels` pixels each. */
static void run_tiles(const work *w, const lnt_tile *first, const lnt_tile *end, uint32_t pixels) {
    static const uint8_t order[8] = {0, 2, 0, 2, 1, 3, 1, 3}; /* of pixels; channels 0, 0, 1, 1 and again */
    const lnt_params *p = w->p;
    const lnt_op *op = p->op;
    uint32_t c = w->range.c, cn = w->range.cn;
    uint16_t offsets[8];
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t pixel = order[i] < pixels ? order[i] : pixels - 1;
        offsets[i] = (uint16_t)(pixel * p->out->channels + i / 2 % 2);
    }
    lnt_tiles tiles = {
        .tiles = first,
        .end = end,
        .packed = p->packed + (size_t)c * lnt_whole_vectors(w->product->depth),
        .blocks = w->product->bytes / LNT_VECTOR,
        .rest = w->product->bytes % LNT_VECTOR,
        .bias = lnt_int32_data(p, op->bias) + c,
        .multiplier = lnt_int32_data(p, op->multiplier) + c,
        .pairs = cn / 2,
        .zero = p->in2 ? op->offset : p->out->zero_point,
        .shift = op->shift,
        .offsets = offsets,
        .factor = op->factor,
        .with_shortcut = p->in2 != NULL,
        .channel = c,
    };
    if (cn >= 2) {
        lnt_mve_tiles(&tiles);
    }
    for (; cn % 2 != 0 && first != end; first++) {
        run_single(w, first, pixels, c + cn - 1);
    }
}

/* One block: full tiles from the front, those at the ends of runs from the back, which are all alike. */
static void run_block(work *w, uint32_t most) {
    lnt_tile *full = w->tiles, *part = w->tiles + most;
    uint32_t length = w->merged ? w->range.n * w->range.xn : w->range.xn;
    for (uint32_t i = 0; i < most && w->left != 0; i++) {
        uint32_t pixels = w->run < PIXELS ? w->run : PIXELS;
        add_tile(w, pixels == PIXELS ? full++ : --part, w->room + (size_t)i * PIXELS * w->product->room, pixels);
        w->run -= pixels;
        w->left -= pixels;
        w->run = w->run == 0 ? length : w->run;
    }
    if (full != w->tiles) {
        run_tiles(w, w->tiles, full, PIXELS);
    }
    if (part != w->tiles + most) {
        run_tiles(w, part, w->tiles + most, length % PIXELS);
    }
}

void lnt_run_product(const lnt_params *p, const lnt_operands *o, lnt_range range, const lnt_product *product) {
    uint32_t most = lnt_product_tiles(product->room, (uint64_t)range.n * range.xn), channels = p->out->channels;
    work w = {.p = p, .o = o, .product = product, .range = range, .y = range.y, .x = range.x};
    w.room = (int8_t *)o->scratch;
    w.tiles = (lnt_tile *)(void *)(o->scratch + (size_t)most * PIXELS * product->room);
    w.merged = follow(&o->out, &range, channels) && (p->in2 == NULL || follow(&o->in2, &range, channels));
    w.left = range.n * range.xn;
    w.run = w.merged ? w.left : range.xn;
    while (w.left != 0) {
        run_block(&w, most);
    }
    lnt_clamp_range(p, o, &range);
}

#endif

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
    uint32_t run;      /* pixels left of this run */
    uint32_t left;     /* pixels left of all */
    uint32_t pixel;    /* bytes from one pixel to the next, of which as many may be read */
    const int8_t *in;  /* the next pixel's taps */
    int8_t *out;       /* and where its outputs go */
    const int8_t *in2; /* its shortcut, or anything */
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

static void begin_row(work *w) {
    w->x = w->range.x;
    if (w->product->gather == NULL) {
        w->in = lnt_pixel(&w->o->in, w->y, w->x, w->product->depth);
    }
}

static void begin_run(work *w) {
    w->run = w->merged ? w->left : w->range.xn;
    w->out = lnt_pixel(&w->o->out, w->y, w->x, w->p->out->channels);
    w->in2 = w->p->in2 ? lnt_pixel(&w->o->in2, w->y, w->x, w->p->out->channels) : w->out;
}

/* So many pixels of one row and run are in tiles now. */
static void advance(work *w, uint32_t pixels) {
    w->x += pixels;
    w->run -= pixels;
    w->left -= pixels;
    if (w->left != 0 && w->x == w->range.x + w->range.xn) {
        w->y++;
        begin_row(w);
    }
    if (w->left != 0 && w->run == 0) {
        begin_run(w);
    }
}

/* Full tiles of one row. */
static lnt_tile *add_full_tiles(work *w, lnt_tile *tile, uint32_t count) {
    uint32_t pixel = w->pixel, step = PIXELS * w->p->out->channels;
    const int8_t *in = w->in, *in2 = w->in2;
    int8_t *out = w->out;
    for (lnt_tile *end = tile + count; tile != end; tile++, out += step, in2 += step) {
        tile->pixel[0] = in;
        tile->pixel[1] = in += pixel;
        tile->pixel[2] = in += pixel;
        tile->pixel[3] = in += pixel;
        tile->out = out;
        tile->in2 = in2;
        in += pixel;
    }
    w->in = in;
    w->out = out;
    w->in2 = in2;
    advance(w, count * PIXELS);
    return tile;
}

/* The next tile of `pixels` pixels of one run; where these are less than four, the last of them fills it up. */
static void add_tile(work *w, lnt_tile *tile, uint32_t pixels) {
    uint32_t step = pixels * w->p->out->channels;
    tile->out = w->out;
    tile->in2 = w->in2;
    w->out += step;
    w->in2 += step;
    for (uint32_t k = 0; k < pixels; k++) {
        tile->pixel[k] = w->in;
        w->in += w->pixel;
        advance(w, 1);
    }
    for (uint32_t k = pixels; k < PIXELS; k++) {
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
        if (w->p->in2) {
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
        .blocks = w->pixel / LNT_VECTOR,
        .rest = w->pixel % LNT_VECTOR,
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
    if (cn >= 2 && w->pixel <= LNT_VECTOR && op->shift == 0 && !p->in2) {
        lnt_mve_small_tiles(&tiles);
    } else if (cn >= 2) {
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
    for (uint32_t left = most; left != 0 && w->left != 0; left = (uint32_t)(part - full)) {
        uint32_t row = w->range.x + w->range.xn - w->x, pixels = row < w->run ? row : w->run;
        uint32_t tiles = pixels / PIXELS < left ? pixels / PIXELS : left;
        if (w->product->gather) { /* never several rows in a run, so that a tile is of one row */
            pixels = pixels < left * PIXELS ? pixels : left * PIXELS;
            w->in = w->room + (size_t)(most - left) * PIXELS * w->pixel;
            w->product->gather(w->p, w->o, w->y, w->x, pixels, (int8_t *)w->in, w->pixel);
        }
        if (tiles != 0) {
            full = add_full_tiles(w, full, tiles);
            pixels -= tiles * PIXELS;
        }
        if (pixels != 0 && full != part) {
            uint32_t some = w->run < PIXELS ? w->run : PIXELS;
            add_tile(w, some == PIXELS ? full++ : --part, some);
        }
    }
    if (full != w->tiles) {
        run_tiles(w, w->tiles, full, PIXELS);
    }
    if (part != w->tiles + most) {
        run_tiles(w, part, w->tiles + most, length % PIXELS);
    }
}

void lnt_run_product(const lnt_params *p, const lnt_operands *o, lnt_range range, const lnt_product *product) {
    uint32_t room = product->gather ? lnt_whole_vectors(product->depth) : 0, channels = p->out->channels;
    uint32_t most = lnt_product_tiles(room, (uint64_t)range.n * range.xn);
    work w = {.p = p, .o = o, .product = product, .range = range, .y = range.y, .x = range.x};
    w.pixel = room ? room : product->depth;
    w.room = (int8_t *)o->scratch;
    w.tiles = (lnt_tile *)(void *)(o->scratch + (size_t)most * PIXELS * room);
    w.merged = !room && follow(&o->out, &range, channels) && (p->in2 == NULL || follow(&o->in2, &range, channels));
    w.left = range.n * range.xn;
    begin_row(&w);
    begin_run(&w);
    while (w.left != 0) {
        run_block(&w, most);
    }
    lnt_clamp_range(p, o, &range);
}

#endif

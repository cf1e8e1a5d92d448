/* Packing for gemm_pack.h. */
#include "gemm_pack.h"

#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include <string.h>

#include "bounds.h"

uint64_t lnt_gemm_bytes(const lnt_params *p, lnt_gemm_order order, uint32_t depth) {
    uint32_t rest = p->out->channels % LNT_GEMM_CHANNELS;
    uint64_t tiles = p->out->channels / LNT_GEMM_CHANNELS;
    return sizeof(lnt_gemm_head) + tiles * lnt_gemm_tile_bytes(order, depth, 4) +
           (rest == 0 ? 0 : lnt_gemm_tile_bytes(order, depth, rest <= 8 ? 2 : 4));
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

typedef struct tile {
    const lnt_params *p;
    uint32_t depth;
    uint32_t first; /* channel */
    uint32_t own;   /* channels that there are */
    uint32_t channels;
} tile;

/* Those of channel c in step s; zero where there are none. */
static void weights_of(const tile *t, uint32_t c, uint32_t s, int8_t w[4]) {
    const int8_t *from = lnt_int8_data(t->p, t->p->op->weights) + (size_t)(t->first + c) * t->depth;
    bool whole = c < t->own && input_of(t->depth, s, 0) >= 0;
    memset(w, 0, 4);
    if (whole) {
        memcpy(w, from + input_of(t->depth, s, 0), 4);
    }
    for (uint32_t i = 1; i < 4 && c < t->own && !whole; i++) {
        int32_t k = input_of(t->depth, s, i);
        w[i] = k < 0 ? 0 : from[k];
    }
}

static void pack_fours(const tile *t, int8_t *w) {
    for (uint32_t s = 0; s < lnt_gemm_steps(t->depth); s++) {
        for (uint32_t c = 0; c < t->channels; c++, w += 4) {
            weights_of(t, c, s, w);
        }
    }
}

/* The range of what a step adds to 16-bit sums, two of which each channel has. */
typedef struct sums {
    int64_t low[2 * LNT_GEMM_CHANNELS];
    int64_t high[2 * LNT_GEMM_CHANNELS];
} sums;

static void find_sums(const tile *t, uint32_t c, uint32_t s, sums *to) {
    int8_t w[4];
    weights_of(t, c, s, w);
    for (uint32_t i = 0; i < 2; i++) {
        to->low[2 * c + i] = to->high[2 * c + i] = 0;
        lnt_widen(&to->low[2 * c + i], &to->high[2 * c + i], w[i]);
        lnt_widen(&to->low[2 * c + i], &to->high[2 * c + i], w[i + 2]);
    }
}

/* Whether the sums of four products, of step s and of another, stay in 16 bits for n channels from c on. */
static bool fours_fit(const tile *t, uint32_t c, uint32_t n, uint32_t s, const sums *other) {
    sums own;
    for (uint32_t i = c; i < c + n; i++) {
        find_sums(t, i, s, &own);
        for (uint32_t j = 2 * i; j < 2 * i + 2; j++) {
            if (own.low[j] + other->low[j] < INT16_MIN || own.high[j] + other->high[j] > INT16_MAX) {
                return false;
            }
        }
    }
    return true;
}

/* Where to pack next, and which steps have been. */
typedef struct progress {
    int32_t *order;
    int8_t *w;
    bool done[LNT_GEMM_PAIRS_DEPTH / 4];
} progress;

/* One of `many` steps that are taken together; of two, the upper channels take the second first. */
static void pack_step(const tile *t, progress *to, uint32_t s, uint32_t which, uint32_t many) {
    to->done[s] = true;
    *to->order++ = (int32_t)(LNT_GEMM_STEP_BYTES * s);
    for (uint32_t c = 0; c < t->channels; c++) {
        uint32_t half = many * (c / 8) + (c < 8 ? which : many - 1 - which);
        int8_t w[4];
        weights_of(t, c, s, w);
        for (uint32_t i = 0; i < 4; i++) {
            to->w[32 * half + 16 * (c / 4 % 2) + 8 * (i / 2) + 2 * (c % 4) + i % 2] = w[i];
        }
    }
}

/* How far from a step one to go with it is looked for: so time grows with the steps, not with their square. */
enum { REACH = 32 };

/* The steps of which four products fit for n channels from c on, two by two: each with the first that it goes with. */
static void pack_run(const tile *t, progress *to, uint32_t c, uint32_t n) {
    uint32_t steps = lnt_gemm_steps(t->depth);
    for (uint32_t a = 0; a < steps; a++) {
        sums of_a;
        for (uint32_t i = c; i < c + n && !to->done[a]; i++) {
            find_sums(t, i, a, &of_a);
        }
        for (uint32_t b = a + 1; b < steps && (b < a + REACH || n == 0) && !to->done[a]; b++) {
            if (!to->done[b] && fours_fit(t, c, n, b, &of_a)) {
                pack_step(t, to, a, 0, 2);
                pack_step(t, to, b, 1, 2);
                to->w += 8 * t->channels;
            }
        }
    }
    *to->order++ = -1;
    *to->order++ = -1;
}

static void pack_pairs(const tile *t, int32_t *order) {
    uint32_t steps = lnt_gemm_steps(t->depth);
    progress to = {.order = order, .w = (int8_t *)order + lnt_gemm_order_bytes(steps)};
    pack_run(t, &to, 0, t->channels);
    pack_run(t, &to, 0, 8);
    pack_run(t, &to, t->channels - 8, 8);
    pack_run(t, &to, 0, 0);
    for (uint32_t s = 0; s < steps; s++) {
        if (!to.done[s]) {
            pack_step(t, &to, s, 0, 1);
        }
    }
}

static void pack_tile(const tile *t, lnt_gemm_order order, uint8_t *to) {
    int32_t *bias = (int32_t *)(void *)to;
    int32_t *multiplier = bias + t->channels;
    memset(to, 0, lnt_gemm_tile_bytes(order, t->depth, t->channels / 4));
    for (uint32_t c = 0; c < t->own; c++) {
        bias[c] = lnt_int32_data(t->p, t->p->op->bias)[t->first + c];
        multiplier[c] = lnt_int32_data(t->p, t->p->op->multiplier)[t->first + c];
    }
    int32_t *rest = multiplier + t->channels;
    if (order == LNT_GEMM_PAIRS) {
        pack_pairs(t, rest);
    } else {
        pack_fours(t, (int8_t *)rest);
    }
}

void lnt_gemm_pack(const lnt_params *p, lnt_gemm_order order, uint32_t depth, uint8_t *to) {
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
        tile t = {.p = p, .depth = depth, .first = c, .own = left < LNT_GEMM_CHANNELS ? left : LNT_GEMM_CHANNELS};
        t.channels = t.own <= 8 ? 8 : LNT_GEMM_CHANNELS;
        pack_tile(&t, order, to);
        to += lnt_gemm_tile_bytes(order, depth, t.channels / 4);
    }
}

LNT_NEON_END

#endif

/* The loops of gemm.h for processors without sdot. Two inputs of a pixel, repeated four times, meet the weights of four
 * channels: smull and smlal sum two products in 16 bits, sadalp adds neighbours to the sums of four channels, so that
 * nothing is left to add across a vector. Pixels are spread so once, into a block on the stack, and used for all
 * channels. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "gemm.h"
#include "gemm_finish.h"
#ifdef LNT_GEMM_INORDER
#include "gemm_pairs_asm.h"
#endif

enum { BLOCK = 16384, SPREAD = 16 /* bytes per four inputs */ };

/* Pixels of a tile of sixteen channels: what the registers hold. */
#ifdef LNT_NEON64
enum { TILE = 4 };
#else
enum { TILE = 2 };
#endif

/* Nothing that computes these moves beyond this point, and nothing that uses them ahead of it: so eight chains of
 * multiplications and additions stay interleaved. In-order processors (Cortex-A53) stall on the order that compilers
 * choose, and elsewhere they choose one that takes more registers than there are. */
#define PIN4(a, b, c, d) __asm__ volatile("" : "+w"(a), "+w"(b), "+w"(c), "+w"(d))

/* Inputs of four pixels at most, weights of two vectors of channels, and their products. */
typedef struct chains {
    int8x16_t x[4];
    int8x16_t w[2];
    int16x8_t product[2][4];
} chains;

LNT_INLINE void load_pixels(chains *ch, const int8_t *x, int P) {
#if defined(LNT_NEON64) && defined(__clang__)
    /* GCC 12 moves registers about that it has loaded so. */
    if (P == 4) {
        int8x16x4_t four = vld1q_s8_x4(x);
        ch->x[0] = four.val[0];
        ch->x[1] = four.val[1];
        ch->x[2] = four.val[2];
        ch->x[3] = four.val[3];
        return;
    }
#endif
#pragma GCC unroll 4
    for (int i = 0; i < P; i++) {
        ch->x[i] = vld1q_s8(x + SPREAD * i);
    }
}

LNT_INLINE void load_weights(chains *ch, const int8_t *w) {
    ch->w[0] = vld1q_s8(w);
    ch->w[1] = vld1q_s8(w + 16);
}

/* more: beside the products that are there. */
LNT_INLINE void multiply(chains *ch, int P, bool more) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
        int8x8_t w = vget_low_s8(ch->w[j]);
#pragma GCC unroll 4
        for (int i = 0; i < P; i++) {
            int8x8_t x = vget_low_s8(ch->x[i]);
            ch->product[j][i] = more ? vmlal_s8(ch->product[j][i], w, x) : vmull_s8(w, x);
        }
    }
    if (P == 4) {
        PIN4(ch->product[0][0], ch->product[0][1], ch->product[0][2], ch->product[0][3]);
        PIN4(ch->product[1][0], ch->product[1][1], ch->product[1][2], ch->product[1][3]);
    }
}

LNT_INLINE void multiply_high(chains *ch, int P, bool more) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
#pragma GCC unroll 4
        for (int i = 0; i < P; i++) {
            ch->product[j][i] =
                more ? lnt_mlal_high(ch->product[j][i], ch->w[j], ch->x[i]) : lnt_mull_high(ch->w[j], ch->x[i]);
        }
    }
    if (P == 4) {
        PIN4(ch->product[0][0], ch->product[0][1], ch->product[0][2], ch->product[0][3]);
        PIN4(ch->product[1][0], ch->product[1][1], ch->product[1][2], ch->product[1][3]);
    }
}

LNT_INLINE void add(int32x4_t acc[][4], const chains *ch, int v, int P) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
#pragma GCC unroll 4
        for (int i = 0; i < P; i++) {
            acc[i][v + j] = vpadalq_s16(acc[i][v + j], ch->product[j][i]);
        }
    }
    if (P == 4) {
        PIN4(acc[0][v], acc[1][v], acc[2][v], acc[3][v]);
        PIN4(acc[0][v + 1], acc[1][v + 1], acc[2][v + 1], acc[3][v + 1]);
    }
}

/* How many products sum to 16 bits. */
typedef enum fit { ONE, TWO, FOUR } fit;

/* The inputs that are loaded to the sums of two vectors of channels. */
LNT_INLINE void step(int32x4_t acc[][4], chains *ch, const int8_t *w, int v, int P, fit fits, bool more) {
    load_weights(ch, w);
    multiply(ch, P, fits == FOUR && more);
    if (fits == ONE) {
        add(acc, ch, v, P);
    }
    multiply_high(ch, P, fits != ONE);
    if (fits != FOUR || more) {
        add(acc, ch, v, P);
    }
}

/* Two steps; those of the upper channels lie the other way round, so that inputs are loaded three times, not four. */
LNT_INLINE void two_steps(int32x4_t acc[][4], const int8_t *a, const int8_t *b, const int8_t *w, int P, int V,
                          fit lower, fit upper) {
    chains ch;
    load_pixels(&ch, a, P);
    step(acc, &ch, w, 0, P, lower, false);
    load_pixels(&ch, b, P);
    step(acc, &ch, w + 32, 0, P, lower, true);
    if (V > 2) {
        step(acc, &ch, w + 64, 2, P, upper, false);
        load_pixels(&ch, a, P);
        step(acc, &ch, w + 96, 2, P, upper, true);
    }
}

/* Where a tile's loop is. */
typedef struct walk {
    const int32_t *order;
    const int8_t *w;
} walk;

/* Steps two by two up to the end of the run. */
LNT_INLINE void run_steps(int32x4_t acc[][4], walk *at, const int8_t *spread, int P, int V, fit lower, fit upper) {
    const int32_t *order = at->order;
    const int8_t *w = at->w;
    for (int32_t a, b; a = order[0], b = order[1], order += 2, a >= 0; w += 32 * V) {
        two_steps(acc, spread + (uint32_t)a * (size_t)P, spread + (uint32_t)b * (size_t)P, w, P, V, lower, upper);
    }
    at->order = order;
    at->w = w;
}

/* From biases to the sums of all runs. */
LNT_INLINE void begin_and_run(int32x4_t acc[][4], const int32_t *bias, walk *at, const int8_t *spread, int P, int V,
                              bool small) {
    fit most = small ? TWO : ONE;
#pragma GCC unroll 4
    for (int i = 0; i < P; i++) {
        LNT_HIDE(bias);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            acc[i][v] = v < V ? vld1q_s32(bias + 4 * v) : vdupq_n_s32(0);
        }
    }
    run_steps(acc, at, spread, P, V, FOUR, FOUR);
    run_steps(acc, at, spread, P, V, P == 4 ? FOUR : most, most);
    run_steps(acc, at, spread, P, V, most, P == 4 ? FOUR : most);
    run_steps(acc, at, spread, P, V, most, most);
}

/* Sums of P pixels and V vectors of channels of the tile at `packed`. */
LNT_INLINE void dots(int32x4_t acc[][4], const uint8_t *packed, const int8_t *spread, uint32_t steps, int P, int V,
                     bool small) {
    const int32_t *bias = (const int32_t *)(const void *)packed;
    walk at = {.order = bias + (size_t)8 * V, .w = (const int8_t *)packed + 32 * V + lnt_gemm_order_bytes(steps)};
#ifdef LNT_GEMM_INORDER
    if (P == 4 && V == 4) {
        lnt_gemm_pairs_sums(acc, bias, spread, &at.order, &at.w);
    } else {
        begin_and_run(acc, bias, &at, spread, P, V, small);
    }
#else
    begin_and_run(acc, bias, &at, spread, P, V, small);
#endif
    if (steps % 2 != 0) {
        fit most = small ? TWO : ONE;
        chains ch;
        load_pixels(&ch, spread + (uint32_t)at.order[0] * (size_t)P, P);
        step(acc, &ch, at.w, 0, P, most, true);
        if (V > 2) {
            step(acc, &ch, at.w + 32, 2, P, most, true);
        }
    }
}

/* One tile of channels, and the pixels from here on. */
typedef struct tile {
    const uint8_t *packed;
    const int8_t *spread;
    int8_t *out;
    const int8_t *in2;
    uint32_t steps;
    uint32_t own;
} tile;

LNT_INLINE void run_pixels(const lnt_narrow *n, size_t pitch, tile *t, int P, int V, uint32_t own, bool small,
                           uint32_t mode) {
    int32x4_t acc[4][4];
    dots(acc, t->packed, t->spread, t->steps, P, V, small);
    lnt_gemm_finish((const int32x4_t(*)[4])acc, t->packed, n, t->out, t->in2, pitch, own, P, V, mode);
    t->spread += (size_t)SPREAD * (size_t)P * t->steps;
    t->out += (size_t)P * pitch;
    if (mode == LNT_NARROW_SHORTCUT) {
        t->in2 += (size_t)P * pitch;
    }
}

/* n is copied: the compiler cannot know that no output lies over it. */
LNT_INLINE void run_tile_of(const lnt_gemm *g, tile t, uint32_t pixels, int V, uint32_t own, uint32_t mode) {
    lnt_narrow n = g->narrow;
    size_t pitch = g->out_pitch;
    for (; pixels >= TILE; pixels -= TILE) {
        run_pixels(&n, pitch, &t, TILE, V, own, true, mode);
    }
    if (TILE > 2 && pixels >= 2) {
        run_pixels(&n, pitch, &t, 2, V, own, true, mode);
        pixels -= 2;
    }
    if (pixels != 0) {
        run_pixels(&n, pitch, &t, 1, V, own, true, mode);
    }
}

/* Any number of channels and any weights, pixel by pixel. */
static void run_tile_part(const lnt_gemm *g, tile t, uint32_t pixels) {
    for (; pixels != 0; pixels--) {
        if (t.own <= 8) {
            run_pixels(&g->narrow, g->out_pitch, &t, 1, 2, t.own, false, g->narrow.mode);
        } else {
            run_pixels(&g->narrow, g->out_pitch, &t, 1, 4, t.own, false, g->narrow.mode);
        }
    }
}

static bool is_small(const lnt_gemm *g) { return ((const lnt_gemm_head *)(const void *)g->packed)->pairs_fit; }

static void run_tile(const lnt_gemm *g, tile t, uint32_t pixels) {
    uint32_t mode = g->narrow.mode;
    if (t.own == 16 && mode == LNT_NARROW_RELU6) {
        run_tile_of(g, t, pixels, 4, 16, LNT_NARROW_RELU6);
    } else if (t.own == 16 && mode == LNT_NARROW_LINEAR) {
        run_tile_of(g, t, pixels, 4, 16, LNT_NARROW_LINEAR);
    } else if (t.own == 16 && mode == LNT_NARROW_SHORTCUT) {
        run_tile_of(g, t, pixels, 4, 16, LNT_NARROW_SHORTCUT);
    } else if (t.own == 16) {
        run_tile_of(g, t, pixels, 4, 16, LNT_NARROW_ANY);
    } else if (t.own == 8 && mode == LNT_NARROW_LINEAR) {
        run_tile_of(g, t, pixels, 2, 8, LNT_NARROW_LINEAR);
    } else {
        run_tile_of(g, t, pixels, t.own <= 8 ? 2 : 4, t.own, mode);
    }
}

/* Four inputs, lane `lane` of a vector, as pairs repeated four times. */
LNT_INLINE int8x16_t spread_lane(int8x16_t x, int lane) {
    static const uint8_t order[16] = {0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3};
    return lnt_look_up(x, vaddq_u8(vld1q_u8(order), vdupq_n_u8((uint8_t)(4 * lane))));
}

/* P pixels as [four inputs][pixel][16 bytes]. */
LNT_INLINE void spread_pixels(const int8_t *x, size_t pitch, uint32_t depth, int8_t *to, int P) {
    for (uint32_t k = 0; k + 16 <= depth; k += 16, to += 4 * SPREAD * P) {
#pragma GCC unroll 4
        for (int i = 0; i < P; i++) {
            int8x16_t value = vld1q_s8(x + i * pitch + k);
            vst1q_s8(to + SPREAD * i, spread_lane(value, 0));
            vst1q_s8(to + SPREAD * (i + P), spread_lane(value, 1));
            vst1q_s8(to + SPREAD * (i + 2 * P), spread_lane(value, 2));
            vst1q_s8(to + SPREAD * (i + 3 * P), spread_lane(value, 3));
        }
    }
    uint32_t rest = lnt_gemm_steps(depth % 16);
    if (rest == 0) {
        return;
    }
    for (int i = 0; i < P; i++) {
        int8x16_t value =
            depth >= 16 ? vld1q_s8(x + (size_t)i * pitch + depth - 16) : lnt_load_short(x + (size_t)i * pitch, depth);
        int8_t *end = to + SPREAD * (i + P * (int)(rest - 1));
        vst1q_s8(end, spread_lane(value, 3));
        if (rest > 1) {
            vst1q_s8(end - SPREAD * P, spread_lane(value, 2));
        }
        if (rest > 2) {
            vst1q_s8(end - 2 * SPREAD * P, spread_lane(value, 1));
        }
        if (rest > 3) {
            vst1q_s8(end - 3 * SPREAD * P, spread_lane(value, 0));
        }
    }
}

static void spread_block(const lnt_gemm *g, const int8_t *x, uint32_t pixels, int8_t *to) {
    size_t bytes = (size_t)SPREAD * lnt_gemm_steps(g->depth);
    for (; pixels >= TILE; pixels -= TILE, x += TILE * g->x_pitch, to += TILE * bytes) {
        spread_pixels(x, g->x_pitch, g->depth, to, TILE);
    }
    if (TILE > 2 && pixels >= 2) {
        spread_pixels(x, g->x_pitch, g->depth, to, 2);
        x += 2 * g->x_pitch;
        to += 2 * bytes;
        pixels -= 2;
    }
    if (pixels != 0) {
        spread_pixels(x, g->x_pitch, g->depth, to, 1);
    }
}

static void run_block(const lnt_gemm *g, const int8_t *spread, int8_t *out, const int8_t *in2, uint32_t pixels) {
    bool small = is_small(g);
    for (uint32_t c = g->c; c < g->c + g->cn; c += LNT_GEMM_CHANNELS) {
        uint32_t left = g->c + g->cn - c;
        tile t = {.packed = lnt_gemm_tile(g->packed, LNT_GEMM_PAIRS, g->depth, c),
                  .spread = spread,
                  .out = out + c,
                  .in2 = in2 ? in2 + c : NULL,
                  .steps = lnt_gemm_steps(g->depth),
                  .own = left < LNT_GEMM_CHANNELS ? left : LNT_GEMM_CHANNELS};
        if (small) {
            run_tile(g, t, pixels);
        } else {
            run_tile_part(g, t, pixels);
        }
    }
}

void lnt_gemm_pairs(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels) {
    _Alignas(16) int8_t spread[BLOCK];
    uint32_t block = BLOCK / (SPREAD * lnt_gemm_steps(g->depth));
    block = !is_small(g) ? 1 : block > 4 ? block / 4 * 4 : block;
    while (pixels != 0) {
        uint32_t n = pixels < block ? pixels : block;
        spread_block(g, x, n, spread);
        run_block(g, spread, out, in2, n);
        x += n * g->x_pitch;
        out += n * g->out_pitch;
        in2 = in2 ? in2 + n * g->out_pitch : NULL;
        pixels -= n;
    }
}

#ifndef LNT_GEMM_INORDER

void lnt_gemm_pairs_int32(const lnt_gemm *g, const int8_t *x, int32_t *out) {
    _Alignas(16) int8_t spread[BLOCK];
    spread_pixels(x, 0, g->depth, spread, 1);
    uint32_t steps = lnt_gemm_steps(g->depth);
    for (uint32_t c = g->c; c < g->c + g->cn; c += LNT_GEMM_CHANNELS) {
        const uint8_t *packed = lnt_gemm_tile(g->packed, LNT_GEMM_PAIRS, g->depth, c);
        uint32_t left = g->c + g->cn - c;
        uint32_t own = left < LNT_GEMM_CHANNELS ? left : LNT_GEMM_CHANNELS;
        int32x4_t acc[1][4];
        if (own <= 8) {
            dots(acc, packed, spread, steps, 1, 2, false);
        } else if (is_small(g)) {
            dots(acc, packed, spread, steps, 1, 4, true);
        } else {
            dots(acc, packed, spread, steps, 1, 4, false);
        }
        lnt_gemm_finish_int32(acc[0], packed, &g->narrow, own, out + c);
    }
}

#endif

LNT_NEON_END

#endif

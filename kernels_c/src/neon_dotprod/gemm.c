/* The loops of ../neon/gemm.h with sdot by lane: tiles of six pixels by sixteen channels, for which six vectors of
 * pixels, two of weights and the sums take all thirty-two registers. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "../neon/gemm.h"
#include "../neon/gemm_finish.h"
#include "dotprod.h"

enum { BLOCK = 24576 };

LNT_DOTPROD_BEGIN

LNT_INLINE int32x4_t dot_lane(int32x4_t acc, int8x16_t w, int8x16_t x, int lane) {
    return lane == 0   ? vdotq_laneq_s32(acc, w, x, 0)
           : lane == 1 ? vdotq_laneq_s32(acc, w, x, 1)
           : lane == 2 ? vdotq_laneq_s32(acc, w, x, 2)
                       : vdotq_laneq_s32(acc, w, x, 3);
}

/* Four inputs of P pixels to V vectors of sums: lane `lane` of their vectors, or of the halves that are a pixel each.
 * Returns the next step's weights. */
LNT_INLINE const int8_t *step(int32x4_t acc[][4], const int8x16_t *x, const int8_t *w, int P, int V, int lane,
                              bool halves) {
#pragma GCC unroll 2
    for (int v = 0; v < V; v += 2) {
        int8x16_t w0 = vld1q_s8(w + 16 * v);
        int8x16_t w1 = vld1q_s8(w + 16 * v + 16);
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            acc[i][v] =
                halves ? dot_lane(acc[i][v], w0, x[i / 2], 2 * (i % 2) + lane) : dot_lane(acc[i][v], w0, x[i], lane);
        }
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            acc[i][v + 1] = halves ? dot_lane(acc[i][v + 1], w1, x[i / 2], 2 * (i % 2) + lane)
                                   : dot_lane(acc[i][v + 1], w1, x[i], lane);
        }
    }
    return w + 16 * V;
}

/* All of pixels of eight inputs that lie without gaps. */
LNT_INLINE void step_eight(int32x4_t acc[][4], const int8_t *x, const int8_t *w, int P, int V) {
    int8x16_t values[3];
    if (P == 1) {
        values[0] = vcombine_s8(vld1_s8(x), vdup_n_s8(0));
    }
#pragma GCC unroll 3
    for (int i = 0; i < P / 2; i++) {
        values[i] = vld1q_s8(x + 16 * i);
    }
    w = step(acc, values, w, P, V, 0, true);
    step(acc, values, w, P, V, 1, true);
}

/* Sums of P pixels and V vectors of channels of the tile at `packed`. eight: as step_eight() wants them. */
LNT_INLINE void dots(int32x4_t acc[][4], const uint8_t *packed, const int8_t *x, const size_t *to, uint32_t depth,
                     int P, int V, bool eight) {
    const int32_t *bias = (const int32_t *)(const void *)packed;
    const int8_t *w = (const int8_t *)packed + 32 * V;
#pragma GCC unroll 6
    for (int i = 0; i < P; i++) {
        LNT_HIDE(bias);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            acc[i][v] = v < V ? vld1q_s32(bias + 4 * v) : vdupq_n_s32(0);
        }
    }
    if (eight) {
        step_eight(acc, x, w, P, V);
        return;
    }
    int8x16_t values[6];
    const int8_t *at = x;
    for (uint32_t n = depth / 16; n != 0; n--, at += 16) {
        __asm__ volatile("" : "+r"(at), "+r"(w)); /* or all addresses are computed anew */
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            values[i] = vld1q_s8(at + to[i]);
        }
        w = step(acc, values, w, P, V, 0, false);
        w = step(acc, values, w, P, V, 1, false);
        w = step(acc, values, w, P, V, 2, false);
        w = step(acc, values, w, P, V, 3, false);
    }
    uint32_t rest = depth % 16;
    if (rest != 0) {
        const int8_t *last = depth >= 16 ? x + depth - 16 : x;
        LNT_HIDE(last);
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            values[i] = depth >= 16 ? vld1q_s8(last + to[i]) : lnt_load_short(x + to[i], depth);
        }
        if (rest > 12) {
            w = step(acc, values, w, P, V, 0, false);
        }
        if (rest > 8) {
            w = step(acc, values, w, P, V, 1, false);
        }
        if (rest > 4) {
            w = step(acc, values, w, P, V, 2, false);
        }
        step(acc, values, w, P, V, 3, false);
    }
}

/* One tile of channels, and the pixels from here on. */
typedef struct tile {
    const uint8_t *packed;
    const int8_t *x;
    int8_t *out;
    const int8_t *in2;
    uint32_t own;
    size_t to[6]; /* the pixels of a tile from the first */
} tile;

LNT_INLINE void find_pixels(tile *t, size_t pitch) {
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        t->to[i] = (size_t)i * pitch;
        __asm__("" : "+r"(t->to[i])); /* or each is computed where it is used */
    }
}

LNT_INLINE void run_pixels(const lnt_gemm *g, tile *t, int P, int V, uint32_t own, uint32_t mode, bool eight) {
    int32x4_t acc[6][4];
    dots(acc, t->packed, t->x, t->to, g->depth, P, V, eight);
    lnt_gemm_finish((const int32x4_t(*)[4])acc, t->packed, &g->narrow, t->out, t->in2, g->out_pitch, own, P, V, mode);
    t->x += (size_t)P * g->x_pitch;
    t->out += (size_t)P * g->out_pitch;
    if (mode == LNT_NARROW_SHORTCUT) {
        t->in2 += (size_t)P * g->out_pitch;
    }
}

/* g is copied: the compiler cannot know that no output lies over it. */
LNT_INLINE void run_tile16(const lnt_gemm *from, tile t, uint32_t pixels, uint32_t mode, bool eight) {
    lnt_gemm g = *from;
    find_pixels(&t, g.x_pitch);
    for (; pixels >= 6; pixels -= 6) {
        run_pixels(&g, &t, 6, 4, 16, mode, eight);
    }
    if (pixels & 4) {
        run_pixels(&g, &t, 4, 4, 16, mode, eight);
    }
    if (pixels & 2) {
        run_pixels(&g, &t, 2, 4, 16, mode, eight);
    }
    if (pixels & 1) {
        run_pixels(&g, &t, 1, 4, 16, mode, eight);
    }
}

LNT_INLINE void run_tile8(const lnt_gemm *from, tile t, uint32_t pixels, uint32_t own, uint32_t mode) {
    lnt_gemm g = *from;
    find_pixels(&t, g.x_pitch);
    for (; pixels >= 6; pixels -= 6) {
        run_pixels(&g, &t, 6, 2, own, mode, false);
    }
    for (; pixels != 0; pixels--) {
        run_pixels(&g, &t, 1, 2, own, mode, false);
    }
}

/* Any number of channels, pixel by pixel. */
static void run_tile_part(const lnt_gemm *g, tile t, uint32_t pixels) {
    t.to[0] = 0;
    for (; pixels != 0; pixels--) {
        if (t.own <= 8) {
            run_pixels(g, &t, 1, 2, t.own, g->narrow.mode, false);
        } else {
            run_pixels(g, &t, 1, 4, t.own, g->narrow.mode, false);
        }
    }
}

static void run_tile(const lnt_gemm *g, tile t, uint32_t pixels) {
    uint32_t mode = g->narrow.mode;
    if (t.own == 16 && mode == LNT_NARROW_RELU6 && g->depth == 8 && g->x_pitch == 8) {
        run_tile16(g, t, pixels, LNT_NARROW_RELU6, true);
    } else if (t.own == 16 && mode == LNT_NARROW_RELU6) {
        run_tile16(g, t, pixels, LNT_NARROW_RELU6, false);
    } else if (t.own == 16 && mode == LNT_NARROW_LINEAR) {
        run_tile16(g, t, pixels, LNT_NARROW_LINEAR, false);
    } else if (t.own == 16 && mode == LNT_NARROW_SHORTCUT) {
        run_tile16(g, t, pixels, LNT_NARROW_SHORTCUT, false);
    } else if (t.own == 16) {
        run_tile16(g, t, pixels, LNT_NARROW_ANY, false);
    } else if (t.own == 8 && mode == LNT_NARROW_LINEAR) {
        run_tile8(g, t, pixels, 8, LNT_NARROW_LINEAR);
    } else if (t.own == 8 && mode == LNT_NARROW_SHORTCUT) {
        run_tile8(g, t, pixels, 8, LNT_NARROW_SHORTCUT);
    } else {
        run_tile_part(g, t, pixels);
    }
}

static void run_block(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels) {
    for (uint32_t c = g->c; c < g->c + g->cn; c += LNT_GEMM_CHANNELS) {
        uint32_t left = g->c + g->cn - c;
        tile t = {.packed = lnt_gemm_tile(g->packed, LNT_GEMM_FOURS, g->depth, c),
                  .x = x,
                  .out = out + c,
                  .in2 = in2 ? in2 + c : NULL,
                  .own = left < LNT_GEMM_CHANNELS ? left : LNT_GEMM_CHANNELS};
        run_tile(g, t, pixels);
    }
}

void lnt_gemm_dotprod(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels) {
    uint32_t block = lnt_gemm_block(BLOCK, g->x_pitch, 6);
    while (pixels != 0) {
        uint32_t n = pixels < block ? pixels : block;
        run_block(g, x, out, in2, n);
        x += n * g->x_pitch;
        out += n * g->out_pitch;
        in2 = in2 ? in2 + n * g->out_pitch : NULL;
        pixels -= n;
    }
}

void lnt_gemm_dotprod_int32(const lnt_gemm *g, const int8_t *x, int32_t *out) {
    size_t tile_bytes = lnt_gemm_tile_bytes(LNT_GEMM_FOURS, g->depth, 4);
    const uint8_t *packed = lnt_gemm_tile(g->packed, LNT_GEMM_FOURS, g->depth, g->c);
    const size_t to[1] = {0};
    for (uint32_t c = 0; c < g->cn; c += LNT_GEMM_CHANNELS, packed += tile_bytes) {
        uint32_t own = g->cn - c < LNT_GEMM_CHANNELS ? g->cn - c : LNT_GEMM_CHANNELS;
        int32x4_t acc[1][4] = {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
        if (own <= 8) {
            dots(acc, packed, x, to, g->depth, 1, 2, false);
        } else {
            dots(acc, packed, x, to, g->depth, 1, 4, false);
        }
        lnt_gemm_finish_int32(acc[0], packed, &g->narrow, own, out + g->c + c);
    }
}

LNT_DOTPROD_END

#endif

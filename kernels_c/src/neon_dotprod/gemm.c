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

/* Four inputs of P pixels to V vectors of sums; returns the next step's weights. */
LNT_INLINE const int8_t *step(int32x4_t acc[][4], const int8x16_t *x, const int8_t *w, int P, int V, int lane) {
#pragma GCC unroll 2
    for (int v = 0; v < V; v += 2) {
        int8x16_t w0 = vld1q_s8(w + 16 * v);
        int8x16_t w1 = vld1q_s8(w + 16 * v + 16);
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            acc[i][v] = dot_lane(acc[i][v], w0, x[i], lane);
        }
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            acc[i][v + 1] = dot_lane(acc[i][v + 1], w1, x[i], lane);
        }
    }
    return w + 16 * V;
}

/* The last sixteen bytes of a pixel, with zeros before them where it has fewer. */
LNT_INLINE int8x16_t load_end(const int8_t *x, uint32_t depth) {
    if (depth >= 16) {
        return vld1q_s8(x + depth - 16);
    }
    if (depth == 8) {
        return vcombine_s8(vdup_n_s8(0), vld1_s8(x));
    }
    int8_t bytes[16] = {0};
    memcpy(bytes + 16 - depth, x, depth);
    return vld1q_s8(bytes);
}

/* Sums of P pixels and V vectors of channels of the tile at `packed`. */
LNT_INLINE void dots(int32x4_t acc[][4], const uint8_t *packed, const int8_t *x, size_t pitch, uint32_t depth, int P,
                     int V) {
    const int32_t *bias = (const int32_t *)(const void *)packed;
    const int8_t *w = (const int8_t *)packed + 32 * V;
#pragma GCC unroll 6
    for (int i = 0; i < P; i++) {
        const int32_t *from = lnt_again(bias);
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            acc[i][v] = vld1q_s32(from + 4 * v);
        }
    }
    int8x16_t values[6];
    for (uint32_t k = 0; k + 16 <= depth; k += 16) {
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            values[i] = vld1q_s8(x + i * pitch + k);
        }
        w = step(acc, values, w, P, V, 0);
        w = step(acc, values, w, P, V, 1);
        w = step(acc, values, w, P, V, 2);
        w = step(acc, values, w, P, V, 3);
    }
    uint32_t rest = lnt_gemm_steps(depth % 16);
    if (rest != 0) {
#pragma GCC unroll 6
        for (int i = 0; i < P; i++) {
            values[i] = load_end(x + i * pitch, depth);
        }
        if (rest > 3) {
            w = step(acc, values, w, P, V, 0);
        }
        if (rest > 2) {
            w = step(acc, values, w, P, V, 1);
        }
        if (rest > 1) {
            w = step(acc, values, w, P, V, 2);
        }
        step(acc, values, w, P, V, 3);
    }
}

/* One tile of channels, all pixels. */
typedef struct tile {
    const uint8_t *packed;
    const int8_t *x;
    int8_t *out;
    const int8_t *in2;
    uint32_t own;
} tile;

LNT_INLINE void run_pixels(const lnt_gemm *g, tile *t, int P, int V, uint32_t own) {
    int32x4_t acc[6][4];
    for (int i = 0; i < P; i++) {
        for (int v = V; v < 4; v++) {
            acc[i][v] = vdupq_n_s32(0);
        }
    }
    dots(acc, t->packed, t->x, g->x_pitch, g->depth, P, V);
    lnt_gemm_finish((const int32x4_t(*)[4])acc, t->packed, &g->narrow, t->out, t->in2, g->out_pitch, own, P, V);
    t->x += P * g->x_pitch;
    t->out += P * g->out_pitch;
    if (t->in2) {
        t->in2 += P * g->out_pitch;
    }
}

static void run_tile16(const lnt_gemm *g, tile t, uint32_t pixels) {
    for (; pixels >= 6; pixels -= 6) {
        run_pixels(g, &t, 6, 4, 16);
    }
    if (pixels & 4) {
        run_pixels(g, &t, 4, 4, 16);
    }
    if (pixels & 2) {
        run_pixels(g, &t, 2, 4, 16);
    }
    if (pixels & 1) {
        run_pixels(g, &t, 1, 4, 16);
    }
}

static void run_tile8(const lnt_gemm *g, tile t, uint32_t pixels) {
    for (; pixels >= 4; pixels -= 4) {
        run_pixels(g, &t, 4, 2, t.own);
    }
    for (; pixels != 0; pixels--) {
        run_pixels(g, &t, 1, 2, t.own);
    }
}

/* The last of the channels, more than eight and not sixteen. */
static void run_tile_part(const lnt_gemm *g, tile t, uint32_t pixels) {
    for (; pixels != 0; pixels--) {
        run_pixels(g, &t, 1, 4, t.own);
    }
}

static void run_block(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels) {
    size_t tile_bytes = lnt_gemm_tile_bytes(g->depth, 4);
    const uint8_t *packed = lnt_gemm_tile(g->packed, g->depth, g->c);
    for (uint32_t c = 0; c < g->cn; c += LNT_GEMM_CHANNELS, packed += tile_bytes) {
        uint32_t own = g->cn - c < LNT_GEMM_CHANNELS ? g->cn - c : LNT_GEMM_CHANNELS;
        uint32_t first = g->c + c;
        tile t = {.packed = packed, .x = x, .out = out + first, .in2 = in2 ? in2 + first : NULL, .own = own};
        if (own == 16) {
            run_tile16(g, t, pixels);
        } else if (own <= 8) {
            run_tile8(g, t, pixels);
        } else {
            run_tile_part(g, t, pixels);
        }
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
    size_t tile_bytes = lnt_gemm_tile_bytes(g->depth, 4);
    const uint8_t *packed = lnt_gemm_tile(g->packed, g->depth, g->c);
    for (uint32_t c = 0; c < g->cn; c += LNT_GEMM_CHANNELS, packed += tile_bytes) {
        uint32_t own = g->cn - c < LNT_GEMM_CHANNELS ? g->cn - c : LNT_GEMM_CHANNELS;
        int32x4_t acc[1][4] = {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
        if (own <= 8) {
            dots(acc, packed, x, 0, g->depth, 1, 2);
        } else {
            dots(acc, packed, x, 0, g->depth, 1, 4);
        }
        lnt_gemm_finish_int32(acc[0], packed, &g->narrow, own, out + g->c + c);
    }
}

LNT_DOTPROD_END

#endif

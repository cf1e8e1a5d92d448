/* The loops of gemm.h: tiles of six pixels by sixteen channels, for which six vectors of pixels, two of weights and the
 * sums take all thirty-two registers. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "gemm.h"

LNT_DOTPROD_BEGIN

/* A new pointer to the same place, of which the compiler does not know that: sums start by loading biases, which takes
 * half as many instructions as copying registers. */
LNT_INLINE const int32_t *again(const int32_t *bias) {
    __asm__("" : "+r"(bias));
    return bias;
}

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
        const int32_t *from = again(bias);
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

/* own: how many of the tile's channels there are. */
LNT_INLINE void store_pixels(const int32x4_t acc[][4], const int32x4_t *multiplier, const lnt_narrow *n, int8_t *out,
                             const int8_t *in2, size_t pitch, uint32_t own, int P, uint32_t mode) {
#pragma GCC unroll 6
    for (int i = 0; i < P; i++) {
        int8x16_t shortcut = vdupq_n_s8(0);
        if (mode == LNT_NARROW_SHORTCUT) {
            shortcut = own == 16 ? vld1q_s8(in2 + i * pitch) : lnt_load_part(in2 + i * pitch, own);
        }
        int8x16_t y = lnt_requantize16(acc[i], multiplier, shortcut, n, mode);
        if (own == 16) {
            vst1q_s8(out + i * pitch, y);
        } else {
            lnt_store_part(out + i * pitch, y, own);
        }
    }
}

LNT_INLINE void finish(const int32x4_t acc[][4], const uint8_t *packed, const lnt_narrow *n, int8_t *out,
                       const int8_t *in2, size_t pitch, uint32_t own, int P, int V) {
    const int32_t *from = (const int32_t *)(const void *)packed + 4 * V;
    int32x4_t multiplier[4];
    for (int v = 0; v < 4; v++) {
        multiplier[v] = v < V ? vld1q_s32(from + 4 * v) : vdupq_n_s32(0);
    }
    switch (n->mode) {
    case LNT_NARROW_RELU6:
        store_pixels(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_RELU6);
        break;
    case LNT_NARROW_LINEAR:
        store_pixels(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_LINEAR);
        break;
    case LNT_NARROW_SHORTCUT:
        store_pixels(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_SHORTCUT);
        break;
    default:
        store_pixels(acc, multiplier, n, out, in2, pitch, own, P, LNT_NARROW_ANY);
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
    finish((const int32x4_t(*)[4])acc, t->packed, &g->narrow, t->out, t->in2, g->out_pitch, own, P, V);
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

/* Pixels that stay in the first-level cache, a third of which they take, while the weights pass by. */
static uint32_t block_pixels(const lnt_gemm *g) {
    uint32_t pixels = 16384 / (uint32_t)g->x_pitch / LNT_GEMM_PIXELS * LNT_GEMM_PIXELS;
    return pixels < 4 * LNT_GEMM_PIXELS ? 4 * LNT_GEMM_PIXELS : pixels;
}

static void run_block(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels) {
    size_t tile_bytes = lnt_gemm_tile_bytes(g->depth, 4);
    const uint8_t *packed = g->packed + LNT_GEMM_HEADER + g->c / LNT_GEMM_CHANNELS * tile_bytes;
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

void lnt_gemm_run(const lnt_gemm *g, const int8_t *x, int8_t *out, const int8_t *in2, uint32_t pixels) {
    uint32_t block = block_pixels(g);
    while (pixels != 0) {
        uint32_t n = pixels < block ? pixels : block;
        run_block(g, x, out, in2, n);
        x += n * g->x_pitch;
        out += n * g->out_pitch;
        in2 = in2 ? in2 + n * g->out_pitch : NULL;
        pixels -= n;
    }
}

void lnt_gemm_run_int32(const lnt_gemm *g, const int8_t *x, int32_t *out) {
    size_t tile_bytes = lnt_gemm_tile_bytes(g->depth, 4);
    const uint8_t *packed = g->packed + LNT_GEMM_HEADER + g->c / LNT_GEMM_CHANNELS * tile_bytes;
    for (uint32_t c = 0; c < g->cn; c += LNT_GEMM_CHANNELS, packed += tile_bytes) {
        uint32_t own = g->cn - c < LNT_GEMM_CHANNELS ? g->cn - c : LNT_GEMM_CHANNELS;
        int32x4_t acc[1][4] = {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
        int vectors = own <= 8 ? 2 : 4;
        if (vectors == 2) {
            dots(acc, packed, x, 0, g->depth, 1, 2);
        } else {
            dots(acc, packed, x, 0, g->depth, 1, 4);
        }
        const int32_t *multiplier = (const int32_t *)(const void *)packed + (size_t)4 * vectors;
        int32_t logits[16];
        for (int v = 0; v < vectors; v++) {
            int32x4_t y = lnt_mulr4(vshlq_s32(acc[0][v], g->narrow.shift), vld1q_s32(multiplier + (size_t)4 * v));
            vst1q_s32(logits + (size_t)4 * v, y);
        }
        memcpy(out + g->c + c, logits, own * sizeof *out);
    }
}

LNT_DOTPROD_END

#endif

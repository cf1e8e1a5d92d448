/* Tiles of up to 8 pixels x 48 output channels: 24 of the 32 registers are sums, 3 hold weights, one a pixel's unit. */
#include "block.h"

#ifdef LNT_X86
#include <string.h>

#include "requantize_avx512.h"

enum { LANES = 16, TILE_PIXELS = 8, TILE_VECTORS = 3, SUMS = TILE_VECTORS * LANES };

/* Rows of a stem's windows: a short register seldom lies across two lines of the cache, a long one nearly always. */
LNT_INLINE LNT_AVX512 void copy_short(uint8_t *to, size_t to_step, const int8_t *from, size_t from_step, size_t bytes,
                                      uint32_t count) {
    __m128i sign = _mm_set1_epi8(-128);
    __mmask16 mask = (__mmask16)lnt_first512(bytes);
    for (; count != 0; count--, to += to_step, from += from_step) {
        _mm_mask_storeu_epi8(to, mask, _mm_xor_si128(_mm_maskz_loadu_epi8(mask, from), sign));
    }
}

/* to = from + 128. */
LNT_AVX512 static void copy(uint8_t *to, size_t to_step, const int8_t *from, size_t from_step, size_t bytes,
                            uint32_t count) {
    if (bytes <= 16) {
        copy_short(to, to_step, from, from_step, bytes, count);
        return;
    }
    __m512i sign = _mm512_set1_epi8(-128);
    size_t whole = bytes / 64 * 64;
    __mmask64 mask = lnt_first512(bytes % 64);
    for (; count != 0; count--, to += to_step, from += from_step) {
        for (size_t i = 0; i < whole; i += 64) {
            _mm512_storeu_si512(to + i, _mm512_xor_si512(_mm512_loadu_si512(from + i), sign));
        }
        if (mask != 0) {
            __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + whole), sign);
            _mm512_mask_storeu_epi8(to + whole, mask, x);
        }
    }
}

/* Up to 48 channels of a block. */
typedef struct job {
    const lnt_op *op;
    const uint8_t *panel;
    size_t panel_bytes;
    uint32_t units;
    uint32_t next; /* panels that follow those of this job */
    uint32_t c;
    __mmask64 mask; /* channels that there are */
    lnt_law512 law;
} job;

/* Where a tile's results go. */
typedef struct target {
    int8_t *const *out;
    const int8_t *const *in2; /* or NULL */
    uint32_t pixels;
} target;

LNT_INLINE LNT_AVX512 __m512i load(const void *from) { return _mm512_loadu_si512(from); }

LNT_INLINE LNT_AVX512 const uint8_t *panel(const job *j, int v) { return j->panel + (size_t)v * j->panel_bytes; }

/* Sums of one tile: sums[pixel][channel]. On the way the panel that lies `ahead` bytes behind this one is brought from
 * the third-level cache to the second: a network's weights together are larger than that, and the processor's own
 * prefetching begins anew on every page. */
LNT_INLINE LNT_AVX512 void multiply(const job *j, const uint8_t *x, int pixels, int vectors, size_t ahead,
                                    int32_t (*sums)[SUMS]) {
    __m512i acc[TILE_PIXELS][TILE_VECTORS];
    LNT_UNROLL
    for (int v = 0; v < vectors; v++) {
        __m512i bias = load(panel(j, v));
        LNT_UNROLL
        for (int i = 0; i < pixels; i++) {
            acc[i][v] = bias;
        }
    }
    size_t stride = (size_t)j->units * 4, panel_bytes = j->panel_bytes;
    const uint8_t *w = j->panel + 3 * 64;
    for (const uint8_t *end = x + stride; x < end; x += 4, w += 64) {
        __m512i weights[TILE_VECTORS];
        _mm_prefetch((const char *)(w + ahead), _MM_HINT_T1);
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            weights[v] = load(w + (size_t)v * panel_bytes);
            if (pixels == 1) { /* there may be no other tile that could fetch the others */
                _mm_prefetch((const char *)(w + ahead + (size_t)v * panel_bytes), _MM_HINT_T1);
            }
        }
        LNT_UNROLL
        for (int i = 0; i < pixels; i++) {
            int32_t unit;
            memcpy(&unit, x + (size_t)i * stride, sizeof unit);
            __m512i pixel = _mm512_set1_epi32(unit);
            LNT_UNROLL
            for (int v = 0; v < vectors; v++) {
                acc[i][v] = _mm512_dpbusd_epi32(acc[i][v], pixel, weights[v]);
            }
        }
    }
    LNT_UNROLL
    for (int i = 0; i < pixels; i++) {
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            _mm512_store_si512(sums[i] + v * LANES, acc[i][v]);
        }
    }
}

/* Pixels whose outputs fill one vector of bytes together. */
LNT_INLINE int in_group(int vectors) { return vectors == 1 ? 4 : vectors == 2 ? 2 : 1; }

/* Which sums of a group are quarter q of that vector. Behind the tile's last pixel it comes again. */
LNT_INLINE uint32_t pixel_of(uint32_t first, uint32_t pixels, int q, int vectors) {
    uint32_t pixel = first + (vectors == 3 ? 0 : (uint32_t)(q / vectors));
    return pixel < pixels ? pixel : pixels - 1;
}

LNT_INLINE int vector_of(int q, int vectors) { return vectors == 3 && q == 3 ? 2 : q % vectors; }

LNT_INLINE LNT_AVX512 void store_group(const job *j, target to, uint32_t i, int vectors, __m512i y) {
    if (vectors == 3) {
        _mm512_mask_storeu_epi8(to.out[i] + j->c, j->mask, y);
    } else if (vectors == 2) {
        _mm256_mask_storeu_epi8(to.out[i] + j->c, (__mmask32)j->mask, _mm512_castsi512_si256(y));
        if (i + 1 < to.pixels) {
            _mm256_mask_storeu_epi8(to.out[i + 1] + j->c, (__mmask32)j->mask, _mm512_extracti64x4_epi64(y, 1));
        }
    } else {
        __mmask16 mask = (__mmask16)j->mask;
        _mm_mask_storeu_epi8(to.out[i] + j->c, mask, _mm512_castsi512_si128(y));
        if (i + 1 < to.pixels) {
            _mm_mask_storeu_epi8(to.out[i + 1] + j->c, mask, _mm512_extracti32x4_epi32(y, 1));
        }
        if (i + 2 < to.pixels) {
            _mm_mask_storeu_epi8(to.out[i + 2] + j->c, mask, _mm512_extracti32x4_epi32(y, 2));
        }
        if (i + 3 < to.pixels) {
            _mm_mask_storeu_epi8(to.out[i + 3] + j->c, mask, _mm512_extracti32x4_epi32(y, 3));
        }
    }
}

LNT_INLINE LNT_AVX512 void finish_plain(const job *j, target to, int32_t (*sums)[SUMS], int vectors, bool by_four) {
    __m512i m[TILE_VECTORS], odd[TILE_VECTORS];
    LNT_UNROLL
    for (int v = 0; v < vectors; v++) {
        m[v] = load(panel(j, v) + 64);
        odd[v] = load(panel(j, v) + 128);
    }
    for (uint32_t i = 0; i < to.pixels; i += (uint32_t)in_group(vectors)) {
        __m512i t[4];
        LNT_UNROLL
        for (int q = 0; q < 4; q++) {
            int v = vector_of(q, vectors);
            t[q] = lnt_scale512(&j->law, by_four, load(sums[pixel_of(i, to.pixels, q, vectors)] + v * LANES), m[v],
                                odd[v]);
        }
        __m512i y = lnt_narrow512(&j->law, by_four, t[0], t[1], t[2], t[3]);
        store_group(j, to, i, vectors, lnt_in_order512(y));
    }
}

/* The branch has six fractional bits; it and the shortcut are rounded once. */
LNT_INLINE LNT_AVX512 __m512i add_shortcut(const job *j, __m512i acc, const int8_t *shortcut, int v) {
    __m512i factors = _mm512_set1_epi32((int32_t)(256u | (uint32_t)j->op->factor << 16));
    __m512i branch = lnt_mulr512(&j->law, acc, load(panel(j, v) + 64), load(panel(j, v) + 128));
    branch = _mm512_min_epi32(branch, _mm512_set1_epi32(INT16_MAX));
    branch = _mm512_max_epi32(branch, _mm512_set1_epi32(INT16_MIN));
    __mmask16 mask = (__mmask16)(j->mask >> LANES * v);
    __m512i x = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, shortcut + v * LANES));
    __m512i pairs = _mm512_mask_blend_epi16(0xAAAAAAAA, branch, _mm512_slli_epi32(x, 16));
    return _mm512_srai_epi32(_mm512_dpwssd_epi32(_mm512_set1_epi32(j->op->offset), pairs, factors), 14);
}

LNT_INLINE LNT_AVX512 void finish_residual(const job *j, target to, int32_t (*sums)[SUMS], int vectors) {
    for (uint32_t i = 0; i < to.pixels; i += (uint32_t)in_group(vectors)) {
        __m512i y[4];
        LNT_UNROLL
        for (int q = 0; q < 4; q++) {
            int v = vector_of(q, vectors);
            uint32_t pixel = pixel_of(i, to.pixels, q, vectors);
            y[q] = add_shortcut(j, load(sums[pixel] + v * LANES), to.in2[pixel] + j->c, v);
        }
        __m512i bytes = lnt_clamp512(&j->law, _mm512_packs_epi32(y[0], y[1]), _mm512_packs_epi32(y[2], y[3]));
        store_group(j, to, i, vectors, lnt_in_order512(bytes));
    }
}

/* Logits. */
LNT_INLINE LNT_AVX512 void finish_wide(const job *j, target to, int32_t (*sums)[SUMS], int vectors) {
    for (uint32_t i = 0; i < to.pixels; i++) {
        int32_t *out = (int32_t *)(void *)to.out[i] + j->c;
        LNT_UNROLL
        for (int v = 0; v < vectors; v++) {
            __m512i acc = load(sums[i] + v * LANES);
            __m512i y = lnt_mulr512(&j->law, acc, load(panel(j, v) + 64), load(panel(j, v) + 128));
            _mm512_mask_storeu_epi32(out + v * LANES, (__mmask16)(j->mask >> 16 * v), y);
        }
    }
}

LNT_INLINE LNT_AVX512 void finish(const job *j, target to, int32_t (*sums)[SUMS], int vectors) {
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
LNT_INLINE LNT_AVX512 void multiply_block(const job *j, const lnt_block *block, int vectors) {
    _Alignas(64) int32_t sums[TILE_PIXELS][SUMS];
    for (uint32_t i = 0, tile = 0, left; (left = block->count - i) != 0; tile++) {
        size_t ahead = tile < j->next ? (tile + (uint32_t)vectors) * j->panel_bytes : 0;
        const uint8_t *x = block->x + (size_t)i * block->depth;
        target to = {.out = block->out + i, .in2 = block->in2[0] ? block->in2 + i : NULL};
        if (left >= 8 && block->tile == 8) {
            multiply(j, x, 8, vectors, ahead, sums);
            to.pixels = 8;
        } else if (left >= 7) {
            multiply(j, x, 7, vectors, ahead, sums);
            to.pixels = 7;
        } else if (left >= 4) {
            multiply(j, x, 4, vectors, ahead, sums);
            to.pixels = 4;
        } else if (left >= 2) {
            multiply(j, x, 2, vectors, ahead, sums);
            to.pixels = 2;
        } else {
            multiply(j, x, 1, vectors, ahead, sums);
            to.pixels = 1;
        }
        finish(j, to, sums, vectors);
        i += to.pixels;
    }
}

LNT_AVX512 static void multiply_1(const job *j, const lnt_block *block) { multiply_block(j, block, 1); }
LNT_AVX512 static void multiply_2(const job *j, const lnt_block *block) { multiply_block(j, block, 2); }
LNT_AVX512 static void multiply_3(const job *j, const lnt_block *block) { multiply_block(j, block, 3); }

LNT_AVX512 static void multiply_channels(const lnt_params *p, const lnt_block *block, uint32_t c, uint32_t cn) {
    job j = {.op = p->op, .units = block->depth / 4, .law = lnt_make_law512(p)};
    j.panel_bytes = lnt_panel_bytes(j.units, LANES);
    for (uint32_t end = c + cn; c < end;) {
        uint32_t panels = (end - c + LANES - 1) / LANES, vectors = panels;
        /* Two and two rather than three and one: two loads of weights serve more products than one. */
        vectors = vectors == 4 ? 2 : vectors < TILE_VECTORS ? vectors : TILE_VECTORS;
        uint32_t channels = vectors * LANES;
        j.panel = p->packed + LNT_SCALING_BYTES + c / LANES * j.panel_bytes;
        j.next = panels - vectors < TILE_VECTORS ? panels - vectors : TILE_VECTORS;
        j.c = c;
        j.mask = lnt_first512(end - c < channels ? end - c : channels);
        (vectors == 1 ? multiply_1 : vectors == 2 ? multiply_2 : multiply_3)(&j, block);
        c += channels;
    }
}

const lnt_isa lnt_avx512vnni = {.panels = {.lanes = LANES, .unit = 4},
                                .tile = TILE_PIXELS,
                                .element = 1,
                                .copy = copy,
                                .multiply = multiply_channels};
#endif

/* Weights, biases and multipliers for matrix products of pixels (rows of int8) and weights.
 *
 * Packed: a head, then for each tile of sixteen output channels (the last: eight, if that is enough) their biases,
 * multipliers, and weights in steps of four inputs. Inputs beyond a multiple of sixteen are read together with those
 * before them, as the last sixteen of the pixel, and what has been counted before has zero weights: so nothing is read
 * beyond a pixel. */
#ifndef LNT_NEON_GEMM_PACK_H
#define LNT_NEON_GEMM_PACK_H

#include "../internal.h"

enum { LNT_GEMM_CHANNELS = 16 };

/* Where input i of a step and channel c of a tile lie. */
typedef enum lnt_gemm_order {
    LNT_GEMM_FOURS, /* [channel][4 inputs] */
    LNT_GEMM_PAIRS  /* [4 channels][2 pairs][channel][2 inputs] */
} lnt_gemm_order;

typedef struct lnt_gemm_head {
    uint32_t fits;      /* no lnt_mulr() of any input leaves 16 bits */
    uint32_t pairs_fit; /* no sum of two products does: there is no weight of -128 */
    uint32_t reserved[14];
} lnt_gemm_head;

static inline uint32_t lnt_gemm_steps(uint32_t depth) { return (depth + 3) / 4; }

/* Bytes of one tile of `vectors` times four channels. */
static inline size_t lnt_gemm_tile_bytes(uint32_t depth, uint32_t vectors) {
    return (size_t)vectors * (32 + 16 * (size_t)lnt_gemm_steps(depth));
}

/* The tile of channel c. */
static inline const uint8_t *lnt_gemm_tile(const uint8_t *packed, uint32_t depth, uint32_t c) {
    return packed + sizeof(lnt_gemm_head) + c / LNT_GEMM_CHANNELS * lnt_gemm_tile_bytes(depth, 4);
}

static inline const lnt_gemm_head *lnt_gemm_head_of(const lnt_params *p) { return (const void *)p->packed; }

/* Of p's operator, whose weights are O,I, with depth inputs per output. */
uint64_t lnt_gemm_bytes(const lnt_params *p, uint32_t depth);
void lnt_gemm_pack(const lnt_params *p, uint32_t depth, lnt_gemm_order order, uint8_t *to);

#endif

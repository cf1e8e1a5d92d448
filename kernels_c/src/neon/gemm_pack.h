/* Weights, biases and multipliers for matrix products of pixels (rows of int8) and weights.
 *
 * Packed: a head, then for each tile of sixteen output channels (the last: eight, if that is enough) their biases,
 * multipliers, and weights in steps of four inputs. Inputs beyond a multiple of sixteen are read together with those
 * before them, as the last sixteen of the pixel, and what has been counted before has zero weights: so nothing is read
 * beyond a pixel.
 *
 * In pairs: ahead of the weights is the order in which a tile takes its steps, two by two. There are four runs, by the
 * channels of which the weights let the sum of four products of two steps stay in 16 bits: all, the lower eight, the
 * upper eight, none. Each run is its steps times LNT_GEMM_STEP_BYTES, ended by two negative numbers. What
 * is left of an odd number of steps comes last. */
#ifndef LNT_NEON_GEMM_PACK_H
#define LNT_NEON_GEMM_PACK_H

#include "../internal.h"

enum { LNT_GEMM_CHANNELS = 16, LNT_GEMM_PAIRS_DEPTH = 4096 /* inputs that can be in pairs */ };

/* Where input i of a step and channel c of a tile lie. */
typedef enum lnt_gemm_order {
    LNT_GEMM_FOURS, /* [channel][4 inputs] */
    LNT_GEMM_PAIRS  /* [8 channels][2 steps][4 channels][2 pairs][channel][2 inputs] */
} lnt_gemm_order;

enum { LNT_GEMM_RUNS = 4, LNT_GEMM_STEP_BYTES = 16 };

typedef struct lnt_gemm_head {
    uint32_t fits;      /* no lnt_mulr() of any input leaves 16 bits */
    uint32_t pairs_fit; /* no sum of two products does: there is no weight of -128 */
    uint32_t reserved[14];
} lnt_gemm_head;

static inline uint32_t lnt_gemm_steps(uint32_t depth) { return (depth + 3) / 4; }

/* Bytes of what says in which order steps are taken. */
static inline size_t lnt_gemm_order_bytes(uint32_t steps) {
    return (sizeof(int32_t) * (steps + 2 * (size_t)LNT_GEMM_RUNS) + 15) / 16 * 16;
}

/* Bytes of one tile of `vectors` times four channels. */
static inline size_t lnt_gemm_tile_bytes(lnt_gemm_order order, uint32_t depth, uint32_t vectors) {
    uint32_t steps = lnt_gemm_steps(depth);
    return (size_t)vectors * (32 + 16 * (size_t)steps) + (order == LNT_GEMM_PAIRS ? lnt_gemm_order_bytes(steps) : 0);
}

/* The tile of channel c. */
static inline const uint8_t *lnt_gemm_tile(const uint8_t *packed, lnt_gemm_order order, uint32_t depth, uint32_t c) {
    return packed + sizeof(lnt_gemm_head) + c / LNT_GEMM_CHANNELS * lnt_gemm_tile_bytes(order, depth, 4);
}

static inline const lnt_gemm_head *lnt_gemm_head_of(const lnt_params *p) { return (const void *)p->packed; }

/* Of p's operator, whose weights are O,I, with depth inputs per output. */
uint64_t lnt_gemm_bytes(const lnt_params *p, lnt_gemm_order order, uint32_t depth);
void lnt_gemm_pack(const lnt_params *p, lnt_gemm_order order, uint32_t depth, uint8_t *to);

#endif

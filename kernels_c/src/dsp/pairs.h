/* Matrix product of pixels and output channels, two channels at a time: what convolutions over all input channels have
 * in common. Depth is the number of taps: input channels, times the kernel's size.
 *
 * Packed weights: for each pair of channels, for each four taps, four bytes of either channel. Filled up with zeros.
 *
 * In scratch, all 16 bits wide, as multiplications of pairs want it:
 *   weights of one pair of channels: taps (0, 2) of either channel, then (1, 3), (4, 6), ...
 *   pixels in tiles of four: taps (0, 2) of each, then (1, 3), ...
 * That is the order in which SXTB16 takes bytes out of a word. */
#ifndef LNT_PAIRS_H
#define LNT_PAIRS_H

#include "dsp.h"

enum { LNT_TILE = 4 };

static inline uint32_t lnt_whole_words(uint32_t depth) { return (depth + 3) / 4 * 4; }

uint64_t lnt_pairs_bytes(const lnt_params *params, uint32_t depth);
void lnt_pack_pairs(const lnt_params *params, uint32_t depth, uint8_t *to);

/* Pixels of one block, a multiple of LNT_TILE, where a call computes so many. */
uint32_t lnt_pairs_block(uint32_t depth, uint64_t pixels);

uint64_t lnt_pairs_scratch(uint32_t depth, uint64_t pixels);

/* Where the pixels to multiply lie: in the input, or with `collect` set where lnt_gather() or its like puts their taps,
 * `bytes` for each. bytes: how many may be read of a pixel, at least depth; those behind depth are 0. */
typedef struct lnt_fetch {
    void (*collect)(const lnt_params *params, const lnt_operands *operands, uint32_t y, uint32_t x, uint32_t count,
                    int8_t *room, uint32_t bytes);
    uint32_t depth;
    uint32_t bytes;
} lnt_fetch;

/* Compute the range. */
void lnt_run_pairs(const lnt_params *params, const lnt_operands *operands, lnt_range range, const lnt_fetch *fetch);

#endif

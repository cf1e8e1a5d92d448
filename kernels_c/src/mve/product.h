/* Matrix product of pixels and output channels in tiles of four pixels and two channels: what convolutions over all
 * input channels have in common. Depth is the number of taps: input channels, times the kernel's size.
 *
 * Packed weights: for each pair of channels, for each sixteen taps, sixteen bytes of either channel. Filled up with
 * zeros. Scratch: where the pixels of the tiles lie, and their bytes where those have to be collected. */
#ifndef LNT_PRODUCT_H
#define LNT_PRODUCT_H

#include "mve.h"

enum { LNT_VECTOR = 16 };

static inline uint32_t lnt_whole_vectors(uint32_t depth) { return (depth + LNT_VECTOR - 1) / LNT_VECTOR * LNT_VECTOR; }

/* A tile's offsets are of 16 bits. */
static inline bool lnt_product_takes(const lnt_params *params) { return params->out->channels < 16384; }

uint64_t lnt_product_bytes(const lnt_params *params, uint32_t depth);
void lnt_pack_product(const lnt_params *params, uint32_t depth, uint8_t *to);

/* room: bytes for each pixel that is collected, else 0. */
uint64_t lnt_product_scratch(uint32_t room, uint64_t pixels);

/* Tiles of one block, where a call computes so many pixels. */
uint32_t lnt_product_tiles(uint32_t room, uint64_t pixels);

/* How the pixels to multiply are found. gather: bring the taps of the output pixels in row y, columns [x, x + count),
 * to `room`, lnt_whole_vectors(depth) bytes for each, those behind depth being 0. NULL: they are as the input has them.
 */
typedef struct lnt_product {
    void (*gather)(const lnt_params *params, const lnt_operands *operands, uint32_t y, uint32_t x, uint32_t count,
                   int8_t *room, uint32_t bytes);
    uint32_t depth;
} lnt_product;

/* Compute the range. */
void lnt_run_product(const lnt_params *params, const lnt_operands *operands, lnt_range range,
                     const lnt_product *product);

#endif

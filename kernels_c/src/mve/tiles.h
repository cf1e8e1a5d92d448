/* The inner loops of product.c, in assembly: eight sums want all even registers, which GCC 12 does not see. */
#ifndef LNT_TILES_H
#define LNT_TILES_H

#include <stdint.h>

/* Six words on the device, for which scratch is counted. */
#define LNT_TILE_BYTES 24u

typedef struct lnt_tile {
    const int8_t *pixel[4];
    int8_t *out;       /* channel 0 of the first pixel */
    const int8_t *in2; /* likewise of the shortcut */
} lnt_tile;

/* The assembly knows the order of the members. */
typedef struct lnt_tiles {
    const lnt_tile *tiles;
    const lnt_tile *end;
    const uint8_t *packed; /* of the first pair of channels */
    uint32_t blocks;       /* of sixteen taps */
    uint32_t rest;         /* taps behind those */
    const int32_t *bias;   /* of the first channel */
    const int32_t *multiplier;
    uint32_t pairs; /* of channels */
    int32_t zero;   /* zero point of the output; with a shortcut op->offset */
    uint32_t shift;
    const uint16_t *offsets; /* eight, in the order of tiles.c: from `out` to each output */
    int32_t factor;
    uint32_t with_shortcut;
    uint32_t channel; /* the first */
} lnt_tiles;

void lnt_mve_tiles(const lnt_tiles *tiles);

/* The same for no more than sixteen taps, no shift and no shortcut. */
void lnt_mve_small_tiles(const lnt_tiles *tiles);

#endif

/* The inner loops of pairs.c, in assembly: GCC 12 spills a tile of 4 x 2 sums, which costs a third more. */
#ifndef LNT_TILES_H
#define LNT_TILES_H

#include <stdint.h>

/* Of one block of pixels, in tiles of four: taps, 16 bits wide; with a shortcut four pointers to its pixels; four
 * pointers to the output's. Each pointer is to the pixel's channel 0. The assembly knows the order of the members. */
typedef struct lnt_tiles {
    const uint8_t *packed; /* weights of the first pair of channels */
    int16_t *weights;      /* room for those of one pair */
    const uint8_t *tiles;
    const int32_t *bias;       /* of the first channel */
    const int32_t *multiplier; /* likewise */
    int32_t zero;              /* zero point of the output; with a shortcut op->offset */
    uint32_t factors;          /* 256 and op->factor, in halves of a word */
    uint32_t shift;
    uint32_t groups;  /* of four taps */
    uint32_t end;     /* behind the last channel, an even number on */
    uint32_t channel; /* the first */
    const uint8_t *tiles_end;
    uint32_t with_shortcut;
} lnt_tiles;

void lnt_dsp_tiles(const lnt_tiles *tiles);

/* Four pixels' bytes, 4 * groups of each, to one tile. */
void lnt_dsp_widen(const int8_t *const pixels[4], uint8_t *tile, uint32_t groups);

#endif

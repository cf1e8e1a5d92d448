/* The inner loops of pairs.c, in assembly: GCC 12 spills a tile of 4 x 2 sums, which costs a third more. */
#ifndef LNT_TILES_H
#define LNT_TILES_H

#include <stdint.h>

/* Of one block of pixels. The assembly knows the order of the members. */
typedef struct lnt_tiles {
    const uint8_t *packed; /* weights of the first pair of channels */
    int16_t *weights;      /* room for those of one pair */
    const int16_t *pixels; /* tiles of four */
    int8_t *const *out;    /* for each pixel of the tiles, where its channel 0 goes */
    int8_t *const *out_end;
    uint32_t shortcut;         /* bytes from that table to the one of the shortcut's pixels */
    const int32_t *bias;       /* of the first channel */
    const int32_t *multiplier; /* likewise */
    uint32_t channel;          /* the first */
    uint32_t end;              /* behind the last, an even number of channels on */
    int32_t zero;              /* zero point of the output; with a shortcut op->offset */
    uint32_t factors;          /* 256 and op->factor, in halves of a word */
    uint32_t shift;
    uint32_t groups; /* of four taps */
    uint32_t with_shortcut;
} lnt_tiles;

void lnt_dsp_tiles(const lnt_tiles *tiles);

/* Four pixels' bytes, 4 * groups of each, to one tile. */
void lnt_dsp_widen(const int8_t *const pixels[4], int16_t *tile, uint32_t groups);

#endif

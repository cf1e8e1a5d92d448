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

/* Tiles to fill. The assembly knows the order of the members, and moves in2 and out on. */
typedef struct lnt_widening {
    const int8_t *from[4]; /* the first tile's pixels */
    int8_t *in2[4];
    int8_t *out[4];
    uint8_t *tile;
    uint32_t groups; /* of four taps that may be read */
    uint32_t skip;   /* bytes from behind those of a pixel to the same one of the next tile */
    uint32_t gap;    /* bytes between those in the tile and its pointers */
    uint32_t step;   /* bytes from an output pixel to the same one of the next tile */
    uint32_t with_shortcut;
    uint32_t tiles;
} lnt_widening;

void lnt_dsp_widen(lnt_widening *widening);

#endif

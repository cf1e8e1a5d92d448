/* Pixels (or windows of pixels) on the stack, ready for multiplying, and what an instruction set does with them. */
#ifndef LNT_X86_BLOCK_H
#define LNT_X86_BLOCK_H

#include "gemm.h"

#ifdef LNT_X86

enum {
    LNT_BLOCK_BYTES = 28 * 1024, /* with a panel's weights this is about the first-level cache */
    LNT_BLOCK_PIXELS = 128,
};

typedef struct lnt_block {
    /* Pixel after pixel, each whole units: int8 as x + 128, or int16. Elements behind a pixel's last are never used as
     * numbers other than by weights of zero. */
    _Alignas(64) uint8_t x[LNT_BLOCK_BYTES];
    int8_t *out[LNT_BLOCK_PIXELS];       /* channel 0 of each output pixel */
    const int8_t *in2[LNT_BLOCK_PIXELS]; /* the same of the shortcut, where there is one */
    uint32_t depth;                      /* bytes of a pixel */
    uint32_t tile;                       /* pixels that are computed together, where there are so many */
    uint32_t most;                       /* pixels, a multiple of tile where possible */
    uint32_t count;
} lnt_block;

typedef struct lnt_isa {
    lnt_panels panels;
    uint32_t tile;    /* pixels */
    uint32_t element; /* bytes of an element in a block */
    /* `count` runs of `bytes` values, each *_step bytes behind the one before, as elements of a block. */
    void (*copy)(uint8_t *to, size_t to_step, const int8_t *from, size_t from_step, size_t bytes, uint32_t count);
    /* Outputs of channels [c, c + cn) of a block. */
    void (*multiply)(const lnt_params *p, const lnt_block *block, uint32_t c, uint32_t cn);
} lnt_isa;

extern const lnt_isa lnt_avx512vnni;
extern const lnt_isa lnt_avxvnni;
extern const lnt_isa lnt_avx2;

/* An empty block for a step of so many pixels. The elements that fill up units are zeros, and stay it if nobody writes
 * there. */
void lnt_block_begin(const lnt_isa *isa, const lnt_params *p, lnt_block *block, uint32_t pixels);

/* Two bytes for each value, at the most. */
static inline bool lnt_block_takes(const lnt_params *p) { return lnt_depth(p) <= LNT_BLOCK_BYTES / 2 - 4; }

#endif
#endif

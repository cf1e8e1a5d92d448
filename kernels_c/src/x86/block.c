#include "block.h"

#ifdef LNT_X86
#include <string.h>

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

void lnt_block_begin(const lnt_isa *isa, const lnt_params *p, lnt_block *block, uint32_t pixels) {
    block->depth = lnt_units(p, isa->panels.unit) * 4;
    /* 49 pixels are seven times 7; with more, a smaller tile at the end costs less than seven of 7. */
    block->tile = isa->tile == 8 && pixels % 8 != 0 && pixels % 7 == 0 && pixels < 64 ? 7 : isa->tile;
    block->most = smaller(LNT_BLOCK_BYTES / block->depth, LNT_BLOCK_PIXELS);
    if (block->most > block->tile) {
        block->most -= block->most % block->tile;
    }
    block->most = smaller(block->most, pixels);
    block->count = 0;
    block->in2[0] = NULL;
    uint32_t used = lnt_depth(p) * isa->element;
    if (used != block->depth) {
        for (uint32_t i = 0; i < block->most; i++) {
            memset(block->x + (size_t)i * block->depth + used, 0, block->depth - used);
        }
    }
}
#endif

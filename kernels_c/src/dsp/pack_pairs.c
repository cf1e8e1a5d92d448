#include <string.h>

#include "pairs.h"

/* Beyond this, pixels are taken in blocks: each block unpacks the weights anew, which costs as much as one pixel. */
enum { BLOCK_BYTES = 32 * 1024 };

uint64_t lnt_pairs_bytes(const lnt_params *p, uint32_t depth) {
    return (uint64_t)((p->out->channels + 1u) / 2) * 2 * lnt_whole_words(depth);
}

void lnt_pack_pairs(const lnt_params *p, uint32_t depth, uint8_t *to) {
    const uint8_t *w = p->data + p->op->weights;
    memset(to, 0, (size_t)lnt_pairs_bytes(p, depth));
    for (uint32_t c = 0; c < p->out->channels; c++) {
        uint8_t *own = to + (size_t)(c / 2) * 2 * lnt_whole_words(depth) + (size_t)(c % 2) * 4;
        for (uint32_t k = 0; k < depth; k++) {
            own[k / 4 * 8 + k % 4] = w[(size_t)c * depth + k];
        }
    }
}

uint32_t lnt_pairs_block(uint32_t depth, uint64_t pixels) {
    uint32_t most = BLOCK_BYTES / (2 * lnt_whole_words(depth)) / LNT_TILE * LNT_TILE;
    uint64_t whole = (pixels + LNT_TILE - 1) / LNT_TILE * LNT_TILE;
    most = most < LNT_TILE ? LNT_TILE : most;
    return (uint32_t)(whole < most ? whole : most);
}

/* Pixels and weights of 16 bits, two tables of pointers. */
uint64_t lnt_pairs_scratch(uint32_t depth, uint64_t pixels) {
    uint64_t block = lnt_pairs_block(depth, pixels);
    return block * (2 * (uint64_t)lnt_whole_words(depth) + 8) + 4 * (uint64_t)lnt_whole_words(depth) + 32;
}

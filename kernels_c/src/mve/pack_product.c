#include <string.h>

#include "product.h"
#include "tiles.h"

/* Beyond these, pixels are taken in blocks. */
enum { MOST_TILES = 64, MOST_ROOM = 4096 };

uint64_t lnt_product_bytes(const lnt_params *p, uint32_t depth) {
    return (uint64_t)((p->out->channels + 1u) / 2) * 2 * lnt_whole_vectors(depth);
}

void lnt_pack_product(const lnt_params *p, uint32_t depth, uint8_t *to) {
    const uint8_t *w = p->data + p->op->weights;
    memset(to, 0, (size_t)lnt_product_bytes(p, depth));
    for (uint32_t c = 0; c < p->out->channels; c++) {
        uint8_t *own = to + (size_t)(c / 2) * 2 * lnt_whole_vectors(depth) + (size_t)(c % 2) * LNT_VECTOR;
        for (uint32_t k = 0; k < depth; k++) {
            own[k / LNT_VECTOR * LNT_VECTOR * 2 + k % LNT_VECTOR] = w[(size_t)c * depth + k];
        }
    }
}

/* Each row may end with a tile of its own that is not full, so there may be as many tiles as pixels. */
uint32_t lnt_product_tiles(uint32_t room, uint64_t pixels) {
    uint64_t most = room ? MOST_ROOM / (4 * (uint64_t)room) : MOST_TILES;
    most = most == 0 ? 1 : most > MOST_TILES ? MOST_TILES : most;
    return (uint32_t)(pixels < most ? pixels : most);
}

uint64_t lnt_product_scratch(uint32_t room, uint64_t pixels) {
    uint64_t tiles = lnt_product_tiles(room, pixels);
    return tiles * 4 * room + tiles * LNT_TILE_BYTES;
}

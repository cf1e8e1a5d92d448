/* Memory in which a kernel cannot leave a buffer unnoticed.
 *
 * Every buffer is a block of its own between bytes that must stay as they are. On hosts a page that cannot be touched
 * adjoins the block, in most cases right behind its last byte, and the address sanitizer, where there is one, knows
 * where the blocks are. All blocks lie in one region, so that offsets between them fit 32 bits. */
#ifndef LNT_TEST_MEMORY_H
#define LNT_TEST_MEMORY_H

#include "random.h"

/* Enough for cases of `bytes`, or what there is; false where that is too little. */
bool memory_start(size_t bytes);

const uint8_t *memory_base(void);

/* A new block, filled with random bytes; NULL where there is no room. align: a power of two. */
uint8_t *memory_place(rng *r, const char *name, size_t bytes, size_t align);

/* Blocks placed since memory_mark() was called are gone. */
size_t memory_mark(void);
void memory_release(size_t mark);

/* Remember all blocks as they are. */
void memory_keep(void);

/* After memory_keep(): these bytes have to be there in the end, or any, as in scratch. */
void memory_expect(const uint8_t *at, const uint8_t *bytes, size_t count);
void memory_allow_any(const uint8_t *at);

/* Whether all is as remembered and expected; if not, says where. */
bool memory_is_as_expected(char *message, size_t bytes);

#endif

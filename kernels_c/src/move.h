/* Copies of rows. */
#ifndef LNT_MOVE_H
#define LNT_MOVE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* To memory that lies apart or starts before. In firmware it takes the place of memcpy and memmove, which have ten
 * times its size; without loads from any address those are the better ones. */
#if defined(LNT_FIRMWARE) && defined(__ARM_FEATURE_UNALIGNED)
void lnt_move(uint8_t *to, const uint8_t *from, size_t bytes);
#else
static inline void lnt_move(uint8_t *to, const uint8_t *from, size_t bytes) { memmove(to, from, bytes); }
#endif

#endif

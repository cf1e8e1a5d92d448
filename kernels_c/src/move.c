#include "move.h"

#if defined(LNT_FIRMWARE) && defined(__ARM_FEATURE_UNALIGNED)

enum { AT_ONCE = 8 };

void lnt_move(uint8_t *to, const uint8_t *from, size_t bytes) {
    for (; bytes >= AT_ONCE; bytes -= AT_ONCE, to += AT_ONCE, from += AT_ONCE) {
        uint32_t first, second;
        memcpy(&first, from, sizeof first);
        memcpy(&second, from + sizeof first, sizeof second);
        memcpy(to, &first, sizeof first);
        memcpy(to + sizeof first, &second, sizeof second);
    }
    for (; bytes != 0; bytes--) {
        *to++ = *from++;
    }
}

#endif

/* CRC-32 as zlib and PNG have it. */
#ifndef LNT_CRC_H
#define LNT_CRC_H

#include <stdint.h>

/* Go on with more bytes; the first crc is 0xFFFFFFFF, the result is that of the last call with all bits turned. */
uint32_t lnt_crc(uint32_t crc, const uint8_t *bytes, uint32_t count);

#endif

/* Frames on a serial line: docs/protocol.md. Between two zero bytes lies a frame without zeros (COBS); unpacked it is
 * version, type, sequence number (2 bytes), payload, CRC-32 of all before. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum { FRAME_VERSION = 1, FRAME_HEADER = 4, FRAME_CRC = 4, FRAME_OTHER = FRAME_HEADER + FRAME_CRC };

typedef struct frame_reader {
    uint8_t *bytes; /* the frame as far as it has arrived, unpacked */
    uint32_t capacity;
    uint32_t count;
    uint8_t left;  /* bytes until the next one that stands for a zero */
    uint8_t group; /* 0: nothing has arrived */
    bool damaged;
} frame_reader;

/* Take a byte of the line. The unpacked length, without the CRC, of the frame that it ends; 0: none, or a damaged one.
 */
uint32_t frame_take(frame_reader *reader, uint8_t byte);

/* Send `count` bytes and their CRC, for which there must be room behind them. */
void frame_send(uint8_t *bytes, uint32_t count, void (*put)(uint8_t byte));

#endif

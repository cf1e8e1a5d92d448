#include "frame.h"

/* zlib's CRC, four bits at a time. */
static uint32_t crc32(const uint8_t *bytes, uint32_t count) {
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                       0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t crc = 0xFFFFFFFF;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

static uint32_t little_endian(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void start(frame_reader *reader) {
    reader->count = 0;
    reader->left = 0;
    reader->group = 0;
    reader->damaged = false;
}

static void append(frame_reader *reader, uint8_t byte) {
    if (reader->count == reader->capacity) {
        reader->damaged = true;
        return;
    }
    reader->bytes[reader->count++] = byte;
}

/* What has arrived up to a zero byte. */
static uint32_t end(const frame_reader *reader) {
    if (reader->damaged || reader->left != 0 || reader->count < FRAME_OTHER) {
        return 0;
    }
    uint32_t count = reader->count - FRAME_CRC;
    return crc32(reader->bytes, count) == little_endian(reader->bytes + count) ? count : 0;
}

uint32_t frame_take(frame_reader *reader, uint8_t byte) {
    if (byte == 0) {
        uint32_t count = end(reader);
        start(reader);
        return count;
    }
    if (reader->left == 0) { /* begins a group of byte - 1 bytes; one of 254 brings no zero with it */
        if (reader->group != 0 && reader->group != 255) {
            append(reader, 0);
        }
        reader->group = byte;
        reader->left = byte - 1;
    } else {
        append(reader, byte);
        reader->left--;
    }
    return 0;
}

void frame_send(uint8_t *bytes, uint32_t count, void (*put)(uint8_t byte)) {
    uint32_t crc = crc32(bytes, count);
    for (uint32_t i = 0; i < FRAME_CRC; i++) {
        bytes[count++] = (uint8_t)(crc >> 8 * i);
    }
    put(0); /* ends whatever the line has made up */
    for (uint32_t at = 0; at <= count;) {
        uint32_t length = 0;
        while (length < 254 && at + length < count && bytes[at + length] != 0) {
            length++;
        }
        put((uint8_t)(length + 1));
        for (uint32_t i = 0; i < length; i++) {
            put(bytes[at + i]);
        }
        at += length;
        if (length < 254) {
            at++; /* over the zero, or past the end */
        } else if (at == count) {
            break;
        }
    }
    put(0);
}

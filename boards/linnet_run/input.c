/* Reading .npy, PPM, PGM and bare bytes. */
#define _POSIX_C_SOURCE 200809L
#include "input.h"

#include <errno.h>
#include <string.h>

/* More than any header of these formats that holds no comments of great length. */
enum { HEADER_BYTES = 4096 };

bool next_input(FILE *from, uint8_t *to, size_t bytes) {
    size_t got = fread(to, 1, bytes, from);
    if (got != 0 && got != bytes) {
        fail("stdin", "it ends within an input");
    }
    return got == bytes;
}

typedef struct contents {
    uint8_t *bytes;
    size_t count;
} contents;

static contents read_all(const char *path, size_t most) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL) {
        fail(path, strerror(errno));
    }
    contents c = {.bytes = allocate((uint64_t)most + 1)};
    c.count = fread(c.bytes, 1, most + 1, file);
    if (ferror(file)) {
        fail(path, strerror(errno));
    }
    if (file != stdin) {
        fclose(file);
    }
    return c;
}

/* Skips blanks and comments, reads a number; 0 where there is none. */
static unsigned long header_number(const contents *c, size_t *at) {
    while (*at < c->count && (strchr(" \t\r\n", c->bytes[*at]) != NULL || c->bytes[*at] == '#')) {
        if (c->bytes[*at] == '#') {
            while (*at < c->count && c->bytes[*at] != '\n') {
                (*at)++;
            }
        } else {
            (*at)++;
        }
    }
    unsigned long value = 0;
    while (*at < c->count && c->bytes[*at] >= '0' && c->bytes[*at] <= '9' && value < 100000) {
        value = 10 * value + (unsigned long)(c->bytes[(*at)++] - '0');
    }
    return value;
}

/* Where the pixels of a PPM or PGM start. */
static size_t netpbm_pixels(const session *s, const contents *c, const char *path) {
    const lnt_tensor *in = &s->net.tensors[0];
    size_t at = 2;
    unsigned long width = header_number(c, &at);
    unsigned long height = header_number(c, &at);
    unsigned long largest = header_number(c, &at);
    unsigned channels = c->bytes[1] == '6' ? 3 : 1;
    if (width != in->width || height != in->height || channels != in->channels || largest != 255) {
        fprintf(stderr, "linnet-run: the network takes %u x %u pixels of %u channels, 8 bits each\n",
                (unsigned)in->width, (unsigned)in->height, (unsigned)in->channels);
        fail(path, "is not of this size; `linnet run --on` resizes pictures");
    }
    return at + 1;
}

/* Where the values of a .npy file start. */
static size_t npy_values(const contents *c, const char *path) {
    size_t length_bytes = c->bytes[6] == 1 ? 2 : 4;
    size_t header = 8 + length_bytes;
    size_t length = 0;
    for (size_t i = length_bytes; i-- > 0;) {
        length = length << 8 | c->bytes[8 + i];
    }
    if (length > HEADER_BYTES || header + length > c->count) {
        fail(path, "is a damaged .npy file");
    }
    char text[HEADER_BYTES + 1] = {0};
    memcpy(text, c->bytes + header, length);
    if (strstr(text, "|u1") == NULL && strstr(text, "|i1") == NULL) {
        fail(path, "holds no uint8 or int8 values");
    }
    if (strstr(text, "'fortran_order': False") == NULL) {
        fail(path, "is not in C order: save numpy.ascontiguousarray of it");
    }
    return header + length;
}

const uint8_t *read_input(const session *s, const char *path) {
    size_t wanted = lnt_input_bytes(&s->net);
    contents c = read_all(path, wanted + HEADER_BYTES);
    size_t start = 0;
    if (c.count != wanted) { /* bare bytes are told by their number */
        if (c.count > 12 && memcmp(c.bytes, "\x93NUMPY", 6) == 0) {
            start = npy_values(&c, path);
        } else if (c.count > 8 && c.bytes[0] == 'P' && (c.bytes[1] == '5' || c.bytes[1] == '6')) {
            start = netpbm_pixels(s, &c, path);
        }
    }
    if (c.count < start || c.count - start != wanted) {
        fprintf(stderr, "linnet-run: the network takes %lu bytes\n", (unsigned long)wanted);
        fail(path, "holds another number of them");
    }
    return c.bytes + start;
}

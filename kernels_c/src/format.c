#include "format.h"

#include <string.h>

#include "crc.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Linnet reads its files in place and needs a little-endian machine"
#endif

enum { IDENTIFIER = 0x31544E4C }; /* "LNT1" */
enum { ROOT_AT = 0, IDENTIFIER_AT = 4, FIRST_TABLE = 8, REFERENCE = 4 };

uint32_t lnt_load_u32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint32_t load_u16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* True when [at, at + bytes) lies in the file and at is aligned; notes the damage otherwise. A file has less than 2^31
 * bytes: of larger sums callers may give what is left modulo 2^32, as long as that is not less than 2^31. */
static bool inside(lnt_file *file, uint32_t at, uint32_t bytes, uint32_t align) {
    bool good = at % align == 0 && at <= file->size && bytes <= file->size - at;
    file->damaged |= !good;
    return good;
}

/* Follow the reference at this position: an unsigned distance forwards, at least to the next word. 0 when it is bad. */
static uint32_t follow(lnt_file *file, uint32_t at) {
    if (at == 0 || !inside(file, at, REFERENCE, REFERENCE)) {
        return 0;
    }
    uint32_t distance = lnt_load_u32(file->bytes + at);
    if (distance == 0 || distance > file->size || !inside(file, at + distance, REFERENCE, REFERENCE)) {
        file->damaged = true;
        return 0;
    }
    return at + distance;
}

static lnt_table read_table(lnt_file *file, uint32_t at) {
    const lnt_table absent = {0};
    if (at < FIRST_TABLE) {
        file->damaged = true;
        return absent;
    }
    if (!inside(file, at, 4, 4)) {
        return absent;
    }
    uint32_t vtable = at - lnt_load_u32(file->bytes + at); /* a signed distance; before the start is 2^31 or more */
    if (!inside(file, vtable, 4, 2)) {
        return absent;
    }
    lnt_table table = {
        .at = at,
        .bytes = load_u16(file->bytes + vtable + 2),
        .vtable = vtable,
        .vtable_bytes = load_u16(file->bytes + vtable),
    };
    bool good = inside(file, table.vtable, table.vtable_bytes, 2) && inside(file, table.at, table.bytes, 4);
    return good ? table : absent;
}

uint32_t lnt_file_field(lnt_file *file, const lnt_table *table, uint32_t field, uint32_t bytes, uint32_t align) {
    uint32_t entry = 4 + 2 * field;
    if (table->at == 0 || entry + 2 > table->vtable_bytes) {
        return 0;
    }
    uint32_t offset = load_u16(file->bytes + table->vtable + entry);
    if (offset == 0) {
        return 0;
    }
    uint32_t at = table->at + offset;
    if (offset < 4 || offset + bytes > table->bytes || at % align != 0) {
        file->damaged = true;
        return 0;
    }
    return at;
}

uint32_t lnt_file_u8(lnt_file *file, const lnt_table *table, uint32_t field) {
    uint32_t at = lnt_file_field(file, table, field, 1, 1);
    return at ? file->bytes[at] : 0;
}

uint32_t lnt_file_u32(lnt_file *file, const lnt_table *table, uint32_t field) {
    uint32_t at = lnt_file_field(file, table, field, 4, 4);
    return at ? lnt_load_u32(file->bytes + at) : 0;
}

lnt_table lnt_file_table(lnt_file *file, uint32_t reference_at) {
    uint32_t at = follow(file, reference_at);
    return at ? read_table(file, at) : (lnt_table){0};
}

lnt_vector lnt_file_vector(lnt_file *file, uint32_t reference_at, uint32_t element_bytes, uint32_t align) {
    const lnt_vector absent = {0};
    uint32_t at = follow(file, reference_at);
    if (at == 0) {
        return absent;
    }
    lnt_vector vector = {.at = at + 4, .count = lnt_load_u32(file->bytes + at)};
    if (vector.count == 0) {
        return absent;
    }
    uint64_t bytes = (uint64_t)vector.count * element_bytes;
    return inside(file, vector.at, bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX, align) ? vector : absent;
}

lnt_vector lnt_file_vector_field(lnt_file *file, const lnt_table *table, uint32_t field, uint32_t element_bytes,
                                 uint32_t align) {
    return lnt_file_vector(file, lnt_file_field(file, table, field, REFERENCE, REFERENCE), element_bytes, align);
}

/* C callers are handed strings in place, so that the zero behind them must be there. */
void lnt_file_check_string(lnt_file *file, uint32_t reference_at) {
    uint32_t at = follow(file, reference_at);
    if (at == 0) {
        return;
    }
    uint32_t length = lnt_load_u32(file->bytes + at), end = at + 4 + length;
    if (length > file->size || (inside(file, end, 1, 1) && file->bytes[end] != 0)) {
        file->damaged = true;
    }
}

uint32_t lnt_file_crc(const lnt_file *file, uint32_t crc_at) {
    static const uint8_t zeros[4] = {0};
    uint32_t crc = lnt_crc(0xFFFFFFFF, file->bytes, crc_at);
    crc = lnt_crc(crc, zeros, 4);
    return ~lnt_crc(crc, file->bytes + crc_at + 4, file->size - crc_at - 4);
}

lnt_table lnt_file_root(lnt_file *file) { return read_table(file, lnt_load_u32(file->bytes + ROOT_AT)); }

/* Root table, and the header's position. */
static uint32_t find_header(lnt_file *file, lnt_table *root) {
    *root = lnt_file_root(file);
    return lnt_file_field(file, root, LNT_MODEL_HEADER, sizeof(lnt_header), 4);
}

int lnt_file_open(lnt_file *file, lnt_table *root, const void *model, size_t model_bytes) {
    if (model == NULL) {
        return LNT_ERR_ARGUMENT;
    }
    if ((uintptr_t)model % LNT_ALIGN != 0) {
        return LNT_ERR_ALIGN;
    }
    if (model_bytes < FIRST_TABLE) {
        return LNT_ERR_TRUNCATED;
    }
    *file = (lnt_file){.bytes = model, .size = model_bytes < INT32_MAX ? (uint32_t)model_bytes : INT32_MAX};
    if (lnt_load_u32(file->bytes + IDENTIFIER_AT) != IDENTIFIER) {
        return LNT_ERR_NOT_A_MODEL;
    }
    uint32_t header_at = find_header(file, root);
    if (header_at == 0) {
        return LNT_ERR_TRUNCATED;
    }
    lnt_header header;
    memcpy(&header, file->bytes + header_at, sizeof header);
    if (header.version != LNT_VERSION_CURRENT) {
        return LNT_ERR_VERSION;
    }
    if (header.file_bytes > file->size || header.file_bytes < FIRST_TABLE) {
        return LNT_ERR_TRUNCATED;
    }
    file->size = header.file_bytes;
    return find_header(file, root) == header_at ? LNT_OK : LNT_ERR_FORMAT;
}

/* A FlatBuffers file, read in place. */
#ifndef LNT_FORMAT_H
#define LNT_FORMAT_H

#include "internal.h"

/* No function below reads outside [bytes, bytes + size). What leaves the file, or is not aligned, sets `damaged` and
 * reads as absent, so that a caller may look at many fields and ask once at the end. */
typedef struct lnt_file {
    const uint8_t *bytes;
    uint32_t size;
    bool damaged;
} lnt_file;

/* Positions count from the start of the file; 0 means absent. */
typedef struct lnt_table {
    uint32_t at;
    uint32_t bytes;
    uint32_t vtable;
    uint32_t vtable_bytes;
} lnt_table;

typedef struct lnt_vector {
    uint32_t at; /* of the first element */
    uint32_t count;
} lnt_vector;

/* Find the root table and check identifier, version and length (not the CRC). Sets file->size to the file's own length.
 */
int lnt_file_open(lnt_file *file, lnt_table *root, const void *model, size_t model_bytes);

/* The root table of a file of at least 8 bytes. */
lnt_table lnt_file_root(lnt_file *file);

/* CRC-32 of the file with the crc field taken as zero. */
uint32_t lnt_file_crc(const lnt_file *file, uint32_t crc_at);

/* Position of a scalar or struct that lies in the table itself. */
uint32_t lnt_file_field(lnt_file *file, const lnt_table *table, uint32_t field, uint32_t bytes, uint32_t align);
uint32_t lnt_file_u8(lnt_file *file, const lnt_table *table, uint32_t field);
uint32_t lnt_file_u32(lnt_file *file, const lnt_table *table, uint32_t field);

/* What a field, or an element of a vector, refers to. */
lnt_table lnt_file_table(lnt_file *file, uint32_t reference_at);
lnt_vector lnt_file_vector(lnt_file *file, uint32_t reference_at, uint32_t element_bytes, uint32_t align);
lnt_vector lnt_file_vector_field(lnt_file *file, const lnt_table *table, uint32_t field, uint32_t element_bytes,
                                 uint32_t align);
void lnt_file_check_string(lnt_file *file, uint32_t reference_at);

/* Little-endian, at any alignment. */
uint32_t lnt_load_u32(const uint8_t *bytes);

#endif

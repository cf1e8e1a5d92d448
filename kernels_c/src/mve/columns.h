/* The inner loops of depthwise.c, in assembly, and the scratch between them: for sixteen channels, columns of four
 * input rows, as [column][channel][row]. Four bytes are a column of a channel's window, so that one vector gathered
 * from there is 4 x 4 of its pixels. */
#ifndef LNT_COLUMNS_H
#define LNT_COLUMNS_H

#include <stdint.h>

enum {
    LNT_COLUMN_ROWS = 4,
    LNT_COLUMN_CHANNELS = 16,
    LNT_COLUMN_BYTES = LNT_COLUMN_ROWS * LNT_COLUMN_CHANNELS,
};

/* The assembly knows the order of the members. */
typedef struct lnt_transposition {
    const int8_t *row[LNT_COLUMN_ROWS];
    uint32_t step[LNT_COLUMN_ROWS]; /* from one column to the next; 0 for rows of padding */
    uint8_t *to;
    uint32_t columns;
    uint32_t channels;
} lnt_transposition;

void lnt_mve_transpose(const lnt_transposition *transposition);

/* Where one or two output rows go, from their first pixel on. */
typedef struct lnt_output_rows {
    int8_t *out;
    int8_t *below; /* lnt_mve_filter_2 has none. May be `out`: then it is not kept */
} lnt_output_rows;

/* 3x3 for some channels. Likewise. */
typedef struct lnt_filter {
    const uint8_t *columns; /* of the first channel; those of each output row or two behind the ones before */
    const lnt_output_rows *rows;
    uint32_t count; /* of rows */
    uint32_t width; /* outputs of a row */
    uint32_t pixel;
    const uint8_t *packed;
    const int32_t *bias;
    const int32_t *multiplier;
    int32_t zero;
    uint32_t shift;
    uint32_t channels;
    uint32_t channel; /* the first */
} lnt_filter;

void lnt_mve_filter_1(const lnt_filter *filter); /* stride 1, two rows */
void lnt_mve_filter_2(const lnt_filter *filter); /* stride_w 2, one row */

#endif

/* The inner loops of depthwise.c, in assembly, and the scratch between them.
 *
 * Input rows are split into planes, one for each row and each of four channels: words of two columns, 16 bits wide.
 * The first word's upper half is the first tap of the first output, so that with a padding of 1 the second word is
 * columns 0 and 1. */
#ifndef LNT_PLANES_H
#define LNT_PLANES_H

#include <stdint.h>

enum {
    LNT_PLANES = 4,         /* of a row: channels */
    LNT_PLANE_COLUMNS = 64, /* input columns of a block, besides the kernel's edges */
    LNT_PLANE_BYTES = (LNT_PLANE_COLUMNS / 2 + 2) * 4,
    LNT_ROW_BYTES = LNT_PLANES * LNT_PLANE_BYTES,
};

/* Four channels of `rows` rows, from[i] on, 4 * groups columns of `pixel` bytes each. */
typedef struct lnt_split {
    const int8_t *const *from;
    uint32_t channel; /* added to each of these */
    uint32_t pixel;
    uint8_t *to; /* the word of the first column, in the first row's first plane */
    uint32_t rows;
    uint32_t groups;
} lnt_split;

void lnt_dsp_split(const lnt_split *split);

/* 3x3, up to four channels. The assembly knows the order of the members. */
typedef struct lnt_filter {
    const uint8_t *planes; /* of the first channel, in the first row under the first output row */
    uint32_t row_step;     /* bytes to that of the next output row */
    int8_t *const *out;    /* first output pixel of each row */
    uint32_t rows;
    uint32_t groups; /* of four output columns */
    uint32_t rest;   /* columns behind those */
    uint32_t pixel;
    uint32_t channel;
    uint32_t channels;
    const uint8_t *packed;
    const int32_t *bias;
    const int32_t *multiplier;
    int32_t zero;
    uint32_t shift;
    uint32_t strided; /* stride_w is 2, not 1 */
} lnt_filter;

void lnt_dsp_filter(const lnt_filter *filter);

#endif

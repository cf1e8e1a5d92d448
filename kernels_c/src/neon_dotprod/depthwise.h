/* Depthwise convolution with sdot: the rows under a window are zipped, so that four bytes of a vector are one column of
 * one channel.
 *
 * Packed: a block of LNT_DEPTHWISE_CHANNELS channels after another, each with a head, biases, multipliers, and weights
 * as [column][four rows][channel][row], rows beyond the kernel zero. */
#ifndef LNT_DOTPROD_DEPTHWISE_H
#define LNT_DOTPROD_DEPTHWISE_H

#include "dotprod.h"

enum { LNT_DEPTHWISE_CHANNELS = 16, LNT_DEPTHWISE_MAX_H = 8 };

typedef struct lnt_depthwise_block {
    int8_t zero[16]; /* the input's zero point: what is read for a row that is not there */
    uint32_t fits;   /* no lnt_mulr() of these channels leaves 16 bits */
    uint32_t reserved[3];
    int32_t bias[LNT_DEPTHWISE_CHANNELS];
    int32_t multiplier[LNT_DEPTHWISE_CHANNELS];
    int8_t weights[];
} lnt_depthwise_block;

/* Groups of four kernel rows. */
static inline uint32_t lnt_depthwise_groups(const lnt_op *op) { return (op->kernel_h + 3u) / 4; }

static inline size_t lnt_depthwise_block_bytes(const lnt_op *op) {
    return sizeof(lnt_depthwise_block) + (size_t)64 * op->kernel_w * lnt_depthwise_groups(op);
}

uint64_t lnt_depthwise_bytes(const lnt_params *p);
void lnt_depthwise_pack(const lnt_params *p, uint8_t *to);

/* Part of one output row, one block of channels, and where the walk along the row stands. A row that is not there is
 * read from the block's zeros, with a pitch of 0. */
typedef struct lnt_depthwise_row {
    const lnt_depthwise_block *block;
    const lnt_narrow *narrow;
    const int8_t *at[LNT_DEPTHWISE_MAX_H];
    size_t pitch[LNT_DEPTHWISE_MAX_H];
    int8_t *out;
    size_t out_pitch;
    int32_t x;      /* input column of the window's left */
    int32_t first;  /* input column that at[] points at */
    uint32_t n;     /* outputs */
    uint32_t width; /* of the input */
    uint32_t own;   /* channels of the block that there are */
} lnt_depthwise_row;

/* 3x3, where at[] starts at the window's first column inside the input, and any kernel of up to LNT_DEPTHWISE_MAX_H
 * rows. */
void lnt_depthwise_row_3x3(lnt_depthwise_row *r, uint32_t stride);
void lnt_depthwise_row_any(lnt_depthwise_row *r, const lnt_op *op);

#endif

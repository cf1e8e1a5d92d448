/* Depthwise convolution in blocks of sixteen channels.
 *
 * Packed: a block after another, each with a head, biases, multipliers and weights. */
#ifndef LNT_NEON_DEPTHWISE_H
#define LNT_NEON_DEPTHWISE_H

#include "vector.h"

enum { LNT_DEPTHWISE_CHANNELS = 16, LNT_DEPTHWISE_MAX_H = 8 };

/* What sums to 16 bits: any two products; in lnt_depthwise_block.allow also the three of a column. */
enum { LNT_DEPTHWISE_TWO = 8 };

/* How a block's weights lie. */
typedef enum lnt_depthwise_order {
    LNT_DEPTHWISE_ZIPPED, /* [column][four rows][channel][row], rows beyond the kernel zero: for sdot */
    LNT_DEPTHWISE_COLUMNS /* [column][row][channel] */
} lnt_depthwise_order;

typedef struct lnt_depthwise_block {
    int8_t zero[16];   /* the input's zero point: what is read for a row that is not there */
    uint32_t fits;     /* no lnt_mulr() of these channels leaves 16 bits */
    uint32_t products; /* this many, taken column by column, sum to 16 bits: 1, 2 or 3 */
    uint8_t allow[2];  /* weights of each eight channels: LNT_DEPTHWISE_TWO, and 1 << j for column j of a 3x3 kernel */
    uint8_t reserved[6];
    int32_t bias[LNT_DEPTHWISE_CHANNELS];
    int32_t multiplier[LNT_DEPTHWISE_CHANNELS];
    int8_t weights[];
} lnt_depthwise_block;

/* Bytes of a column of a block's weights. */
static inline size_t lnt_depthwise_column_bytes(const lnt_op *op, lnt_depthwise_order order) {
    size_t rows = order == LNT_DEPTHWISE_ZIPPED ? (op->kernel_h + 3u) / 4 * 4 : op->kernel_h;
    return rows * LNT_DEPTHWISE_CHANNELS;
}

static inline size_t lnt_depthwise_block_bytes(const lnt_op *op, lnt_depthwise_order order) {
    return sizeof(lnt_depthwise_block) + op->kernel_w * lnt_depthwise_column_bytes(op, order);
}

uint64_t lnt_depthwise_bytes(const lnt_params *p, lnt_depthwise_order order);
void lnt_depthwise_pack(const lnt_params *p, lnt_depthwise_order order, uint8_t *to);

/* Part of one output row, one block of channels. A row that is not there is read from the block's zeros, with a pitch
 * of 0. */
typedef struct lnt_depthwise_row {
    const lnt_depthwise_block *block;
    const lnt_narrow *narrow;
    const int32_t *bias; /* where a block is taken by halves: of the first channel */
    const int8_t *at[LNT_DEPTHWISE_MAX_H];
    size_t pitch[LNT_DEPTHWISE_MAX_H];
    int8_t *out;
    int8_t *out_below; /* of two rows at once, the second */
    size_t out_pitch;
    int32_t x;      /* input column of the window's left */
    int32_t first;  /* input column that at[] points at: for 3x3 the window's first one inside the input */
    uint32_t n;     /* outputs */
    uint32_t width; /* of the input */
    uint32_t own;   /* channels of the block that there are */
} lnt_depthwise_row;

typedef void lnt_depthwise_function(const lnt_depthwise_row *r, const lnt_op *op);

lnt_depthwise_function lnt_depthwise_row_dotprod;
lnt_depthwise_function lnt_depthwise_row_neon;

/* Two rows, 3x3 and stride 1: at[] and pitch[] are of four. */
lnt_depthwise_function lnt_depthwise_two_rows_dotprod;

static inline bool lnt_depthwise_is_3x3(const lnt_op *op) {
    return op->kernel_h == 3 && op->kernel_w == 3 && op->stride_w <= 2 && op->pad_left <= 1;
}

#endif

/* Depthwise convolutions on x86. The rows under an output row are read in groups of as many as a unit of 4 bytes has
 * elements (4 int8, or 2 int16), and interleaved so that each channel's elements of one column and one group are one
 * unit: then one instruction multiplies and adds a whole unit for each channel. Where the groups have room for another
 * output row, two are computed from the same units, with filters that start at different rows.
 *
 * Packed constants: a header, then one block for every 4 * lanes channels, in the order in which interleaving leaves
 * them (lnt_interleaved_channel): 4 vectors, each with
 *     bias, multipliers, odd multipliers, as in gemm.h
 * then the filters of the first and of the second output row, each
 *     columns x groups x 4 vectors x lanes x unit
 * Elements are multiplied as x + 128, which the bias makes up for. */
#ifndef LNT_X86_DEPTHWISE_H
#define LNT_X86_DEPTHWISE_H

#include "scaling.h"

/* How a family wants its filters. */
typedef struct lnt_filters {
    uint32_t lanes;
    uint32_t unit; /* elements of a unit: 4 bytes or 2 words */
} lnt_filters;

/* Rows of input in units, for one output row or for two. */
static inline uint32_t lnt_row_groups(const lnt_op *op, uint32_t unit) { return (op->kernel_h + unit - 1) / unit; }

/* Whether two output rows have room in the groups of one. */
static inline bool lnt_rows_pair(const lnt_op *op, uint32_t unit) {
    return (uint32_t)op->kernel_h + op->stride_h <= lnt_row_groups(op, unit) * unit;
}

/* Units that one output value takes. */
static inline uint32_t lnt_window_units(const lnt_op *op, uint32_t unit) {
    return op->kernel_w * lnt_row_groups(op, unit);
}

/* Bytes of one output row's filters of a block. */
static inline size_t lnt_filter_bytes(const lnt_op *op, lnt_filters f) {
    return (size_t)lnt_window_units(op, f.unit) * 16 * f.lanes;
}

static inline size_t lnt_filter_block_bytes(const lnt_op *op, lnt_filters f) {
    return (size_t)48 * f.lanes + 2 * lnt_filter_bytes(op, f);
}

uint64_t lnt_depthwise_bytes(const lnt_params *p, lnt_filters f);
void lnt_depthwise_pack(const lnt_params *p, lnt_filters f, uint8_t *to);

#endif

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

/* Whether channel c lies in a last block that is at most half full. Such a block has all its channels twice, so that a
 * kernel may compute two output columns at once. */
static inline bool lnt_is_folded(const lnt_params *p, lnt_filters f, uint32_t c) {
    return p->out->channels - c / (4 * f.lanes) * (4 * f.lanes) <= 2 * f.lanes;
}

/* Where rows of input lie: a column every `step` bytes. Rows of padding have one column for all. */
typedef struct lnt_source_row {
    const int8_t *at; /* column x0, channel 0 of the block */
    size_t step;
} lnt_source_row;

/* One block of channels of one or two output rows. */
typedef struct lnt_filter_job {
    const lnt_params *p;
    const uint8_t *constants; /* of the block */
    size_t filter_bytes;
    lnt_source_row rows[LNT_MAX_KERNEL_H];
    const int8_t *padding; /* a column */
    int8_t *out[2];        /* the first output column, channel 0 of the block */
    uint32_t rows_out;     /* 1 or 2 */
    uint32_t channels;     /* of the block that there are */
    bool folded;
    uint32_t x0;
    uint32_t groups;
    uint32_t window; /* units of one output */
} lnt_filter_job;

/* Input column x of row i. */
static inline const int8_t *lnt_source(const lnt_filter_job *j, uint32_t i, int32_t x) {
    bool inside = x >= 0 && x < j->p->in->width;
    return inside ? j->rows[i].at + (size_t)((uint32_t)x - j->x0) * j->rows[i].step : j->padding;
}

/* Units of each channel of a block that are held on the stack, and units of the largest window that is taken: several
 * output columns share them. */
enum { LNT_HELD_UNITS = 72, LNT_MOST_UNITS = 36 };

/* A piece of a job whose interleaved input fits LNT_HELD_UNITS: output columns [first, first + count), counted from
 * where j->out points; their windows start at input column `left`. */
typedef void lnt_filter_piece(const lnt_filter_job *j, int32_t left, uint32_t first, uint32_t count);

typedef struct lnt_filter_isa {
    lnt_filters filters;
    lnt_filter_piece *run;
} lnt_filter_isa;

extern const lnt_filter_isa lnt_depthwise_avx512vnni;
extern const lnt_filter_isa lnt_depthwise_avxvnni;
extern const lnt_filter_isa lnt_depthwise_avx2;

extern const lnt_packing lnt_depthwise_avx512vnni_packing;
extern const lnt_packing lnt_depthwise_avxvnni_packing;
extern const lnt_packing lnt_depthwise_avx2_packing;

#endif

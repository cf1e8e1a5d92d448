/* Tensors that are never whole: the operator that reads one computes it on the way, a strip of columns at a time.
 *
 *     expand (1x1) ──► strip of new rows ──► depthwise ──► strip ──► project (1x1) ──► row of the output
 *                       │         ▲
 *                       ▼         │ rows that the last step left
 *                      kept rows ─┘
 *
 * An output row of the reader looks at a window of kernel_h rows. `kept` of them, whole, are there from the step
 * before. The others lie in strips just wide enough for a few output columns; when a strip has been used, those of its
 * rows that the next step wants are copied over kept rows that have died, and the columns that the next strip shares
 * move to its start. With kept < kernel_h - stride_h some rows are computed more than once, for less memory.
 */
#ifndef LNT_STRIPS_H
#define LNT_STRIPS_H

#include "internal.h"

/* The most strips that follow one another. */
#define LNT_MAX_STRIPS 3u

/* What one reader has to do with its strip tensor. */
typedef struct lnt_strip {
    const lnt_tensor *tensor;
    const lnt_placement *placement;
    uint32_t kernel_h; /* 1 for readers other than depthwise, and so on */
    uint32_t kernel_w;
    uint32_t stride_h;
    uint32_t stride_w;
    int32_t pad_top;
    int32_t pad_left;
    uint32_t kept;
    uint32_t kept_bytes; /* of one kept row */
} lnt_strip;

/* Steps with n = 0 that fill the kept rows before output row 0. */
static inline uint32_t lnt_strip_lead(const lnt_strip *s) { return (s->kept + s->stride_h - 1) / s->stride_h; }

/* Rows of a window that lie in strips. */
static inline uint32_t lnt_strip_fresh(const lnt_strip *s) { return s->kernel_h - s->kept; }

/* Output columns of the reader that one strip serves; 0 where it is too narrow for any. */
static inline uint32_t lnt_strip_columns(const lnt_strip *s) {
    uint32_t held = s->placement->row_bytes / s->tensor->channels;
    return held < s->kernel_w ? 0 : (held - s->kernel_w) / s->stride_w + 1;
}

static inline uint64_t lnt_strip_bytes(const lnt_strip *s) {
    return (uint64_t)s->kept * s->kept_bytes + (uint64_t)lnt_strip_fresh(s) * s->placement->row_bytes;
}

/* The tensor that op reads, which must be a strip. */
lnt_strip lnt_find_strip(const lnt_net *net, const lnt_op *op);

/* The operator that computes a tensor. */
const lnt_op *lnt_writer(const lnt_net *net, uint32_t tensor);

bool lnt_is_strip(const lnt_net *net, uint32_t tensor);

/* Whether a step of op computes strips on the way. */
bool lnt_reads_strip(const lnt_net *net, const lnt_op *op);

/* Rows [first, first + count) that the step of output row y (below 0: a leading step) computes, clipped to the tensor.
 * Rows among them that are kept are not computed; count is 0 where there is nothing to do. */
typedef struct lnt_row_range {
    uint32_t first;
    uint32_t count;
} lnt_row_range;
lnt_row_range lnt_strip_computed(const lnt_strip *s, int32_t y);

/* Columns of its output that an operator which reads a strip computes at a time, the narrowest strip deciding. */
uint32_t lnt_columns_at_once(const lnt_net *net, const lnt_op *op);

/* Run one step of an operator that reads a strip. */
void lnt_run_strips(const lnt_net *net, const lnt_step *step);

#endif

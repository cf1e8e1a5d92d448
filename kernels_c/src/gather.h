/* For kernels that multiply the first layer as a 1x1 convolution: the taps of an output pixel, collected. */
#ifndef LNT_GATHER_H
#define LNT_GATHER_H

#include "internal.h"

static inline uint32_t lnt_kernel_depth(const lnt_params *p) {
    return (uint32_t)p->op->kernel_h * p->op->kernel_w * p->in->channels;
}

/* The taps of the output pixels in row y, columns [x, x + count), kernel row by kernel row. from[i] becomes where those
 * of column x + i are: in `room`, which has `bytes` for each; what is behind the taps becomes 0. */
void lnt_gather(const lnt_params *params, const lnt_operands *operands, uint32_t y, uint32_t x, uint32_t count,
                const int8_t **from, int8_t *room, uint32_t bytes);

#endif

/* For kernels that multiply the first layer as a 1x1 convolution: the taps of an output pixel, collected. */
#ifndef LNT_GATHER_H
#define LNT_GATHER_H

#include "internal.h"

static inline uint32_t lnt_kernel_depth(const lnt_params *p) {
    return (uint32_t)p->op->kernel_h * p->op->kernel_w * p->in->channels;
}

/* The taps of the output pixels in row y, columns [x, x + count), kernel row by kernel row, to `room`: `bytes` for
 * each, of which those behind the taps become 0. */
void lnt_gather(const lnt_params *params, const lnt_operands *operands, uint32_t y, uint32_t x, uint32_t count,
                int8_t *room, uint32_t bytes);

#endif

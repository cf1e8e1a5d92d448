/* The windows of a convolution as rows of a matrix, a few at a time on the stack. */
#ifndef LNT_NEON_IM2COL_H
#define LNT_NEON_IM2COL_H

#include "../ref/ref.h"

/* What may be written beyond the last patch. */
enum { LNT_PATCH_SLACK = 16 };

/* Taps times input channels. */
static inline uint32_t lnt_patch_depth(const lnt_params *p) {
    return (uint32_t)p->op->kernel_h * p->op->kernel_w * p->in->channels;
}

static inline uint32_t lnt_patch_pitch(uint32_t depth) { return (depth + 15) / 16 * 16; }

/* Patches of outputs [x, x + n) of row y, H,W,I each, lnt_patch_pitch() apart; LNT_PATCH_SLACK bytes behind the last
 * may be written. end: first input column that must not be read. */
void lnt_im2col(const lnt_params *p, const lnt_rows *in, uint32_t y, uint32_t x, uint32_t n, uint32_t end, int8_t *to);

#endif

/* Matrix products of pixels with output channels: what pointwise, conv and fully_connected come down to.
 *
 * Packed constants: a header, then one panel for every `lanes` output channels:
 *     bias            lanes x int32
 *     multipliers     lanes x int32
 *     odd multipliers lanes x int32: those of odd lanes moved one lane down, for the products of odd lanes
 *     weights         units x lanes x 4 bytes: one unit is 4 int8, or 2 int16, along the depth
 * The depth is padded with zeros to whole units, the output channels to whole panels. Bytes are multiplied as x + 128,
 * which the bias makes up for; it wraps around as the sums do, so that the result is exact. */
#ifndef LNT_X86_GEMM_H
#define LNT_X86_GEMM_H

#include "scaling.h"

/* How a family wants its panels. */
typedef struct lnt_panels {
    uint32_t lanes;
    uint32_t unit; /* elements of a unit: 4 bytes or 2 words */
} lnt_panels;

/* Products of one output. */
static inline uint32_t lnt_depth(const lnt_params *p) {
    return (uint32_t)p->in->channels *
           (p->op->kind == LNT_OP_KIND_CONV ? (uint32_t)p->op->kernel_h * p->op->kernel_w : 1);
}

static inline uint32_t lnt_units(const lnt_params *p, uint32_t unit) { return (lnt_depth(p) + unit - 1) / unit; }

static inline size_t lnt_panel_bytes(uint32_t units, uint32_t lanes) { return (size_t)lanes * 4 * (units + 3); }

extern const lnt_packing lnt_avx512vnni_packing;
extern const lnt_packing lnt_avxvnni_packing;
extern const lnt_packing lnt_avx2_packing;

#endif

/* 1x1 convolution, with the shortcut of a residual block added in where there is one.
 * Rows: NHWC. Weights: pairs.h. The output may lie exactly over the shortcut. */
#include "pairs.h"

static uint64_t bytes(const lnt_params *p) { return lnt_pairs_bytes(p, p->in->channels); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_pack_pairs(p, p->in->channels, to); }

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    return lnt_pairs_scratch(p->in->channels, (uint64_t)n * xn);
}

#if LNT_DSP_HERE
static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_fetch in_place = {.depth = p->in->channels, .bytes = p->in->channels};
    lnt_run_pairs(p, o, range, &in_place);
}
#endif

static const lnt_packing packing = {.bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

const lnt_kernel q8_pointwise_dsp = {.name = "q8_pointwise_dsp",
                                     .run = LNT_DSP_RUN(run),
                                     .packing = &packing,
                                     .kind = LNT_OP_KIND_POINTWISE,
                                     .split = LNT_SPLIT_NONE,
                                     .channel_group = 8};

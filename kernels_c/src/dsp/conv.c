/* Convolution of any size, stride and padding over all input channels: the first layer of a network. Each output
 * pixel's taps are collected and multiplied as those of a 1x1 convolution are.
 * Rows: NHWC. Weights: pairs.h. */
#include "../gather.h"
#include "pairs.h"

static uint64_t bytes(const lnt_params *p) { return lnt_pairs_bytes(p, lnt_kernel_depth(p)); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_pack_pairs(p, lnt_kernel_depth(p), to); }

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    return lnt_pairs_scratch(lnt_kernel_depth(p), (uint64_t)n * xn);
}

#if LNT_DSP_HERE

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t depth = lnt_kernel_depth(p);
    const lnt_fetch collected = {.collect = lnt_gather, .depth = depth, .bytes = lnt_whole_words(depth)};
    lnt_run_pairs(p, o, range, &collected);
}

#endif

static const lnt_packing packing = {.bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

const lnt_kernel q8_conv_dsp = {.name = "q8_conv_dsp",
                                .run = LNT_DSP_RUN(run),
                                .packing = &packing,
                                .kind = LNT_OP_KIND_CONV,
                                .split = LNT_SPLIT_NONE,
                                .channel_group = 8};

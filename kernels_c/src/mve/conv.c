/* Convolution of any size, stride and padding over all input channels: the first layer of a network. Each output
 * pixel's taps are collected and multiplied as those of a 1x1 convolution are.
 * Rows: NHWC. Weights: product.h. */
#include "../gather.h"
#include "product.h"

static uint64_t bytes(const lnt_params *p) { return lnt_product_bytes(p, lnt_kernel_depth(p)); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_pack_product(p, lnt_kernel_depth(p), to); }

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    return lnt_product_scratch(lnt_whole_vectors(lnt_kernel_depth(p)), (uint64_t)n * xn);
}

#if LNT_MVE_HERE
static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_product collected = {.gather = lnt_gather, .depth = lnt_kernel_depth(p)};
    lnt_run_product(p, o, range, &collected);
}
#endif

static const lnt_packing packing = {
    .takes = lnt_product_takes, .bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

const lnt_kernel q8_conv_mve = {.name = "q8_conv_mve",
                                .run = LNT_MVE_RUN(run),
                                .packing = &packing,
                                .kind = LNT_OP_KIND_CONV,
                                .split = LNT_SPLIT_NONE,
                                .channel_group = 8};

/* 1x1 convolution, with the shortcut of a residual block added in where there is one.
 * Rows: NHWC. Weights: product.h. The output may lie exactly over the shortcut. */
#include "product.h"

static uint64_t bytes(const lnt_params *p) { return lnt_product_bytes(p, p->in->channels); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_pack_product(p, p->in->channels, to); }

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    (void)p;
    return lnt_product_scratch(0, (uint64_t)n * xn);
}

#if LNT_MVE_HERE
static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_product in_place = {.depth = p->in->channels};
    lnt_run_product(p, o, range, &in_place);
}
#endif

static const lnt_packing packing = {
    .takes = lnt_product_takes, .bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

const lnt_kernel q8_pointwise_mve = {.name = "q8_pointwise_mve",
                                     .run = LNT_MVE_RUN(run),
                                     .packing = &packing,
                                     .kind = LNT_OP_KIND_POINTWISE,
                                     .split = LNT_SPLIT_NONE,
                                     .channel_group = 8};

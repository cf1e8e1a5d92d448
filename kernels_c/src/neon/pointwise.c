/* 1x1 convolution, with the shortcut of a residual block added in where there is one.
 * Rows: NHWC. Weights: packed as in gemm_pack.h. The output may lie exactly over the shortcut (in2); nothing else may
 * overlap. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "gemm.h"
#include "unbroken.h"

static bool takes_pairs(const lnt_params *p) { return p->in->channels <= LNT_GEMM_PAIRS_DEPTH; }

static uint64_t bytes_pairs(const lnt_params *p) { return lnt_gemm_bytes(p, LNT_GEMM_PAIRS, p->in->channels); }

static void pack_pairs(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, LNT_GEMM_PAIRS, p->in->channels, to); }

static void run(const lnt_params *p, const lnt_operands *o, lnt_range r, lnt_gemm_function *gemm) {
    uint32_t depth = p->in->channels;
    uint32_t channels = p->out->channels;
    lnt_gemm g = {.packed = p->packed,
                  .narrow = lnt_narrow_of(p, lnt_gemm_head_of(p)->fits),
                  .x_pitch = depth,
                  .out_pitch = channels,
                  .depth = depth,
                  .c = r.c,
                  .cn = r.cn};
    uint32_t n;
    for (uint32_t y = r.y; y < r.y + r.n; y += n) {
        n = lnt_unbroken_rows(p, &o->in, depth, &r, y, r.y + r.n - y);
        n = lnt_unbroken_rows(p, &o->out, channels, &r, y, n);
        n = p->in2 ? lnt_unbroken_rows(p, &o->in2, channels, &r, y, n) : n;
        gemm(&g, lnt_pixel(&o->in, y, r.x, depth), lnt_pixel(&o->out, y, r.x, channels),
             p->in2 ? lnt_pixel(&o->in2, y, r.x, channels) : NULL, n * r.xn);
    }
}

#ifdef LNT_NEON64

static uint64_t bytes_fours(const lnt_params *p) { return lnt_gemm_bytes(p, LNT_GEMM_FOURS, p->in->channels); }

static void pack_fours(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, LNT_GEMM_FOURS, p->in->channels, to); }

static void run_dotprod(const lnt_params *p, const lnt_operands *o, lnt_range r) { run(p, o, r, lnt_gemm_dotprod); }

static const lnt_packing packing_fours = {.bytes = bytes_fours, .pack = pack_fours};

const lnt_kernel q8_pointwise_dotprod = {.name = "q8_pointwise_dotprod",
                                         .run = run_dotprod,
                                         .packing = &packing_fours,
                                         .kind = LNT_OP_KIND_POINTWISE,
                                         .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                         .channel_group = LNT_GEMM_CHANNELS};

#endif

static void run_pairs(const lnt_params *p, const lnt_operands *o, lnt_range r) { run(p, o, r, lnt_gemm_pairs); }

static const lnt_packing packing_pairs = {.takes = takes_pairs, .bytes = bytes_pairs, .pack = pack_pairs};

const lnt_kernel q8_pointwise_neon = {.name = "q8_pointwise_neon",
                                      .run = run_pairs,
                                      .packing = &packing_pairs,
                                      .kind = LNT_OP_KIND_POINTWISE,
                                      .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                      .channel_group = LNT_GEMM_CHANNELS};

#ifdef LNT_NEON64

static void run_inorder(const lnt_params *p, const lnt_operands *o, lnt_range r) {
    run(p, o, r, lnt_gemm_pairs_inorder);
}

const lnt_kernel q8_pointwise_inorder_neon = {.name = "q8_pointwise_inorder_neon",
                                              .run = run_inorder,
                                              .packing = &packing_pairs,
                                              .kind = LNT_OP_KIND_POINTWISE,
                                              .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                              .channel_group = LNT_GEMM_CHANNELS};

#endif

LNT_NEON_END

#endif

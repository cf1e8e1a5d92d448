/* The last layer: int32 logits with one scale, not saturated.
 * Input: 1x1xI int8. Output: 1x1xO int32. Weights: packed as in gemm_pack.h. Nothing may overlap. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "gemm.h"

static bool takes_pairs(const lnt_params *p) { return p->in->channels <= LNT_GEMM_PAIRS_DEPTH; }

static uint64_t bytes_pairs(const lnt_params *p) { return lnt_gemm_bytes(p, LNT_GEMM_PAIRS, p->in->channels); }

static void pack_pairs(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, LNT_GEMM_PAIRS, p->in->channels, to); }

static void run(const lnt_params *p, const lnt_operands *o, lnt_range r, lnt_gemm_int32_function *gemm) {
    lnt_gemm g = {
        .packed = p->packed, .narrow = lnt_narrow_of(p, false), .depth = p->in->channels, .c = r.c, .cn = r.cn};
    gemm(&g, (const int8_t *)o->in.base, (int32_t *)(void *)o->out.base);
}

#ifdef LNT_NEON64

static uint64_t bytes_fours(const lnt_params *p) { return lnt_gemm_bytes(p, LNT_GEMM_FOURS, p->in->channels); }

static void pack_fours(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, LNT_GEMM_FOURS, p->in->channels, to); }

static void run_dotprod(const lnt_params *p, const lnt_operands *o, lnt_range r) {
    run(p, o, r, lnt_gemm_dotprod_int32);
}

static const lnt_packing packing_fours = {.bytes = bytes_fours, .pack = pack_fours};

const lnt_kernel q8_fully_connected_dotprod = {.name = "q8_fully_connected_dotprod",
                                               .run = run_dotprod,
                                               .packing = &packing_fours,
                                               .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                               .split = LNT_SPLIT_CHANNELS,
                                               .channel_group = LNT_GEMM_CHANNELS};

#endif

static void run_pairs(const lnt_params *p, const lnt_operands *o, lnt_range r) { run(p, o, r, lnt_gemm_pairs_int32); }

static const lnt_packing packing_pairs = {.takes = takes_pairs, .bytes = bytes_pairs, .pack = pack_pairs};

const lnt_kernel q8_fully_connected_neon = {.name = "q8_fully_connected_neon",
                                            .run = run_pairs,
                                            .packing = &packing_pairs,
                                            .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                            .split = LNT_SPLIT_CHANNELS,
                                            .channel_group = LNT_GEMM_CHANNELS};

LNT_NEON_END

#endif

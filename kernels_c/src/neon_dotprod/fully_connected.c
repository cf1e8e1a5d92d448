/* The last layer with sdot: int32 logits with one scale, not saturated.
 * Input: 1x1xI int8. Output: 1x1xO int32. Weights: packed as in gemm.h. Nothing may overlap. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "gemm.h"

static uint64_t bytes(const lnt_params *p) { return lnt_gemm_bytes(p->in->channels, p->out->channels); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, p->in->channels, to); }

static void run(const lnt_params *p, const lnt_operands *o, lnt_range r) {
    lnt_gemm g = {
        .packed = p->packed, .narrow = lnt_narrow_of(p, false), .depth = p->in->channels, .c = r.c, .cn = r.cn};
    lnt_gemm_run_int32(&g, (const int8_t *)o->in.base, (int32_t *)(void *)o->out.base);
}

static const lnt_packing packing = {.bytes = bytes, .pack = pack};

const lnt_kernel q8_fully_connected_dotprod = {.name = "q8_fully_connected_dotprod",
                                               .run = run,
                                               .packing = &packing,
                                               .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                               .split = LNT_SPLIT_CHANNELS,
                                               .channel_group = LNT_GEMM_CHANNELS};

#endif

/* The last layer, with AVX-512 VNNI: int32 logits.
 * Input: 1x1xI int8. Output: 1x1xO int32. Nothing may overlap. 30 KB of stack. */
#include "gemm_avx512.h"
#include "x86.h"

#ifdef LNT_X86

LNT_AVX512 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_block512 block;
    lnt_begin_blocks512(p, &block, 1);
    lnt_copy_pixel512(block.x, (const int8_t *)o->in.base, p->in->channels, block.depth);
    block.out[0] = (int8_t *)o->out.base;
    block.in2[0] = NULL;
    block.count = 1;
    lnt_gemm512(p, &block, range.c, range.cn);
}

static const lnt_packing packing = {.takes = lnt_gemm512_takes, .bytes = lnt_gemm512_bytes, .pack = lnt_gemm512_pack};

const lnt_kernel q8_fully_connected_avx512vnni = {.name = "q8_fully_connected_avx512vnni",
                                                  .run = run,
                                                  .packing = &packing,
                                                  .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                                  .split = LNT_SPLIT_CHANNELS,
                                                  .channel_group = LNT_LANES512};
#endif

/* The last layer: int32 logits. Input: 1x1xI int8. Output: 1x1xO int32. Nothing may overlap. 32 KB of stack. */
#include "block.h"
#include "x86.h"

#ifdef LNT_X86

static void run(const lnt_isa *isa, const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_block block;
    lnt_block_begin(isa, p, &block, 1);
    isa->copy(block.x, 0, (const int8_t *)o->in.base, 0, p->in->channels, 1);
    block.out[0] = (int8_t *)o->out.base;
    block.count = 1;
    isa->multiply(p, &block, range.c, range.cn);
}

static void run_avx512vnni(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(&lnt_avx512vnni, p, o, range);
}

const lnt_kernel q8_fully_connected_avx512vnni = {.name = "q8_fully_connected_avx512vnni",
                                                  .run = run_avx512vnni,
                                                  .packing = &lnt_avx512vnni_packing,
                                                  .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                                  .split = LNT_SPLIT_CHANNELS,
                                                  .channel_group = 16};

static void run_avxvnni(const lnt_params *p, const lnt_operands *o, lnt_range range) { run(&lnt_avxvnni, p, o, range); }

const lnt_kernel q8_fully_connected_avxvnni = {.name = "q8_fully_connected_avxvnni",
                                               .run = run_avxvnni,
                                               .packing = &lnt_avxvnni_packing,
                                               .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                               .split = LNT_SPLIT_CHANNELS,
                                               .channel_group = 8};

static void run_avx2(const lnt_params *p, const lnt_operands *o, lnt_range range) { run(&lnt_avx2, p, o, range); }

const lnt_kernel q8_fully_connected_avx2 = {.name = "q8_fully_connected_avx2",
                                            .run = run_avx2,
                                            .packing = &lnt_avx2_packing,
                                            .kind = LNT_OP_KIND_FULLY_CONNECTED,
                                            .split = LNT_SPLIT_CHANNELS,
                                            .channel_group = 8};
#endif

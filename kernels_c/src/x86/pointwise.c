/* 1x1 convolution, with the shortcut of a residual block added in where there is one.
 * Rows: NHWC. The output may lie exactly over the shortcut (in2); nothing else may overlap. 32 KB of stack. */
#include "block.h"
#include "x86.h"

#ifdef LNT_X86

/* Consecutive pixels of one row to the block's end. */
static void add_pixels(const lnt_isa *isa, const lnt_params *p, const lnt_operands *o, lnt_block *block, uint32_t y,
                       uint32_t x, uint32_t count) {
    uint32_t depth = p->in->channels, channels = p->out->channels;
    const int8_t *in = lnt_pixel(&o->in, y, x, depth);
    int8_t *out = lnt_pixel(&o->out, y, x, channels);
    const int8_t *in2 = p->in2 ? lnt_pixel(&o->in2, y, x, channels) : NULL;
    uint8_t *to = block->x + (size_t)block->count * block->depth;
    if (depth * isa->element == block->depth) {
        isa->copy(to, 0, in, 0, (size_t)count * depth, 1);
    } else {
        isa->copy(to, block->depth, in, depth, depth, count);
    }
    for (uint32_t i = 0; i < count; i++, out += channels) {
        block->out[block->count + i] = out;
    }
    for (uint32_t i = 0; in2 && i < count; i++, in2 += channels) {
        block->in2[block->count + i] = in2;
    }
    block->count += count;
}

static void run(const lnt_isa *isa, const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_block block;
    uint32_t left = range.n * range.xn, y = range.y, x = range.x, end = range.x + range.xn;
    lnt_block_begin(isa, p, &block, left);
    for (; left != 0; left -= block.count) {
        block.count = 0;
        while (block.count < block.most && block.count < left) {
            uint32_t room = block.most - block.count;
            uint32_t count = end - x < room ? end - x : room;
            add_pixels(isa, p, o, &block, y, x, count);
            x += count;
            if (x == end) {
                x = range.x;
                y++;
            }
        }
        isa->multiply(p, &block, range.c, range.cn);
    }
}

static void run_avx512vnni(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(&lnt_avx512vnni, p, o, range);
}

const lnt_kernel q8_pointwise_avx512vnni = {.name = "q8_pointwise_avx512vnni",
                                            .run = run_avx512vnni,
                                            .packing = &lnt_avx512vnni_packing,
                                            .kind = LNT_OP_KIND_POINTWISE,
                                            .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                            .channel_group = 16};

static void run_avxvnni(const lnt_params *p, const lnt_operands *o, lnt_range range) { run(&lnt_avxvnni, p, o, range); }

const lnt_kernel q8_pointwise_avxvnni = {.name = "q8_pointwise_avxvnni",
                                         .run = run_avxvnni,
                                         .packing = &lnt_avxvnni_packing,
                                         .kind = LNT_OP_KIND_POINTWISE,
                                         .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                         .channel_group = 8};

static void run_avx2(const lnt_params *p, const lnt_operands *o, lnt_range range) { run(&lnt_avx2, p, o, range); }

const lnt_kernel q8_pointwise_avx2 = {.name = "q8_pointwise_avx2",
                                      .run = run_avx2,
                                      .packing = &lnt_avx2_packing,
                                      .kind = LNT_OP_KIND_POINTWISE,
                                      .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                      .channel_group = 8};
#endif

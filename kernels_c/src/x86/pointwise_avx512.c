/* 1x1 convolution, with the shortcut of a residual block added in where there is one, with AVX-512 VNNI.
 * Rows: NHWC. The output may lie exactly over the shortcut (in2); nothing else may overlap. 30 KB of stack. */
#include "gemm_avx512.h"
#include "x86.h"

#ifdef LNT_X86

/* Consecutive pixels of one row to the block's end. */
LNT_AVX512 static void add_pixels(const lnt_params *p, const lnt_operands *o, lnt_block512 *block, uint32_t y,
                                  uint32_t x, uint32_t count) {
    uint32_t depth = p->in->channels, channels = p->out->channels;
    const int8_t *in = lnt_pixel(&o->in, y, x, depth);
    int8_t *out = lnt_pixel(&o->out, y, x, channels);
    const int8_t *in2 = p->in2 ? lnt_pixel(&o->in2, y, x, channels) : NULL;
    uint8_t *to = block->x + (size_t)block->count * block->depth;
    if (depth == block->depth) {
        lnt_copy_unsigned512(to, in, (size_t)count * depth);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (depth != block->depth) {
            lnt_copy_pixel512(to + (size_t)i * block->depth, in + (size_t)i * depth, depth, block->depth);
        }
        block->out[block->count + i] = out + (size_t)i * channels;
        block->in2[block->count + i] = in2 ? in2 + (size_t)i * channels : NULL;
    }
    block->count += count;
}

LNT_AVX512 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_block512 block;
    uint32_t left = range.n * range.xn, y = range.y, x = range.x, end = range.x + range.xn;
    lnt_begin_blocks512(p, &block, left);
    for (; left != 0; left -= block.count) {
        block.count = 0;
        while (block.count < block.most && block.count < left) {
            uint32_t room = block.most - block.count;
            uint32_t count = end - x < room ? end - x : room;
            add_pixels(p, o, &block, y, x, count);
            x += count;
            if (x == end) {
                x = range.x;
                y++;
            }
        }
        lnt_gemm512(p, &block, range.c, range.cn);
    }
}

static const lnt_packing packing = {.takes = lnt_gemm512_takes, .bytes = lnt_gemm512_bytes, .pack = lnt_gemm512_pack};

const lnt_kernel q8_pointwise_avx512vnni = {.name = "q8_pointwise_avx512vnni",
                                            .run = run,
                                            .packing = &packing,
                                            .kind = LNT_OP_KIND_POINTWISE,
                                            .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                            .channel_group = LNT_LANES512};
#endif

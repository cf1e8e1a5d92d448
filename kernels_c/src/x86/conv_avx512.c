/* Convolution of any size, stride and padding over all input channels, with AVX-512 VNNI: windows are copied to the
 * stack, then multiplied like pixels. Rows: NHWC. Nothing may overlap. 30 KB of stack. */
#include <string.h>

#include "../ref/ref.h"
#include "../ref/window.h"
#include "gemm_avx512.h"
#include "x86.h"

#ifdef LNT_X86

static void copy_padding(const lnt_params *p, uint8_t *to, uint32_t taps) {
    const int8_t *values = lnt_int8_data(p, p->op->pad_values);
    for (uint32_t i = 0; i < taps; i++) {
        for (uint32_t c = 0; c < p->in->channels; c++) {
            *to++ = (uint8_t)values[c] ^ 0x80;
        }
    }
}

/* The window of output (y, x). */
LNT_AVX512 static void add_window(const lnt_params *p, const lnt_operands *o, lnt_block512 *block, uint32_t y,
                                  uint32_t x) {
    const lnt_op *op = p->op;
    uint32_t channels = p->in->channels, row_bytes = op->kernel_w * channels;
    lnt_taps rows = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height);
    lnt_taps columns = lnt_find_taps(x, op->stride_w, op->pad_left, op->kernel_w, p->in->width);
    uint8_t *to = block->x + (size_t)block->count * block->depth;
    for (uint32_t i = 0; i < op->kernel_h; i++, to += row_bytes) {
        if (i < rows.from || i >= rows.to) {
            copy_padding(p, to, op->kernel_w);
            continue;
        }
        uint32_t first = (uint32_t)(columns.start + (int32_t)columns.from);
        const int8_t *in = lnt_pixel(&o->in, (uint32_t)rows.start + i, first, channels);
        copy_padding(p, to, columns.from);
        lnt_copy_unsigned512(to + columns.from * channels, in, (columns.to - columns.from) * channels);
        copy_padding(p, to + columns.to * channels, op->kernel_w - columns.to);
    }
    memset(to, 0, block->depth - op->kernel_h * row_bytes);
    block->out[block->count] = lnt_pixel(&o->out, y, x, p->out->channels);
    block->count++;
}

LNT_AVX512 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_block512 block;
    lnt_begin_blocks512(p, &block, range.n * range.xn);
    block.in2[0] = NULL;
    block.count = 0;
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        for (uint32_t x = range.x; x < range.x + range.xn; x++) {
            add_window(p, o, &block, y, x);
            if (block.count == block.most) {
                lnt_gemm512(p, &block, range.c, range.cn);
                block.count = 0;
            }
        }
    }
    lnt_gemm512(p, &block, range.c, range.cn);
}

static const lnt_packing packing = {.takes = lnt_gemm512_takes, .bytes = lnt_gemm512_bytes, .pack = lnt_gemm512_pack};

const lnt_kernel q8_conv_avx512vnni = {.name = "q8_conv_avx512vnni",
                                       .run = run,
                                       .packing = &packing,
                                       .kind = LNT_OP_KIND_CONV,
                                       .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                       .channel_group = LNT_LANES512};
#endif

/* Convolution of any size, stride and padding over all input channels, with AVX-512 VNNI: windows are copied to the
 * stack, then multiplied like pixels. Rows: NHWC. Nothing may overlap. 30 KB of stack. */
#include <string.h>

#include "../ref/ref.h"
#include "../ref/window.h"
#include "gemm_avx512.h"
#include "x86.h"

#ifdef LNT_X86

/* The windows of one output row. */
typedef struct windows {
    const lnt_params *p;
    const int8_t *row[LNT_MAX_KERNEL_H]; /* column x0; NULL: padding */
    uint32_t x0;
    uint32_t row_bytes; /* of a window */
    uint32_t inside;    /* output columns [inside, outside) whose windows need no padding to the left or right */
    uint32_t outside;
} windows;

static windows find_windows(const lnt_params *p, const lnt_operands *o, uint32_t y) {
    const lnt_op *op = p->op;
    windows w = {.p = p, .x0 = o->in.x0, .row_bytes = (uint32_t)op->kernel_w * p->in->channels};
    w.inside = ((uint32_t)op->pad_left + op->stride_w - 1) / op->stride_w;
    if (p->in->width + op->pad_left >= op->kernel_w) {
        w.outside = ((uint32_t)p->in->width + op->pad_left - op->kernel_w) / op->stride_w + 1;
    }
    lnt_taps rows = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height);
    for (uint32_t i = rows.from; i < rows.to; i++) {
        w.row[i] = (const int8_t *)lnt_row(&o->in, (uint32_t)rows.start + i);
    }
    return w;
}

static void copy_padding(const lnt_params *p, uint8_t *to, uint32_t taps) {
    const int8_t *values = lnt_int8_data(p, p->op->pad_values);
    for (uint32_t i = 0; i < taps; i++) {
        for (uint32_t c = 0; c < p->in->channels; c++) {
            *to++ = (uint8_t)values[c] ^ 0x80;
        }
    }
}

/* A window that may reach over the left or right border. */
LNT_AVX512 static void copy_any_window(const windows *w, uint32_t x, uint8_t *to) {
    const lnt_op *op = w->p->op;
    uint32_t channels = w->p->in->channels;
    lnt_taps taps = lnt_find_taps(x, op->stride_w, op->pad_left, op->kernel_w, w->p->in->width);
    uint32_t first = (uint32_t)(taps.start + (int32_t)taps.from) - w->x0;
    for (uint32_t i = 0; i < op->kernel_h; i++, to += w->row_bytes) {
        if (w->row[i] == NULL) {
            copy_padding(w->p, to, op->kernel_w);
            continue;
        }
        copy_padding(w->p, to, taps.from);
        lnt_copy_unsigned512(to + taps.from * channels, w->row[i] + (size_t)first * channels,
                             (size_t)(taps.to - taps.from) * channels);
        copy_padding(w->p, to + taps.to * channels, op->kernel_w - taps.to);
    }
}

/* The usual case has a loop of its own: 3x3 windows over 3 channels have rows of 9 bytes. */
LNT_INLINE LNT_AVX512 void copy_window(const windows *w, uint32_t x, uint8_t *to) {
    const lnt_op *op = w->p->op;
    if (x < w->inside || x >= w->outside || w->row_bytes > 64) {
        copy_any_window(w, x, to);
        return;
    }
    __mmask64 mask = ~(__mmask64)0 >> (64 - w->row_bytes);
    size_t first = (size_t)(x * op->stride_w - op->pad_left - w->x0) * w->p->in->channels;
    for (uint32_t i = 0; i < op->kernel_h; i++, to += w->row_bytes) {
        if (w->row[i] == NULL) {
            copy_padding(w->p, to, op->kernel_w);
            continue;
        }
        __m512i row = _mm512_maskz_loadu_epi8(mask, w->row[i] + first);
        _mm512_mask_storeu_epi8(to, mask, _mm512_xor_si512(row, _mm512_set1_epi8(-128)));
    }
}

LNT_AVX512 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_block512 block;
    uint32_t depth = lnt_depth(p), channels = p->out->channels;
    lnt_begin_blocks512(p, &block, range.n * range.xn);
    for (uint32_t i = 0; i < block.most; i++) {
        memset(block.x + (size_t)i * block.depth + depth, 0, block.depth - depth);
    }
    block.in2[0] = NULL;
    block.count = 0;
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        windows w = find_windows(p, o, y);
        int8_t *out = lnt_pixel(&o->out, y, range.x, channels);
        for (uint32_t x = range.x; x < range.x + range.xn; x++, out += channels) {
            copy_window(&w, x, block.x + (size_t)block.count * block.depth);
            block.out[block.count++] = out;
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

/* Convolution of any size, stride and padding over all input channels: windows are copied to the stack, then multiplied
 * like pixels. Rows: NHWC. Nothing may overlap. 32 KB of stack. */
#include "../ref/ref.h"
#include "../ref/window.h"
#include "block.h"
#include "x86.h"

#ifdef LNT_X86

/* The windows of one output row. */
typedef struct windows {
    const lnt_isa *isa;
    const lnt_params *p;
    const int8_t *row[LNT_MAX_KERNEL_H]; /* column x0; NULL: padding */
    uint32_t x0;
    uint32_t row_bytes; /* of a window in the block */
    uint32_t depth;     /* bytes from window to window there */
    uint32_t inside;    /* output columns [inside, outside) whose windows need no padding to the left or right */
    uint32_t outside;
} windows;

static void find_windows(windows *w, const lnt_operands *o, uint32_t y) {
    const lnt_op *op = w->p->op;
    lnt_taps rows = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, w->p->in->height);
    for (uint32_t i = 0; i < op->kernel_h; i++) {
        bool there = i >= rows.from && i < rows.to;
        w->row[i] = there ? (const int8_t *)lnt_row(&o->in, (uint32_t)rows.start + i) : NULL;
    }
}

static void copy_padding(const windows *w, uint8_t *to, uint32_t taps) {
    uint32_t channels = w->p->in->channels;
    w->isa->copy(to, (size_t)channels * w->isa->element, lnt_int8_data(w->p, w->p->op->pad_values), 0, channels, taps);
}

/* A window that may reach over the left or right border. */
static void copy_border(const windows *w, uint32_t x, uint8_t *to) {
    const lnt_op *op = w->p->op;
    uint32_t channels = w->p->in->channels, pixel = channels * w->isa->element;
    lnt_taps taps = lnt_find_taps(x, op->stride_w, op->pad_left, op->kernel_w, w->p->in->width);
    uint32_t first = (uint32_t)(taps.start + (int32_t)taps.from) - w->x0;
    for (uint32_t i = 0; i < op->kernel_h; i++, to += w->row_bytes) {
        if (w->row[i] == NULL) {
            copy_padding(w, to, op->kernel_w);
            continue;
        }
        copy_padding(w, to, taps.from);
        w->isa->copy(to + taps.from * pixel, 0, w->row[i] + (size_t)first * channels, 0,
                     (size_t)(taps.to - taps.from) * channels, 1);
        copy_padding(w, to + taps.to * pixel, op->kernel_w - taps.to);
    }
}

/* Windows that need no padding to the left or right. */
static void copy_inside(const windows *w, uint32_t x, uint32_t count, uint8_t *to) {
    const lnt_op *op = w->p->op;
    size_t channels = w->p->in->channels, first = (size_t)(x * op->stride_w - op->pad_left - w->x0) * channels;
    for (uint32_t i = 0; i < op->kernel_h; i++, to += w->row_bytes) {
        if (w->row[i] != NULL) {
            w->isa->copy(to, w->depth, w->row[i] + first, op->stride_w * channels, op->kernel_w * channels, count);
            continue;
        }
        for (uint32_t k = 0; k < count; k++) {
            copy_padding(w, to + (size_t)k * w->depth, op->kernel_w);
        }
    }
}

/* Windows of one row to the block's end; returns how many, as there is room for. */
static uint32_t add_windows(const windows *w, lnt_block *block, uint32_t x, uint32_t end) {
    uint8_t *to = block->x + (size_t)block->count * block->depth;
    uint32_t room = block->most - block->count;
    if (x < w->inside || x >= w->outside) {
        copy_border(w, x, to);
        return 1;
    }
    uint32_t count = (end < w->outside ? end : w->outside) - x;
    count = count < room ? count : room;
    copy_inside(w, x, count, to);
    return count;
}

static void run(const lnt_isa *isa, const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_block block;
    const lnt_op *op = p->op;
    lnt_block_begin(isa, p, &block, range.n * range.xn);
    windows w = {.isa = isa, .p = p, .x0 = o->in.x0, .depth = block.depth};
    w.row_bytes = op->kernel_w * p->in->channels * isa->element;
    w.inside = ((uint32_t)op->pad_left + op->stride_w - 1) / op->stride_w;
    if (p->in->width + op->pad_left >= op->kernel_w) {
        w.outside = ((uint32_t)p->in->width + op->pad_left - op->kernel_w) / op->stride_w + 1;
    }
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        find_windows(&w, o, y);
        int8_t *out = lnt_pixel(&o->out, y, range.x, p->out->channels);
        for (uint32_t x = range.x, end = range.x + range.xn; x < end;) {
            uint32_t count = add_windows(&w, &block, x, end);
            x += count;
            for (; count != 0; count--, out += p->out->channels) {
                block.out[block.count++] = out;
            }
            if (block.count == block.most) {
                isa->multiply(p, &block, range.c, range.cn);
                block.count = 0;
            }
        }
    }
    isa->multiply(p, &block, range.c, range.cn);
}

static void run_avx512vnni(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(&lnt_avx512vnni, p, o, range);
}

const lnt_kernel q8_conv_avx512vnni = {.name = "q8_conv_avx512vnni",
                                       .run = run_avx512vnni,
                                       .packing = &lnt_avx512vnni_packing,
                                       .kind = LNT_OP_KIND_CONV,
                                       .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                       .channel_group = 16};

static void run_avxvnni(const lnt_params *p, const lnt_operands *o, lnt_range range) { run(&lnt_avxvnni, p, o, range); }

const lnt_kernel q8_conv_avxvnni = {.name = "q8_conv_avxvnni",
                                    .run = run_avxvnni,
                                    .packing = &lnt_avxvnni_packing,
                                    .kind = LNT_OP_KIND_CONV,
                                    .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                    .channel_group = 8};

static void run_avx2(const lnt_params *p, const lnt_operands *o, lnt_range range) { run(&lnt_avx2, p, o, range); }

const lnt_kernel q8_conv_avx2 = {.name = "q8_conv_avx2",
                                 .run = run_avx2,
                                 .packing = &lnt_avx2_packing,
                                 .kind = LNT_OP_KIND_CONV,
                                 .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                 .channel_group = 8};
#endif

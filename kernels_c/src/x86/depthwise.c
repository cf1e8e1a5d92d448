/* Depthwise convolution of nearly any size, stride and padding: a block of channels at a time, two output rows at a
 * time where they share their input (depthwise.h). Rows: NHWC. Nothing may overlap. 20 KB of stack: the interleaved
 * columns under a piece of the output row. */
#include "depthwise.h"

#include "x86.h"

#ifdef LNT_X86
#include <string.h>

enum { MOST_LANES = 16 };

/* Find the rows under output row y, and under the next one if there are two; others count as padding. */
static void find_rows(lnt_filter_job *j, const lnt_operands *o, uint32_t y, uint32_t c) {
    const lnt_params *p = j->p;
    const lnt_op *op = p->op;
    int32_t top = (int32_t)(y * op->stride_h) - op->pad_top;
    for (uint32_t i = 0; i < LNT_MAX_KERNEL_H; i++) {
        int32_t at = top + (int32_t)i;
        bool second = j->rows_out == 2 && i >= op->stride_h && i < (uint32_t)op->stride_h + op->kernel_h;
        j->rows[i] = (lnt_source_row){.at = j->padding, .step = 0};
        if ((i < op->kernel_h || second) && at >= 0 && at < p->in->height) {
            const int8_t *row = (const int8_t *)lnt_row(&o->in, (uint32_t)at) + c;
            j->rows[i] = (lnt_source_row){.at = row, .step = p->in->channels};
        }
    }
}

static void run_columns(const lnt_filter_isa *isa, const lnt_filter_job *j, uint32_t x, uint32_t xn) {
    uint32_t stride = j->p->op->stride_w, kernel = j->p->op->kernel_w;
    uint32_t most = (LNT_HELD_UNITS / j->groups - kernel) / stride + 1;
    uint32_t pieces = (xn + most - 1) / most;
    for (uint32_t i = 0; i < pieces; i++) {
        uint32_t from = xn * i / pieces, end = xn * (i + 1) / pieces;
        isa->run(j, (int32_t)((x + from) * stride) - j->p->op->pad_left, from, end - from);
    }
}

static void run(const lnt_filter_isa *isa, const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    lnt_filters f = isa->filters;
    int8_t padding[4 * MOST_LANES];
    memset(padding, p->in->zero_point, sizeof padding);
    lnt_filter_job j = {.p = p, .padding = padding, .x0 = o->in.x0};
    j.groups = lnt_row_groups(op, f.unit);
    j.window = lnt_window_units(op, f.unit);
    j.filter_bytes = lnt_filter_bytes(op, f);
    uint32_t block = 4 * f.lanes, end = range.c + range.cn;
    for (uint32_t y = range.y; y < range.y + range.n; y += j.rows_out) {
        j.rows_out = range.y + range.n - y >= 2 && lnt_rows_pair(op, f.unit) ? 2 : 1;
        for (uint32_t c = range.c; c < end; c += block) {
            find_rows(&j, o, y, c);
            j.constants = p->packed + LNT_SCALING_BYTES + c / block * lnt_filter_block_bytes(op, f);
            j.folded = lnt_is_folded(p, f, c);
            j.channels = end - c < block ? end - c : block;
            for (uint32_t i = 0; i < j.rows_out; i++) {
                j.out[i] = lnt_pixel(&o->out, y + i, range.x, p->out->channels) + c;
            }
            run_columns(isa, &j, range.x, range.xn);
        }
    }
}

static void run_avx512vnni(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(&lnt_depthwise_avx512vnni, p, o, range);
}

const lnt_kernel q8_depthwise_avx512vnni = {.name = "q8_depthwise_avx512vnni",
                                            .run = run_avx512vnni,
                                            .packing = &lnt_depthwise_avx512vnni_packing,
                                            .kind = LNT_OP_KIND_DEPTHWISE,
                                            .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                            .channel_group = 64};

static void run_avxvnni(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(&lnt_depthwise_avxvnni, p, o, range);
}

const lnt_kernel q8_depthwise_avxvnni = {.name = "q8_depthwise_avxvnni",
                                         .run = run_avxvnni,
                                         .packing = &lnt_depthwise_avxvnni_packing,
                                         .kind = LNT_OP_KIND_DEPTHWISE,
                                         .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                         .channel_group = 32};

static void run_avx2(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(&lnt_depthwise_avx2, p, o, range);
}

const lnt_kernel q8_depthwise_avx2 = {.name = "q8_depthwise_avx2",
                                      .run = run_avx2,
                                      .packing = &lnt_depthwise_avx2_packing,
                                      .kind = LNT_OP_KIND_DEPTHWISE,
                                      .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                      .channel_group = 32};
#endif

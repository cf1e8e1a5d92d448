/* Depthwise convolution with sdot, up to eight rows high.
 * Rows: NHWC. Weights: packed as in depthwise.h. A tap outside the input reads the input's zero point. Nothing may
 * overlap. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "depthwise.h"

#include "../ref/window.h"

/* Outputs for which a block's weights should stay in registers or close by, before the next block's turn. */
enum { OUTPUTS = 56 };

static bool takes(const lnt_params *p) { return p->op->kernel_h <= LNT_DEPTHWISE_MAX_H; }

static bool is_3x3(const lnt_op *op) {
    return op->kernel_h == 3 && op->kernel_w == 3 && op->stride_w <= 2 && op->pad_left <= 1;
}

/* One output row, channels [c, c + own) of the block. */
static void run_row(const lnt_params *p, const lnt_operands *o, const lnt_range *range, const lnt_narrow *narrow,
                    uint32_t y, uint32_t c, uint32_t own) {
    const lnt_op *op = p->op;
    uint32_t channels = p->out->channels;
    lnt_depthwise_row r = {
        .block = (const void *)(p->packed + c / LNT_DEPTHWISE_CHANNELS * lnt_depthwise_block_bytes(op)),
        .narrow = narrow,
        .out = lnt_pixel(&o->out, y, range->x, channels) + c,
        .out_pitch = channels,
        .x = (int32_t)(range->x * op->stride_w) - op->pad_left,
        .n = range->xn,
        .width = p->in->width,
        .own = own,
    };
    bool small = is_3x3(op);
    uint32_t first = !small ? o->in.x0 : r.x > 0 ? (uint32_t)r.x : 0;
    r.first = (int32_t)first;
    lnt_taps taps = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height);
    for (uint32_t i = 0; i < op->kernel_h; i++) {
        bool there = i >= taps.from && i < taps.to;
        r.at[i] = there ? lnt_pixel(&o->in, (uint32_t)taps.start + i, first, channels) + c : r.block->zero;
        r.pitch[i] = there ? channels : 0;
    }
    if (small) {
        lnt_depthwise_row_3x3(&r, op->stride_w);
    } else {
        lnt_depthwise_row_any(&r, op);
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_narrow narrow = lnt_narrow_of(p, true);
    uint32_t rows = OUTPUTS / range.xn + 1;
    uint32_t end = range.y + range.n;
    for (uint32_t y = range.y; y < end; y += rows) {
        uint32_t to = end - y < rows ? end : y + rows;
        for (uint32_t c = range.c; c < range.c + range.cn; c += LNT_DEPTHWISE_CHANNELS) {
            uint32_t left = range.c + range.cn - c;
            for (uint32_t row = y; row < to; row++) {
                run_row(p, o, &range, &narrow, row, c, left < LNT_DEPTHWISE_CHANNELS ? left : LNT_DEPTHWISE_CHANNELS);
            }
        }
    }
}

static const lnt_packing packing = {.takes = takes, .bytes = lnt_depthwise_bytes, .pack = lnt_depthwise_pack};

const lnt_kernel q8_depthwise_dotprod = {.name = "q8_depthwise_dotprod",
                                         .run = run,
                                         .packing = &packing,
                                         .kind = LNT_OP_KIND_DEPTHWISE,
                                         .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                         .channel_group = LNT_DEPTHWISE_CHANNELS};

#endif

/* Depthwise convolution, up to eight rows high.
 * Rows: NHWC. Weights: packed as in depthwise.h. A tap outside the input reads the input's zero point. Nothing may
 * overlap. */
#include "neon.h"

#ifdef LNT_NEON64

#include "../ref/window.h"
#include "depthwise.h"

static bool takes(const lnt_params *p) { return p->op->kernel_h <= LNT_DEPTHWISE_MAX_H; }

/* One output row, all but what depends on the channels; at[] and out are those of channel 0. */
static lnt_depthwise_row row_of(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t y,
                                lnt_taps taps) {
    const lnt_op *op = p->op;
    uint32_t channels = p->out->channels;
    lnt_depthwise_row r = {
        .out = lnt_pixel(&o->out, y, range->x, channels),
        .out_pitch = channels,
        .x = (int32_t)(range->x * op->stride_w) - op->pad_left,
        .n = range->xn,
        .width = p->in->width,
    };
    r.first = !lnt_depthwise_is_3x3(op) ? (int32_t)o->in.x0 : r.x > 0 ? r.x : 0;
    for (uint32_t i = taps.from; i < taps.to; i++) {
        r.at[i] = lnt_pixel(&o->in, (uint32_t)taps.start + i, (uint32_t)r.first, channels);
        r.pitch[i] = channels;
    }
    return r;
}

/* Channels [c, c + own) of a row. */
static void run_block(const lnt_depthwise_row *row, const lnt_depthwise_block *block, const lnt_op *op, lnt_taps taps,
                      uint32_t c, uint32_t own, lnt_depthwise_function *function) {
    lnt_depthwise_row r = *row;
    r.block = block;
    r.out += c;
    r.own = own;
    for (uint32_t i = 0; i < op->kernel_h; i++) {
        r.at[i] = i >= taps.from && i < taps.to ? r.at[i] + c : block->zero;
    }
    function(&r, op);
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range, lnt_depthwise_order order,
                lnt_depthwise_function *function) {
    const lnt_op *op = p->op;
    lnt_narrow narrow = lnt_narrow_of(p, true);
    size_t bytes = lnt_depthwise_block_bytes(op, order);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        lnt_taps taps = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height);
        lnt_depthwise_row row = row_of(p, o, &range, y, taps);
        row.narrow = &narrow;
        const uint8_t *block = p->packed + range.c / LNT_DEPTHWISE_CHANNELS * bytes;
        for (uint32_t c = range.c; c < range.c + range.cn; c += LNT_DEPTHWISE_CHANNELS, block += bytes) {
            uint32_t left = range.c + range.cn - c;
            run_block(&row, (const void *)block, op, taps, c,
                      left < LNT_DEPTHWISE_CHANNELS ? left : LNT_DEPTHWISE_CHANNELS, function);
        }
    }
}

static uint64_t bytes_zipped(const lnt_params *p) { return lnt_depthwise_bytes(p, LNT_DEPTHWISE_ZIPPED); }

static void pack_zipped(const lnt_params *p, uint8_t *to) { lnt_depthwise_pack(p, LNT_DEPTHWISE_ZIPPED, to); }

static void run_dotprod(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(p, o, range, LNT_DEPTHWISE_ZIPPED, lnt_depthwise_row_dotprod);
}

static const lnt_packing packing_zipped = {.takes = takes, .bytes = bytes_zipped, .pack = pack_zipped};

const lnt_kernel q8_depthwise_dotprod = {.name = "q8_depthwise_dotprod",
                                         .run = run_dotprod,
                                         .packing = &packing_zipped,
                                         .kind = LNT_OP_KIND_DEPTHWISE,
                                         .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                         .channel_group = LNT_DEPTHWISE_CHANNELS};

static uint64_t bytes_columns(const lnt_params *p) { return lnt_depthwise_bytes(p, LNT_DEPTHWISE_COLUMNS); }

static void pack_columns(const lnt_params *p, uint8_t *to) { lnt_depthwise_pack(p, LNT_DEPTHWISE_COLUMNS, to); }

static void run_neon(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(p, o, range, LNT_DEPTHWISE_COLUMNS, lnt_depthwise_row_neon);
}

static const lnt_packing packing_columns = {.takes = takes, .bytes = bytes_columns, .pack = pack_columns};

const lnt_kernel q8_depthwise_neon = {.name = "q8_depthwise_neon",
                                      .run = run_neon,
                                      .packing = &packing_columns,
                                      .kind = LNT_OP_KIND_DEPTHWISE,
                                      .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                      .channel_group = LNT_DEPTHWISE_CHANNELS};

#endif

/* Depthwise convolution, up to eight rows high.
 * Rows: NHWC. Weights: packed as in depthwise.h. A tap outside the input reads the input's zero point. Nothing may
 * overlap. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "../ref/window.h"
#include "depthwise.h"

static bool takes(const lnt_params *p) { return p->op->kernel_h <= LNT_DEPTHWISE_MAX_H; }

/* Output row y, which so many input rows are read for, from the first block of channels on; advance[] leads from a
 * block's rows to the next one's. */
static lnt_depthwise_row row_of(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t y,
                                uint32_t rows, const lnt_depthwise_block *block, size_t block_bytes,
                                size_t advance[LNT_DEPTHWISE_MAX_H]) {
    const lnt_op *op = p->op;
    uint32_t channels = p->out->channels;
    lnt_depthwise_row r = {
        .block = block,
        .out = lnt_pixel(&o->out, y, range->x, channels) + range->c,
        .out_pitch = channels,
        .x = (int32_t)(range->x * op->stride_w) - op->pad_left,
        .n = range->xn,
        .width = p->in->width,
    };
    lnt_taps taps = lnt_find_taps(y, op->stride_h, op->pad_top, rows, p->in->height);
    r.first = !lnt_depthwise_is_3x3(op) ? (int32_t)o->in.x0 : r.x > 0 ? r.x : 0;
    for (uint32_t i = 0; i < rows; i++) {
        bool there = i >= taps.from && i < taps.to;
        r.at[i] =
            there ? lnt_pixel(&o->in, (uint32_t)taps.start + i, (uint32_t)r.first, channels) + range->c : block->zero;
        r.pitch[i] = there ? channels : 0;
        advance[i] = there ? LNT_DEPTHWISE_CHANNELS : block_bytes;
    }
    return r;
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range, lnt_depthwise_order order,
                lnt_depthwise_function *one_row, lnt_depthwise_function *two_rows) {
    const lnt_op *op = p->op;
    lnt_narrow narrow = lnt_narrow_of(p, true);
    size_t bytes = lnt_depthwise_block_bytes(op, order);
    const uint8_t *block = p->packed + range.c / LNT_DEPTHWISE_CHANNELS * bytes;
    bool by_two = two_rows != NULL && lnt_depthwise_is_3x3(op) && op->stride_h == 1 && op->stride_w == 1;
    uint32_t n;
    for (uint32_t y = range.y; y < range.y + range.n; y += n) {
        n = by_two && y + 1 < range.y + range.n ? 2 : 1;
        uint32_t rows = op->kernel_h + n - 1;
        size_t advance[LNT_DEPTHWISE_MAX_H];
        lnt_depthwise_row r = row_of(p, o, &range, y, rows, (const void *)block, bytes, advance);
        r.narrow = &narrow;
        r.out_below = n == 1 ? NULL : lnt_pixel(&o->out, y + 1, range.x, p->out->channels) + range.c;
        for (uint32_t left = range.cn; left != 0; left -= r.own) {
            r.own = left < LNT_DEPTHWISE_CHANNELS ? left : LNT_DEPTHWISE_CHANNELS;
            (n == 1 ? one_row : two_rows)(&r, op);
            r.block = (const void *)((const uint8_t *)r.block + bytes);
            r.out += LNT_DEPTHWISE_CHANNELS;
            r.out_below += n == 1 ? 0 : LNT_DEPTHWISE_CHANNELS;
            for (uint32_t i = 0; i < rows; i++) {
                r.at[i] += advance[i];
            }
        }
    }
}

#ifdef LNT_NEON64

static uint64_t bytes_zipped(const lnt_params *p) { return lnt_depthwise_bytes(p, LNT_DEPTHWISE_ZIPPED); }

static void pack_zipped(const lnt_params *p, uint8_t *to) { lnt_depthwise_pack(p, LNT_DEPTHWISE_ZIPPED, to); }

static void run_dotprod(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(p, o, range, LNT_DEPTHWISE_ZIPPED, lnt_depthwise_row_dotprod, lnt_depthwise_two_rows_dotprod);
}

static const lnt_packing packing_zipped = {.takes = takes, .bytes = bytes_zipped, .pack = pack_zipped};

const lnt_kernel q8_depthwise_dotprod = {.name = "q8_depthwise_dotprod",
                                         .run = run_dotprod,
                                         .packing = &packing_zipped,
                                         .kind = LNT_OP_KIND_DEPTHWISE,
                                         .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                         .channel_group = LNT_DEPTHWISE_CHANNELS};

#endif

static uint64_t bytes_columns(const lnt_params *p) { return lnt_depthwise_bytes(p, LNT_DEPTHWISE_COLUMNS); }

static void pack_columns(const lnt_params *p, uint8_t *to) { lnt_depthwise_pack(p, LNT_DEPTHWISE_COLUMNS, to); }

static void run_neon(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    run(p, o, range, LNT_DEPTHWISE_COLUMNS, lnt_depthwise_row_neon, NULL);
}

static const lnt_packing packing_columns = {.takes = takes, .bytes = bytes_columns, .pack = pack_columns};

const lnt_kernel q8_depthwise_neon = {.name = "q8_depthwise_neon",
                                      .run = run_neon,
                                      .packing = &packing_columns,
                                      .kind = LNT_OP_KIND_DEPTHWISE,
                                      .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                      .channel_group = LNT_DEPTHWISE_CHANNELS};

LNT_NEON_END

#endif

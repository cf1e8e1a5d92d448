/* 3x3 depthwise convolution for in-order cores: rows in pairs, eight channels at a time (depthwise_pair.h).
 * Rows: NHWC. Weights: packed as in depthwise.h. What the pairs do not suit is left to the rows of depthwise.c. */
#include "neon.h"

#ifdef LNT_NEON64

#include "depthwise_pair.h"

_Static_assert(offsetof(lnt_depthwise_pair, pitch) == 80 && offsetof(lnt_depthwise_pair, tail) == 104 &&
                   offsetof(lnt_depthwise_pair, out) == 120 && offsetof(lnt_depthwise_pair, n) == 144 &&
                   offsetof(lnt_depthwise_pair, weights) == 160,
               "the loops know these places");

/* Where the columns of a range lie. */
typedef struct columns {
    int32_t x;        /* the first window's left one */
    uint32_t windows; /* whose right column is inside */
    uint32_t n;
} columns;

static columns columns_of(const lnt_params *p, const lnt_range *range) {
    const lnt_op *op = p->op;
    columns c = {.x = (int32_t)(range->x * op->stride_w) - op->pad_left, .n = range->xn};
    int32_t room = (int32_t)p->in->width - c.x - 3;
    uint32_t inside = room < 0 ? 0 : (uint32_t)room / op->stride_w + 1;
    c.windows = inside < c.n ? inside : c.n;
    return c;
}

/* At most one column is missing at either end, and not in the same window. */
static bool columns_suit(const lnt_params *p, const columns *c) {
    int32_t last = c->x + (int32_t)((c->n - 1) * p->op->stride_w);
    return c->x >= -1 && c->windows != 0 && c->windows + 1 >= c->n && last + 2 <= (int32_t)p->in->width;
}

static int32_t top_of(const lnt_op *op, uint32_t y) { return (int32_t)(y * op->stride_h) - op->pad_top; }

/* Only the top and the bottom row of the 3 + stride may be missing. */
static bool rows_suit(const lnt_params *p, uint32_t y) {
    int32_t top = top_of(p->op, y);
    return top >= -1 && top + p->op->stride_h + 1 < (int32_t)p->in->height;
}

static bool is_pair(const lnt_params *p, const lnt_narrow *narrow) {
    const lnt_op *op = p->op;
    return op->kernel_h == 3 && op->kernel_w == 3 && op->stride_h == op->stride_w && op->stride_w <= 2 &&
           narrow->mode == LNT_NARROW_RELU6;
}

/* Two output rows from channel 0 on; of[] where each input row begins its row[], or NULL. */
typedef struct rows {
    lnt_depthwise_pair pair;
    const int8_t *of[5];
    bool first_there;
    bool tail_there; /* beyond row[] lies one more column */
} rows;

static rows rows_at(const lnt_params *p, const lnt_operands *o, const lnt_range *range, const columns *c, uint32_t y) {
    uint32_t channels = p->out->channels;
    uint32_t count = 3u + p->op->stride_h;
    int32_t top = top_of(p->op, y);
    rows r = {.first_there = c->x >= 0, .tail_there = c->windows < c->n && p->op->stride_w == 2};
    for (uint32_t i = 0; i < count; i++) {
        int32_t at = top + (int32_t)i;
        bool there = at >= 0 && at < (int32_t)p->in->height;
        r.of[i] = there ? lnt_pixel(&o->in, (uint32_t)at, (uint32_t)(c->x + 1), channels) : NULL;
    }
    r.pair.pitch = channels;
    r.pair.top_pitch = r.of[0] ? channels : 0;
    r.pair.bottom_pitch = r.of[count - 1] ? channels : 0;
    r.pair.out_pitch = channels;
    r.pair.n = c->windows - 1;
    r.pair.rest = c->n - r.pair.n;
    r.pair.out[0] = lnt_pixel(&o->out, y, range->x, channels);
    r.pair.out[1] = lnt_pixel(&o->out, y + 1, range->x, channels);
    return r;
}

/* Eight channels from `channel` on, which is `c` of the block. */
static void run_half(const lnt_params *p, const rows *r, uint32_t channel, uint32_t c, const lnt_depthwise_block *block,
                     uint32_t columns_inside) {
    int8_t tail[5 * LNT_DEPTHWISE_TAIL];
    lnt_depthwise_pair pair = r->pair;
    uint32_t stride = p->op->stride_w;
    for (uint32_t i = 0; i < 3 + stride; i++) {
        pair.row[i] = r->of[i] ? r->of[i] + channel : block->zero;
        pair.first[i] = r->of[i] && r->first_there ? pair.row[i] - pair.pitch : block->zero;
    }
    pair.tail = block->zero;
    pair.tail_row = 0;
    if (r->tail_there) {
        for (uint32_t i = 0; i < 5; i++) {
            int8_t *to = tail + (size_t)i * LNT_DEPTHWISE_TAIL;
            const int8_t *last = r->of[i] ? pair.row[i] + 2 * pair.pitch * columns_inside : block->zero;
            memcpy(to, last, LNT_DEPTHWISE_HALF);
            memcpy(to + LNT_DEPTHWISE_HALF, block->zero, LNT_DEPTHWISE_HALF);
        }
        pair.tail = tail;
        pair.tail_row = LNT_DEPTHWISE_TAIL;
    }
    pair.out[0] += channel;
    pair.out[1] += channel;
    pair.weights = block->weights + c;
    pair.bias = block->bias + c;
    pair.multiplier = block->multiplier + c;
    uint32_t allow = block->allow[c / LNT_DEPTHWISE_HALF];
    uint32_t triple = allow & 1 ? 0 : allow & 2 ? 1 : allow & 4 ? 2 : LNT_DEPTHWISE_NONE;
    (stride == 1 ? lnt_depthwise_pair_stride1 : lnt_depthwise_pair_stride2)(&pair, triple);
}

static void run_pair(const lnt_params *p, const lnt_operands *o, const lnt_range *range, const columns *c, uint32_t y) {
    size_t bytes = lnt_depthwise_block_bytes(p->op, LNT_DEPTHWISE_COLUMNS);
    rows r = rows_at(p, o, range, c, y);
    for (uint32_t i = 0; i < range->cn; i += LNT_DEPTHWISE_CHANNELS) {
        uint32_t channel = range->c + i;
        uint32_t own = range->cn - i < LNT_DEPTHWISE_CHANNELS ? range->cn - i : LNT_DEPTHWISE_CHANNELS;
        const lnt_depthwise_block *block = (const void *)(p->packed + channel / LNT_DEPTHWISE_CHANNELS * bytes);
        if (!block->fits || !(block->allow[0] & block->allow[1] & LNT_DEPTHWISE_TWO) || own % LNT_DEPTHWISE_HALF != 0) {
            lnt_range part = *range;
            part.y = y;
            part.n = 2;
            part.c = channel;
            part.cn = own;
            q8_depthwise_neon.run(p, o, part);
            continue;
        }
        for (uint32_t half = 0; half < own; half += LNT_DEPTHWISE_HALF) {
            run_half(p, &r, channel + half, half, block, c->windows);
        }
    }
}

/* The last of an odd number of rows goes with the one before it once more. */
static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_narrow narrow = lnt_narrow_of(p, true);
    columns c = columns_of(p, &range);
    if (range.n < 2 || !is_pair(p, &narrow) || !columns_suit(p, &c)) {
        q8_depthwise_neon.run(p, o, range);
        return;
    }
    uint32_t end = range.y + range.n;
    for (uint32_t y = range.y; y < end; y += 2) {
        uint32_t from = y + 2 <= end ? y : end - 2;
        if (rows_suit(p, from)) {
            run_pair(p, o, &range, &c, from);
        } else {
            lnt_range part = range;
            part.y = from;
            part.n = 2;
            q8_depthwise_neon.run(p, o, part);
        }
    }
}

static bool takes(const lnt_params *p) { return q8_depthwise_neon.packing->takes(p); }

static uint64_t bytes(const lnt_params *p) { return lnt_depthwise_bytes(p, LNT_DEPTHWISE_COLUMNS); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_depthwise_pack(p, LNT_DEPTHWISE_COLUMNS, to); }

static const lnt_packing packing = {.takes = takes, .bytes = bytes, .pack = pack};

const lnt_kernel q8_depthwise_pair_neon = {.name = "q8_depthwise_pair_neon",
                                           .run = run,
                                           .packing = &packing,
                                           .kind = LNT_OP_KIND_DEPTHWISE,
                                           .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                           .channel_group = LNT_DEPTHWISE_CHANNELS};

#endif

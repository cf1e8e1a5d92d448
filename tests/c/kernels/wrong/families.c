/* Kernels that are wrong on purpose, each in one way, in the place of the library's families: the harness has to catch
 * every one. Most are the portable kernels with a mistake around them. */
#include "families.h"

#include <string.h>

#include "ref/ref.h"
#include "requantize.h"

#define POINTWISE LNT_OP_KIND_POINTWISE
#define DEPTHWISE LNT_OP_KIND_DEPTHWISE
#define BOTH_WAYS (LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS)

enum { GROUP = 8 };

static void pointwise(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    q8_pointwise_ref.run(p, o, range);
}

static int8_t *out_at(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t y) {
    return lnt_pixel(&o->out, y, range->x, p->out->channels) + range->c;
}

/* Values without a shortcut, from unsigned activations; mistakes are made in `round` and `pair`. */
typedef int32_t (*round_function)(int64_t product);
typedef int32_t (*sum_function)(int32_t a, int32_t b);

static void by_hand(const lnt_params *p, const lnt_operands *o, lnt_range range, round_function round,
                    sum_function pair) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels;
    for (uint32_t i = 0; i < range.n * range.xn * range.cn; i++) {
        uint32_t c = range.c + i % range.cn, x = range.x + i / range.cn % range.xn,
                 y = range.y + i / range.cn / range.xn;
        const int8_t *in = lnt_pixel(&o->in, y, x, depth);
        const int8_t *w = lnt_int8_data(p, op->weights) + (size_t)c * depth;
        int32_t acc = lnt_int32_data(p, op->bias)[c];
        for (uint32_t k = 0; k < depth; k += 2) {
            int32_t x1 = k + 1 < depth ? in[k + 1] : 0, w1 = k + 1 < depth ? w[k + 1] : 0;
            acc += pair((in[k] + 128) * w[k], (x1 + 128) * w1) - 128 * (w[k] + w1);
        }
        int32_t value = round((int64_t)(acc * (1 << op->shift)) * lnt_int32_data(p, op->multiplier)[c]);
        lnt_pixel(&o->out, y, x, p->out->channels)[c] =
            lnt_clamp(p->out->zero_point + value, op->clamp_min, op->clamp_max);
    }
}

static bool is_plain(const lnt_params *p) { return p->in2 == NULL; }

static int32_t half_up(int64_t product) { return (int32_t)((product + (1 << 30)) >> 31); }
static int32_t half_away(int64_t product) { return (int32_t)((product + (1 << 30) - (product < 0)) >> 31); }
static int32_t sum(int32_t a, int32_t b) { return a + b; }
static int32_t sum_in_16_bits(int32_t a, int32_t b) { return lnt_sat16(a + b); }

static void wrong_rounding(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    by_hand(p, o, range, half_away, sum);
}

static void wrong_saturation(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    by_hand(p, o, range, half_up, sum_in_16_bits);
}

/* Off by one in the last channel, where channels are no multiple of 8. */
static void wrong_tail(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    pointwise(p, o, range);
    if (range.cn % GROUP != 0) {
        out_at(p, o, &range, range.y)[range.cn - 1] ^= 1;
    }
}

static volatile int8_t seen;

/* Reads one byte behind the last pixel of a row. */
static void wrong_read(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    pointwise(p, o, range);
    seen = *lnt_pixel(&o->in, range.y + range.n - 1, range.x + range.xn, p->in->channels);
}

/* Reads one byte behind the weights. */
static void wrong_weights_read(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    pointwise(p, o, range);
    seen = lnt_int8_data(p, p->op->weights)[(size_t)p->in->channels * p->out->channels];
}

/* Writes one byte behind the last channel of the range, and one before the first. */
static void wrong_write(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    pointwise(p, o, range);
    out_at(p, o, &(lnt_range){.x = range.x + range.xn - 1, .c = range.c}, range.y)[range.cn] ^= 1;
}

static void wrong_write_before(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    pointwise(p, o, range);
    out_at(p, o, &range, range.y)[-1] ^= 1;
}

/* Uses its input as working memory. */
static void wrong_input(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    pointwise(p, o, range);
    *lnt_pixel(&o->in, range.y, range.x, p->in->channels) ^= 1;
}

static void wrong_x0(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_operands own = *o;
    own.in.x0 = 0;
    pointwise(p, &own, range);
}

static void wrong_out_x0(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_operands own = *o;
    own.out.x0 = 0;
    pointwise(p, &own, range);
}

static void wrong_clamp(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_op op = *p->op;
    lnt_params own = *p;
    op.clamp_max = INT8_MAX;
    own.op = &op;
    pointwise(&own, o, range);
}

/* Takes every row of a ring for the one behind the last. */
static void wrong_ring(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_operands own = *o;
    if (range.n > 1 && own.in.window == NULL) {
        own.in.base = lnt_row(&o->in, range.y);
        own.in.ring = range.n;
        pointwise(p, &own,
                  (lnt_range){.y = range.y, .n = 1, .xn = range.xn, .x = range.x, .c = range.c, .cn = range.cn});
        for (uint32_t i = 1; i < range.n; i++) {
            own.in.window = &(uint8_t *const){own.in.base + (size_t)i * own.in.row_bytes};
            own.in.first = (int32_t)(range.y + i);
            pointwise(p, &own, (lnt_range){range.y + i, 1, range.x, range.xn, range.c, range.cn});
        }
        return;
    }
    pointwise(p, o, range);
}

/* Writes the sums before it has read the shortcut. */
static void wrong_in_place(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    for (uint32_t y = range.y; p->in2 && y < range.y + range.n; y++) {
        out_at(p, o, &range, y)[0] = 0;
    }
    pointwise(p, o, range);
}

/* All channels of a group, of which the range may have fewer. */
static void wrong_channels(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t end = (range.c + range.cn + 2 * GROUP - 1) / (2 * GROUP) * 2 * GROUP;
    range.cn = (end < p->out->channels ? end : p->out->channels) - range.c;
    pointwise(p, o, range);
}

/* Only where a range begins in the middle of a row. */
static void wrong_columns(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    pointwise(p, o, range);
    if (range.x != 0 && range.x + range.xn < p->out->width) {
        out_at(p, o, &range, range.y)[0] ^= 1;
    }
}

static void wrong_padding(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    lnt_tensor in = *p->in;
    lnt_params own = *p;
    in.zero_point = 0;
    own.in = &in;
    q8_depthwise_ref.run(&own, o, range);
}

/* Starts anew with each strip of the first row. */
static void wrong_sums(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    if (range.y == 0) {
        lnt_operands own = *o;
        own.in.x0 -= range.x;
        range.xn += range.x;
        range.x = 0;
        q8_avg_pool_ref.run(p, &own, range);
        return;
    }
    q8_avg_pool_ref.run(p, o, range);
}

static uint64_t weight_bytes(const lnt_params *p) { return (uint64_t)p->in->channels * p->out->channels; }

static void pack_all(const lnt_params *p, uint8_t *to) {
    memcpy(to, lnt_int8_data(p, p->op->weights), (size_t)weight_bytes(p));
}

static void pack_all_but_one(const lnt_params *p, uint8_t *to) {
    memcpy(to, lnt_int8_data(p, p->op->weights), (size_t)weight_bytes(p) - 1);
}

static void pack_one_more(const lnt_params *p, uint8_t *to) {
    pack_all(p, to);
    to[weight_bytes(p)] = 0;
}

static uint64_t row_scratch(const lnt_params *p, uint32_t n, uint32_t xn) { return (uint64_t)n * xn * p->in->channels; }

static void wrong_scratch(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    memset(o->scratch, 0, (size_t)row_scratch(p, range.n, range.xn) + 1);
    pointwise(p, o, range);
}

static bool takes_nothing(const lnt_params *p) {
    (void)p;
    return false;
}

#define WRONG(name_, run_, packing_, kind_)                                                                            \
    {.name = name_, .run = run_, .packing = packing_, .kind = kind_, .split = BOTH_WAYS, .channel_group = GROUP}

static const lnt_packing plain_only = {.takes = is_plain};
static const lnt_packing nothing = {.takes = takes_nothing};
static const lnt_packing too_little = {.bytes = weight_bytes, .pack = pack_all_but_one};
static const lnt_packing too_much = {.bytes = weight_bytes, .pack = pack_one_more};
static const lnt_packing some_scratch = {.scratch_bytes = row_scratch};

static const lnt_kernel wrong[] = {
    WRONG("rounding", wrong_rounding, &plain_only, POINTWISE),
    WRONG("saturation", wrong_saturation, &plain_only, POINTWISE),
    WRONG("tail", wrong_tail, NULL, POINTWISE),
    WRONG("read", wrong_read, NULL, POINTWISE),
    WRONG("weights_read", wrong_weights_read, NULL, POINTWISE),
    WRONG("write", wrong_write, NULL, POINTWISE),
    WRONG("write_before", wrong_write_before, NULL, POINTWISE),
    WRONG("input", wrong_input, NULL, POINTWISE),
    WRONG("x0", wrong_x0, NULL, POINTWISE),
    WRONG("out_x0", wrong_out_x0, NULL, POINTWISE),
    WRONG("clamp", wrong_clamp, NULL, POINTWISE),
    WRONG("ring", wrong_ring, NULL, POINTWISE),
    WRONG("in_place", wrong_in_place, NULL, POINTWISE),
    WRONG("channels", wrong_channels, NULL, POINTWISE),
    WRONG("columns", wrong_columns, NULL, POINTWISE),
    WRONG("padding", wrong_padding, NULL, DEPTHWISE),
    WRONG("sums", wrong_sums, NULL, LNT_OP_KIND_AVG_POOL),
    WRONG("pack_less", pointwise, &too_little, POINTWISE),
    WRONG("pack_more", pointwise, &too_much, POINTWISE),
    WRONG("scratch", wrong_scratch, &some_scratch, POINTWISE),
    WRONG("takes_nothing", pointwise, &nothing, POINTWISE),
};

static const lnt_kernel *const kernels[] = {
    &wrong[0],  &wrong[1],  &wrong[2],  &wrong[3],  &wrong[4],  &wrong[5],       &wrong[6],  &wrong[7],
    &wrong[8],  &wrong[9],  &wrong[10], &wrong[11], &wrong[12], &wrong[13],      &wrong[14], &wrong[15],
    &wrong[16], &wrong[17], &wrong[18], &wrong[19], &wrong[20], LNT_REF_KERNELS, NULL,
};

static const lnt_family family = {.name = "wrong", .kernels = kernels, .id = LNT_FAMILY_UNFILED};

const lnt_family *const lnt_families[] = {&family, NULL};

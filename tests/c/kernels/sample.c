#include "sample.h"

#include <stdio.h>

#include "memory.h"

/* Channels of MobileNetV2 at several widths, and of its expansions. */
static const uint16_t usual_channels[] = {3,   8,   16,  24,  32,  40,  48,  56,  64,  80,  88,  96,  112,
                                          144, 160, 176, 192, 240, 288, 320, 336, 384, 448, 576, 960, 1280};
static const uint16_t usual_sizes[] = {1, 2, 3, 4, 5, 7, 8, 10, 14, 16, 20, 28, 32, 40, 56, 64, 80, 112};

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static uint16_t draw_size(rng *r) {
    uint32_t way = rng_below(r, 100);
    return (uint16_t)(way < 50   ? 1 + rng_below(r, 12)
                      : way < 80 ? usual_sizes[rng_below(r, COUNT(usual_sizes))]
                      : way < 98 ? 1 + rng_below(r, 48)
                                 : 1 + rng_below(r, 1000));
}

static uint16_t draw_channels(rng *r) {
    uint32_t way = rng_below(r, 20);
    return (uint16_t)(way < 8    ? usual_channels[rng_below(r, COUNT(usual_channels))]
                      : way < 14 ? 1 + rng_below(r, 20)
                      : way < 17 ? 1 + rng_below(r, 80)
                      : way < 19 ? 8 * (1 + rng_below(r, 24))
                                 : 1 + rng_below(r, 700));
}

static int32_t draw_zero_point(rng *r) {
    uint32_t way = rng_below(r, 8);
    return way == 0 ? -128 : way == 1 ? 127 : way == 2 ? 0 : rng_within(r, -128, 127);
}

static lnt_tensor tensor_of(rng *r, uint32_t height, uint32_t width, uint32_t channels, uint8_t dtype) {
    return (lnt_tensor){
        .height = (uint16_t)height,
        .width = (uint16_t)width,
        .channels = (uint16_t)channels,
        .dtype = dtype,
        .zero_point = dtype == LNT_DTYPE_INT32 ? 0 : draw_zero_point(r),
        .scale = 1,
    };
}

static void draw_clamp(rng *r, sample *s) {
    int32_t low = -128, high = 127;
    switch (rng_below(r, 5)) {
    case 0: /* ReLU */
        low = s->out.zero_point;
        break;
    case 1: /* ReLU6 */
        low = s->out.zero_point;
        high = rng_within(r, low, 127);
        break;
    case 2:
        low = rng_within(r, -128, 127);
        high = rng_within(r, low, 127);
        break;
    default:
        break;
    }
    if (high - low < 32 && rng_chance(r, 90)) { /* hides too much */
        low = -128;
        high = 127;
    }
    if (s->style != ANY_STYLE) {
        low = -128;
        high = 127;
    }
    s->op.clamp_min = (int8_t)low;
    s->op.clamp_max = (int8_t)high;
}

/* Along one axis: kernel, stride, padding, and sizes of input and output that go together. */
typedef struct axis {
    uint32_t kernel;
    uint32_t stride;
    uint32_t pad;
    uint32_t in;
    uint32_t out;
} axis;

static uint32_t most_outputs(const axis *a) { return (a->in + a->pad - 1) / a->stride + 1; }

static axis draw_axis(rng *r, bool usual, uint32_t stride, uint32_t most_kernel) {
    axis a = {.kernel = 3, .stride = stride, .in = draw_size(r)};
    if (!usual) {
        a.kernel = rng_chance(r, 90) ? 1 + rng_below(r, 7) : 1 + rng_below(r, most_kernel);
        a.stride = rng_chance(r, 95) ? 1 + rng_below(r, 4) : 1 + rng_below(r, most_kernel);
    }
    a.pad = usual ? (rng_chance(r, 30) ? 0 : rng_chance(r, 90) ? 1 : 2) : rng_below(r, a.kernel);
    uint32_t same = (a.in + a.stride - 1) / a.stride;
    uint32_t most = most_outputs(&a);
    a.out = same <= most && rng_chance(r, 70) ? same : rng_chance(r, 50) ? most : 1 + rng_below(r, most);
    return a;
}

static void draw_window(rng *r, sample *s, uint32_t in_channels, uint32_t out_channels) {
    bool usual = rng_chance(r, 60);
    uint32_t stride = 1 + rng_below(r, 2);
    axis h = draw_axis(r, usual, stride, LNT_MAX_KERNEL_H);
    axis w = draw_axis(r, usual, stride, rng_chance(r, 80) ? LNT_MAX_KERNEL_H : UINT8_MAX);
    s->op.kernel_h = (uint8_t)h.kernel;
    s->op.kernel_w = (uint8_t)w.kernel;
    s->op.stride_h = (uint8_t)h.stride;
    s->op.stride_w = (uint8_t)w.stride;
    s->op.pad_top = (uint8_t)h.pad;
    s->op.pad_left = (uint8_t)w.pad;
    s->in = tensor_of(r, h.in, w.in, in_channels, LNT_DTYPE_INT8);
    s->out = tensor_of(r, h.out, w.out, out_channels, LNT_DTYPE_INT8);
}

static void set_1x1(lnt_op *op) {
    op->kernel_h = op->kernel_w = 1;
    op->stride_h = op->stride_w = 1;
    op->pad_top = op->pad_left = 0;
}

static int32_t draw_factor(rng *r) {
    uint32_t way = rng_below(r, 8);
    return way == 0 ? 0 : way == 1 ? (1 << 15) - 1 : rng_within(r, 0, (1 << 15) - 1);
}

static void draw_shortcut(rng *r, sample *s, bool second) {
    lnt_op *op = &s->op;
    op->factor = draw_factor(r);
    op->factor2 = second ? draw_factor(r) : 0;
    op->offset = s->out.zero_point * (1 << 14) - s->in2.zero_point * (second ? op->factor2 : op->factor) + (1 << 13);
    op->offset -= second ? s->in.zero_point * op->factor : 0;
    if (rng_chance(r, 10)) {
        op->offset = rng_chance(r, 50) ? rng_within(r, -(1 << 30), 1 << 30) : rng_chance(r, 50) ? 1 << 30 : -(1 << 30);
    }
}

/* The largest shift for which sums of so many products and a little bias fit. */
static uint32_t most_shift(uint64_t products) {
    uint32_t shift = 0;
    while (shift < 30 && 16384 * products <= (uint64_t)INT32_MAX >> (shift + 1)) {
        shift++;
    }
    return shift;
}

static void draw_shift(rng *r, sample *s, uint64_t products) {
    s->op.shift = (uint8_t)(s->style != ANY_STYLE || rng_chance(r, 40) ? 0 : rng_below(r, most_shift(products) + 1));
}

static void draw_pool(rng *r, sample *s) {
    uint32_t channels = draw_channels(r);
    s->in = tensor_of(r, draw_size(r), draw_size(r), channels, LNT_DTYPE_INT8);
    s->out = tensor_of(r, 1, 1, channels, LNT_DTYPE_INT8);
    uint64_t pixels = (uint64_t)s->in.height * s->in.width;
    draw_shift(r, s, pixels);
    int64_t most = (INT32_MAX >> s->op.shift) - 128 * (int64_t)pixels;
    s->op.offset = -(int32_t)pixels * s->in.zero_point;
    if (rng_chance(r, 20) || s->op.offset > most || s->op.offset < -most) {
        s->op.offset = (int32_t)(rng_chance(r, 50) ? most : -most);
    }
    uint32_t way = rng_below(r, 6);
    s->op.factor = way == 0   ? (1 << 30) - 1
                   : way == 1 ? (int32_t)rng_below(r, 1u << 30)
                              : (int32_t)((1u << (31 - s->op.shift)) / (pixels + 1));
    s->op.factor = s->op.factor >= 1 << 30 ? (1 << 30) - 1 : s->op.factor;
}

uint32_t sample_taps(const sample *s) {
    switch (s->op.kind) {
    case LNT_OP_KIND_CONV:
        return (uint32_t)s->op.kernel_h * s->op.kernel_w * s->in.channels;
    case LNT_OP_KIND_DEPTHWISE:
        return (uint32_t)s->op.kernel_h * s->op.kernel_w;
    case LNT_OP_KIND_POINTWISE:
    case LNT_OP_KIND_FULLY_CONNECTED:
        return s->in.channels;
    default:
        return 1;
    }
}

static void draw_dense(rng *r, sample *s, const limits *l) {
    bool logits = s->op.kind == LNT_OP_KIND_FULLY_CONNECTED;
    uint32_t in = draw_channels(r), out = draw_channels(r);
    if (rng_chance(r, 2)) { /* deeper than kernels have room for */
        in = 1 + rng_below(r, UINT16_MAX);
        out = 1 + rng_below(r, 8);
    }
    if (s->style == PLAIN_STYLE && rng_chance(r, 25)) { /* the narrowest that networks have */
        in = 8;
    }
    while (in * out > l->weights) {
        *(in > out ? &in : &out) /= 2;
    }
    uint32_t height = logits ? 1 : draw_size(r), width = logits ? 1 : draw_size(r);
    s->in = tensor_of(r, height, width, in, LNT_DTYPE_INT8);
    s->out = tensor_of(r, height, width, out, logits ? LNT_DTYPE_INT32 : LNT_DTYPE_INT8);
    set_1x1(&s->op);
    if (!logits && rng_chance(r, 40)) {
        s->out.channels |= rng_chance(r, 40); /* the last of an odd number is often computed apart */
        s->in2 = tensor_of(r, height, width, s->out.channels, LNT_DTYPE_INT8);
        if (s->style == ANY_STYLE && rng_chance(r, 70)) {
            s->style = PLAIN_STYLE; /* outputs that saturate hide a shortcut that is added twice */
        }
        draw_shortcut(r, s, false);
    }
}

static void draw_same(rng *r, sample *s) {
    bool vector = s->op.kind == LNT_OP_KIND_SOFTMAX;
    uint8_t dtype = vector ? LNT_DTYPE_INT32 : LNT_DTYPE_INT8;
    uint32_t height = vector ? 1 : draw_size(r), width = vector ? 1 : draw_size(r), channels = draw_channels(r);
    s->in = tensor_of(r, height, width, channels, dtype);
    s->out = tensor_of(r, height, width, channels, dtype);
    if (s->op.kind == LNT_OP_KIND_ADD) {
        s->in2 = tensor_of(r, height, width, channels, dtype);
        draw_shortcut(r, s, true);
    }
}

void sample_draw(rng *r, uint32_t kind, const limits *l, sample *s) {
    *s = (sample){.op = {.kind = (uint8_t)kind, .input2 = LNT_NONE, .state = LNT_NONE}};
    uint32_t channels = draw_channels(r);
    uint32_t way = rng_below(r, 20);
    s->style = way < 10 ? ANY_STYLE : way < 18 ? PLAIN_STYLE : EDGE_STYLE;
    switch (kind) {
    case LNT_OP_KIND_CONV:
        draw_window(r, s, rng_chance(r, 50) ? 3 : 1 + rng_below(r, 40), channels);
        while ((uint64_t)sample_taps(s) * s->out.channels > l->weights || sample_taps(s) > 100000) {
            *(s->in.channels > s->out.channels ? &s->in.channels : &s->out.channels) /= 2;
        }
        break;
    case LNT_OP_KIND_DEPTHWISE:
        draw_window(r, s, channels, channels);
        break;
    case LNT_OP_KIND_POINTWISE:
    case LNT_OP_KIND_FULLY_CONNECTED:
        draw_dense(r, s, l);
        break;
    case LNT_OP_KIND_AVG_POOL:
        draw_pool(r, s);
        break;
    default:
        draw_same(r, s);
        break;
    }
    if (s->style == PLAIN_STYLE && s->out.dtype == LNT_DTYPE_INT8 && rng_chance(r, 60)) {
        s->out.zero_point = -128; /* ReLU6 */
    }
    if (kind == LNT_OP_KIND_SOFTMAX) {
        s->op.factor = (int32_t)(rng_next(r) >> (33 + rng_below(r, 31)));
        s->op.shift = (uint8_t)rng_below(r, 64);
    } else if (kind != LNT_OP_KIND_AVG_POOL) {
        draw_shift(r, s, sample_taps(s));
    }
    draw_clamp(r, s);
}

int sample_describe(const sample *s, char *text, size_t bytes) {
    static const char *const kinds[] = {"input", "conv",     "depthwise",       "pointwise",
                                        "add",   "avg_pool", "fully_connected", "softmax"};
    const lnt_op *op = &s->op;
    return snprintf(text, bytes,
                    "%s%s in %ux%ux%u out %ux%ux%u kernel %ux%u stride %ux%u pad %u,%u shift %u clamp %d..%d "
                    "zero points %ld,%ld",
                    kinds[op->kind], s->in2.height != 0 && op->kind == LNT_OP_KIND_POINTWISE ? " with residual" : "",
                    s->in.height, s->in.width, s->in.channels, s->out.height, s->out.width, s->out.channels,
                    op->kernel_h, op->kernel_w, op->stride_h, op->stride_w, op->pad_top, op->pad_left, op->shift,
                    op->clamp_min, op->clamp_max, (long)s->in.zero_point, (long)s->out.zero_point);
}

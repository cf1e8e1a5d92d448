/* Depthwise convolution of kernels up to 8x8, any stride: one filter per channel.
 * Rows: NHWC. Scratch: for sixteen channels, their windows as [channel][column][row], of eight rows; so a window of all
 * kernel columns is a few vectors in one piece. Packed weights: for each channel and kernel column zeros, then the
 * kernel's rows, eight bytes in all: read from some bytes further on, the filter lies further up, which is what the
 * output rows that share the windows want. */
#include "mve.h"

enum {
    ROWS = 8,
    CHANNELS = 16,
    VECTOR = 16,
    GROUP = 4, /* outputs computed together */
    MOST_KERNEL = ROWS,
    MOST_STRIDE = 8,
    MOST_COLUMNS = 36, /* of the input: at least what a group looks at */
};

_Static_assert((GROUP - 1) * MOST_STRIDE + MOST_KERNEL <= MOST_COLUMNS, "a group fits");

static bool takes(const lnt_params *p) {
    const lnt_op *op = p->op;
    return op->kernel_h <= MOST_KERNEL && op->kernel_w <= MOST_KERNEL && op->stride_w <= MOST_STRIDE;
}

static uint64_t bytes(const lnt_params *p) { return ((uint64_t)p->out->channels * p->op->kernel_w + 1) * ROWS; }

static void pack(const lnt_params *p, uint8_t *to) {
    uint32_t channels = p->out->channels, width = p->op->kernel_w;
    uint32_t zeros = (uint32_t)(ROWS - p->op->kernel_h);
    const uint8_t *w = p->data + p->op->weights;
    for (uint32_t column = 0; column < channels * width; column++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            size_t tap = (size_t)(i - zeros) * width + column % width;
            *to++ = i < zeros ? 0 : w[tap * channels + column / width];
        }
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        *to++ = 0;
    }
}

/* Outputs of a row that are computed from one filling. */
static uint32_t block_width(const lnt_op *op, uint32_t xn) {
    uint32_t most = ((uint32_t)(MOST_COLUMNS - op->kernel_w) / op->stride_w + 1) / GROUP * GROUP;
    return xn < most ? xn : most;
}

/* Those that the groups look at. */
static uint32_t columns_of(const lnt_op *op, uint32_t xn) {
    return ((block_width(op, xn) + GROUP - 1) / GROUP * GROUP - 1) * op->stride_w + op->kernel_w;
}

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    (void)n;
    return CHANNELS + (uint64_t)columns_of(p->op, xn) * ROWS * CHANNELS + VECTOR;
}

#if LNT_MVE_HERE

#include <arm_mve.h>
#include <string.h>

#include "../ref/ref.h"

/* Output rows and columns of which all channels are computed in turn. */
typedef struct block {
    const lnt_params *p;
    lnt_range range;
    const int8_t *padding; /* a pixel of it */
    int8_t *windows;
    uint32_t pitch;         /* bytes from one channel's windows to the next's */
    uint32_t from, to;      /* of the columns, those that lie in the input */
    uint32_t half;          /* 1: only the first four rows are looked at */
    const int8_t *in[ROWS]; /* at column `from` */
    int8_t *out[ROWS];      /* the first output pixel of each row */
    uint32_t step[ROWS];    /* from one column to the next; 0 for rows of padding */
} block;

/* Four rows of the windows: interleaved, so that each word is a column of a channel. */
static void fill_rows(const block *b, uint32_t row, uint32_t c, uint32_t channels) {
    mve_pred16_t lanes = vctp8q(channels);
    const int8_t *in[4];
    uint32_t step[4], pitch = b->pitch;
    for (uint32_t i = 0; i < 4; i++) {
        step[i] = b->step[row + i];
        in[i] = b->in[row + i] + (step[i] ? c : 0);
    }
    uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), pitch);
    int8_t *to = b->windows + (size_t)b->from * ROWS + row;
    for (uint32_t left = b->to - b->from; left != 0; left--, to += ROWS) {
        int32_t words[CHANNELS];
        int8x16x4_t pixels = {{vldrbq_z_s8(in[0], lanes), vldrbq_z_s8(in[1], lanes), vldrbq_z_s8(in[2], lanes),
                               vldrbq_z_s8(in[3], lanes)}};
        vst4q_s8((int8_t *)words, pixels);
        int8_t *at = to;
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 4; i++, at += 4 * pitch) {
            in[i] += step[i];
            __asm("" : "+r"(in[i])); /* else GCC adds them as a vector, by way of memory */
            vstrwq_scatter_offset_s32((int32_t *)(void *)at, offsets, vldrwq_s32(words + 4 * i));
        }
    }
}

/* `vectors` of a window by the filter's. Moves on to the next window. */
__attribute__((always_inline)) static inline int32_t sum_window(const int8_t **windows, uint32_t step,
                                                                const int8x16_t w[4], uint32_t vectors) {
    const int8_t *x = *windows;
    int32_t sum = vmladavq_s8(vldrbq_s8(x), w[0]);
    if (vectors > 1) {
        sum = vmladavaq_s8(sum, vldrbq_s8(x + VECTOR), w[1]);
    }
    if (vectors > 2) {
        sum = vmladavaq_s8(sum, vldrbq_s8(x + 2 * VECTOR), w[2]);
    }
    if (vectors > 3) {
        sum = vmladavaq_s8(sum, vldrbq_s8(x + 3 * VECTOR), w[3]);
    }
    x += step;
    __asm("" : "+r"(x)); /* else GCC keeps a pointer for each of the windows */
    *windows = x;
    return sum;
}

/* One channel's output rows. vectors: a constant where this is inlined. */
__attribute__((always_inline)) static inline void filter_rows(const block *b, const int8_t *windows, uint32_t c,
                                                              uint32_t vectors) {
    const lnt_params *p = b->p;
    const lnt_op *op = p->op;
    int32_t bias = lnt_int32_data(p, op->bias)[c], multiplier = lnt_int32_data(p, op->multiplier)[c];
    int32_t zero = p->out->zero_point, shift = op->shift;
    uint32_t step = op->stride_w * ROWS, pixel = p->out->channels;
    uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), pixel);
    int32x4_t low = vdupq_n_s32(op->clamp_min), high = vdupq_n_s32(op->clamp_max);
    const int8_t *weights = (const int8_t *)b->p->packed + (size_t)(c * op->kernel_w + 1) * ROWS - (size_t)op->kernel_h;
    mve_pred16_t last = vctp8q(op->kernel_w * ROWS - (vectors - 1) * VECTOR);
    for (uint32_t i = 0; i < b->range.n; i++, weights -= op->stride_h) {
        const int8_t *x = windows;
        int8_t *out = b->out[i] + c;
        int8x16_t w[4];
#pragma GCC unroll 4
        for (uint32_t k = 0; k + 1 < vectors; k++) {
            w[k] = vldrbq_s8(weights + (size_t)k * VECTOR);
        }
        w[vectors - 1] = vldrbq_z_s8(weights + (size_t)(vectors - 1) * VECTOR, last);
        for (int32_t left = (int32_t)b->range.xn; left > 0; left -= GROUP, out += (size_t)GROUP * pixel) {
            int32_t four[GROUP];
#pragma GCC unroll 4
            for (uint32_t k = 0; k < GROUP; k++) {
                four[k] = sum_window(&x, step, w, vectors);
            }
            int32x4_t sums = vldrwq_s32(four);
            sums = vshlq_r_s32(vaddq_n_s32(sums, bias), shift);
            sums = vaddq_n_s32(vqrdmulhq_n_s32(sums, multiplier), zero);
            sums = vmaxq_s32(vminq_s32(sums, high), low);
            if (left >= GROUP) {
                vstrbq_scatter_offset_s32(out, offsets, sums);
            } else {
                vstrbq_scatter_offset_p_s32(out, offsets, sums, vctp32q((uint32_t)left));
            }
        }
    }
}

static void filter(const block *b, const int8_t *windows, uint32_t c) {
    switch ((b->p->op->kernel_w * ROWS + VECTOR - 1) / VECTOR) {
    case 1:
        filter_rows(b, windows, c, 1);
        break;
    case 2:
        filter_rows(b, windows, c, 2);
        break;
    case 3:
        filter_rows(b, windows, c, 3);
        break;
    default:
        filter_rows(b, windows, c, 4);
        break;
    }
}

/* Rows, then columns, that are padding for all channels. */
static void find_windows(block *b, const lnt_operands *o, uint32_t columns) {
    const lnt_params *p = b->p;
    const lnt_op *op = p->op;
    int32_t top = (int32_t)(b->range.y * op->stride_h) - op->pad_top;
    int32_t left = (int32_t)(b->range.x * op->stride_w) - op->pad_left;
    uint32_t width = (b->range.xn - 1) * op->stride_w + op->kernel_w;
    uint32_t height = (b->range.n - 1) * op->stride_h + op->kernel_h;
    int32_t end = (int32_t)p->in->width - left;
    b->half = height <= ROWS / 2;
    b->from = left < 0 ? (uint32_t)-left : 0;
    b->to = end < 0 ? 0 : (uint32_t)end < width ? (uint32_t)end : width;
    b->from = b->from < b->to ? b->from : b->to;
    for (int32_t i = 0; i < ROWS; i++) {
        bool inside = i < (int32_t)height && top + i >= 0 && top + i < p->in->height && b->from < b->to;
        b->in[i] = inside ? lnt_pixel(&o->in, (uint32_t)(top + i), (uint32_t)(left + (int32_t)b->from), p->in->channels)
                          : b->padding;
        b->step[i] = inside ? p->in->channels : 0;
    }
    for (uint32_t i = 0; i < b->range.n; i++) {
        b->out[i] = lnt_pixel(&o->out, b->range.y + i, b->range.x, p->out->channels);
    }
    for (uint32_t k = 0; k < CHANNELS; k++) {
        int8_t *channel = b->windows + (size_t)k * b->pitch;
        memset(channel, p->in->zero_point, (size_t)b->from * ROWS);
        memset(channel + (size_t)b->to * ROWS, p->in->zero_point, (size_t)(columns - b->to) * ROWS);
    }
}

static void run_channels(const block *b, uint32_t c, uint32_t channels) {
    fill_rows(b, 0, c, channels);
    if (!b->half) {
        fill_rows(b, ROWS / 2, c, channels);
    }
    for (uint32_t k = 0; k < channels; k++) {
        filter(b, b->windows + (size_t)k * b->pitch, c + k);
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    uint32_t columns = columns_of(op, range.xn), width = block_width(op, range.xn);
    uint32_t rows = (uint32_t)(ROWS - op->kernel_h) / op->stride_h + 1;
    block b = {.p = p,
               .range = range,
               .padding = (const int8_t *)o->scratch,
               .windows = (int8_t *)o->scratch + CHANNELS,
               .pitch = columns * ROWS};
    memset(o->scratch, p->in->zero_point, CHANNELS);
    for (uint32_t y = range.y, end = range.y + range.n; y < end; y += b.range.n) {
        b.range.y = y;
        b.range.n = end - y < rows ? end - y : rows;
        for (uint32_t x = range.x, right = range.x + range.xn; x < right; x += b.range.xn) {
            b.range.x = x;
            b.range.xn = right - x < width ? right - x : width;
            find_windows(&b, o, columns);
            for (uint32_t c = range.c; c < range.c + range.cn; c += CHANNELS) {
                uint32_t rest = range.c + range.cn - c;
                run_channels(&b, c, rest < CHANNELS ? rest : CHANNELS);
            }
        }
    }
}

#endif

static const lnt_packing packing = {
    .takes = takes, .bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

const lnt_kernel q8_depthwise_any_mve = {.name = "q8_depthwise_any_mve",
                                         .run = LNT_MVE_RUN(run),
                                         .packing = &packing,
                                         .kind = LNT_OP_KIND_DEPTHWISE,
                                         .split = LNT_SPLIT_NONE,
                                         .channel_group = 8};

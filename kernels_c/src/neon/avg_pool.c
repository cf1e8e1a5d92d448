/* Mean over height and width. Input rows and columns are added to the sums; the last ones write the output.
 * Rows: NHWC. State: int32 sums, one per channel. Nothing may overlap. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "vector.h"

/* Pixels whose sum fits 16 bits. */
enum { PIXELS = 255 };

static void add_int16(int32_t *sums, int16x8_t value) {
    vst1q_s32(sums, vaddw_s16(vld1q_s32(sums), vget_low_s16(value)));
    vst1q_s32(sums + 4, vaddw_s16(vld1q_s32(sums + 4), vget_high_s16(value)));
}

/* Sixteen channels from c on of the range's pixels. */
static void add_block(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t c, int32_t *sums) {
    size_t pitch = p->in->channels;
    int16x8_t low = vdupq_n_s16(0);
    int16x8_t high = vdupq_n_s16(0);
    uint32_t room = PIXELS;
    for (uint32_t y = range->y; y < range->y + range->n; y++) {
        const int8_t *x = lnt_pixel(&o->in, y, range->x, p->in->channels) + c;
        for (uint32_t i = 0; i < range->xn; i++, x += pitch) {
            int8x16_t value = vld1q_s8(x);
            low = vaddw_s8(low, vget_low_s8(value));
            high = vaddw_s8(high, vget_high_s8(value));
            if (--room == 0) {
                add_int16(sums, low);
                add_int16(sums + 8, high);
                low = high = vdupq_n_s16(0);
                room = PIXELS;
            }
        }
    }
    add_int16(sums, low);
    add_int16(sums + 8, high);
}

static void add_channel(const lnt_params *p, const lnt_operands *o, const lnt_range *range, uint32_t c, int32_t *sum) {
    for (uint32_t y = range->y; y < range->y + range->n; y++) {
        const int8_t *x = lnt_pixel(&o->in, y, range->x, p->in->channels) + c;
        for (uint32_t i = 0; i < range->xn; i++) {
            *sum += x[(size_t)i * p->in->channels];
        }
    }
}

static void finish(const lnt_params *p, const int32_t *sums, int8_t *out, uint32_t channels) {
    const lnt_op *op = p->op;
    lnt_narrow narrow = lnt_narrow_of(p, false);
    int32x4_t factor = vdupq_n_s32(op->factor);
    int32x4_t multiplier[4] = {factor, factor, factor, factor};
    uint32_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        int32x4_t acc[4] = {vld1q_s32(sums + c), vld1q_s32(sums + c + 4), vld1q_s32(sums + c + 8),
                            vld1q_s32(sums + c + 12)};
        vst1q_s8(out + c, lnt_requantize16(acc, multiplier, vdupq_n_s8(0), &narrow, LNT_NARROW_ANY));
    }
    for (; c < channels; c++) {
        int32_t value = p->out->zero_point + lnt_mulr(sums[c], op->shift, op->factor);
        out[c] = lnt_clamp(value, op->clamp_min, op->clamp_max);
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    int32_t *sums = (int32_t *)(void *)o->state;
    bool first = range.y == 0 && range.x == 0;
    uint32_t end = range.c + range.cn;
    uint32_t c = range.c;
    for (uint32_t i = c; first && i < end; i++) {
        sums[i] = p->op->offset;
    }
    for (; c + 16 <= end; c += 16) {
        add_block(p, o, &range, c, sums + c);
    }
    for (; c < end; c++) {
        add_channel(p, o, &range, c, sums + c);
    }
    if (range.y + range.n == p->in->height && range.x + range.xn == p->in->width) {
        finish(p, sums + range.c, (int8_t *)o->out.base + range.c, range.cn);
    }
}

const lnt_kernel q8_avg_pool_neon = {.name = "q8_avg_pool_neon",
                                     .run = run,
                                     .kind = LNT_OP_KIND_AVG_POOL,
                                     .split = LNT_SPLIT_CHANNELS,
                                     .channel_group = 16};

LNT_NEON_END

#endif

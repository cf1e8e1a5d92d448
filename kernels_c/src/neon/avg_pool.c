/* Mean over height and width. Input rows and columns are added to the sums; the last ones write the output.
 * Rows: NHWC. State: int32 sums, one per channel. Nothing may overlap. */
#include "neon.h"

#ifdef LNT_NEON64

#include "vector.h"

/* Pixels whose sum fits 16 bits. */
enum { PIXELS = 255 };

/* Sixteen channels of up to PIXELS pixels. */
static void add_pixels(const int8_t *x, size_t pitch, uint32_t pixels, int32_t *sums) {
    int16x8_t low = vdupq_n_s16(0);
    int16x8_t high = vdupq_n_s16(0);
    for (; pixels != 0; pixels--, x += pitch) {
        int8x16_t value = vld1q_s8(x);
        low = vaddw_s8(low, vget_low_s8(value));
        high = vaddw_s8(high, vget_high_s8(value));
    }
    vst1q_s32(sums, vaddw_s16(vld1q_s32(sums), vget_low_s16(low)));
    vst1q_s32(sums + 4, vaddw_s16(vld1q_s32(sums + 4), vget_high_s16(low)));
    vst1q_s32(sums + 8, vaddw_s16(vld1q_s32(sums + 8), vget_low_s16(high)));
    vst1q_s32(sums + 12, vaddw_s16(vld1q_s32(sums + 12), vget_high_s16(high)));
}

static void add_row(const int8_t *row, size_t pitch, uint32_t pixels, uint32_t channels, int32_t *sums) {
    uint32_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        const int8_t *x = row + c;
        for (uint32_t done = 0; done < pixels; done += PIXELS) {
            uint32_t n = pixels - done < PIXELS ? pixels - done : PIXELS;
            add_pixels(x + done * pitch, pitch, n, sums + c);
        }
    }
    for (; c < channels; c++) {
        for (uint32_t x = 0; x < pixels; x++) {
            sums[c] += row[x * pitch + c];
        }
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    int32_t *sums = (int32_t *)(void *)o->state + range.c;
    if (range.y == 0 && range.x == 0) {
        for (uint32_t c = 0; c < range.cn; c++) {
            sums[c] = op->offset;
        }
    }
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        add_row(lnt_pixel(&o->in, y, range.x, p->in->channels) + range.c, p->in->channels, range.xn, range.cn, sums);
    }
    if (range.y + range.n < p->in->height || range.x + range.xn < p->in->width) {
        return;
    }
    int8_t *out = (int8_t *)o->out.base + range.c;
    for (uint32_t c = 0; c < range.cn; c++) {
        int32_t value = p->out->zero_point + lnt_mulr(sums[c], op->shift, op->factor);
        out[c] = lnt_clamp(value, op->clamp_min, op->clamp_max);
    }
}

const lnt_kernel q8_avg_pool_neon = {.name = "q8_avg_pool_neon",
                                     .run = run,
                                     .kind = LNT_OP_KIND_AVG_POOL,
                                     .split = LNT_SPLIT_CHANNELS,
                                     .channel_group = 16};

#endif

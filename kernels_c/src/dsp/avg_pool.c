/* Mean over height and width. Input rows and columns are added to the sums; the last ones write the output.
 * Rows: NHWC. State: int32 sums, one per channel. No scratch. */
#include "dsp.h"

#if LNT_DSP_HERE

#include "../requantize.h"
#include "intrinsics.h"

/* Pixels whose sum fits 16 bits. */
enum { MOST_PIXELS = 256 };

/* Four channels of some pixels. */
static void add_four(int32_t *sums, const int8_t *pixel, uint32_t channels, uint32_t count) {
    uint32_t even = 0, odd = 0;
    for (uint32_t x = 0; x < count; x++, pixel += channels) {
        uint32_t word = lnt_word(pixel);
        even = lnt_add_even(even, word);
        odd = lnt_add_odd(odd, word);
    }
    sums[0] += (int16_t)even;
    sums[1] += (int16_t)odd;
    sums[2] += (int32_t)even >> 16;
    sums[3] += (int32_t)odd >> 16;
}

static void add_row(int32_t *sums, const int8_t *pixel, uint32_t channels, uint32_t cn, uint32_t count) {
    uint32_t c = 0;
    for (; c + 4 <= cn; c += 4) {
        add_four(sums + c, pixel + c, channels, count);
    }
    for (; c < cn; c++) {
        for (uint32_t x = 0; x < count; x++) {
            sums[c] += pixel[(size_t)x * channels + c];
        }
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    uint32_t channels = p->in->channels;
    int32_t *sums = (int32_t *)(void *)o->state + range.c;
    if (range.y == 0 && range.x == 0) {
        for (uint32_t c = 0; c < range.cn; c++) {
            sums[c] = op->offset;
        }
    }
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        for (uint32_t x = 0; x < range.xn; x += MOST_PIXELS) {
            uint32_t count = range.xn - x < MOST_PIXELS ? range.xn - x : MOST_PIXELS;
            add_row(sums, lnt_pixel(&o->in, y, range.x + x, channels) + range.c, channels, range.cn, count);
        }
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

#endif

const lnt_kernel q8_avg_pool_dsp = {.name = "q8_avg_pool_dsp",
                                    .run = LNT_DSP_RUN(run),
                                    .kind = LNT_OP_KIND_AVG_POOL,
                                    .split = LNT_SPLIT_CHANNELS,
                                    .channel_group = 8};

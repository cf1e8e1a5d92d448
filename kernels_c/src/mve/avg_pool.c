/* Mean over height and width. Input rows and columns are added to the sums; the last ones write the output.
 * Rows: NHWC. State: int32 sums, one per channel. No scratch. */
#include "mve.h"

#if LNT_MVE_HERE

#include <arm_mve.h>

#include "../requantize.h"

/* A few channels of some pixels. */
static void add_pixels(int32_t *sums, const int8_t *pixel, uint32_t channels, uint32_t count, mve_pred16_t some) {
    int32x4_t sum = vldrwq_z_s32(sums, some);
    for (uint32_t x = 0; x < count; x++, pixel += channels) {
        sum = vaddq_s32(sum, vldrbq_z_s32(pixel, some));
    }
    vstrwq_p_s32(sums, sum, some);
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
        const int8_t *row = lnt_pixel(&o->in, y, range.x, channels) + range.c;
        for (uint32_t c = 0; c < range.cn; c += 4) {
            add_pixels(sums + c, row + c, channels, range.xn, vctp32q(range.cn - c));
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

const lnt_kernel q8_avg_pool_mve = {.name = "q8_avg_pool_mve",
                                    .run = LNT_MVE_RUN(run),
                                    .kind = LNT_OP_KIND_AVG_POOL,
                                    .split = LNT_SPLIT_CHANNELS,
                                    .channel_group = 8};

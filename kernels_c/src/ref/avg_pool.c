/* Mean over height and width. Input rows and columns are added to the sums; the last ones write the output.
 * Rows: NHWC. State: int32 sums, one per channel. No scratch; nothing may overlap. */
#include "../requantize.h"
#include "ref.h"

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    int32_t *sums = (int32_t *)(void *)o->state + range.c;
    if (range.y == 0 && range.x == 0) {
        for (uint32_t c = 0; c < range.cn; c++) {
            sums[c] = op->offset;
        }
    }
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        const int8_t *row = lnt_pixel(&o->in, y, range.x, p->in->channels) + range.c;
        for (uint32_t x = 0; x < range.xn; x++) {
            const int8_t *pixel = row + (size_t)x * p->in->channels;
            for (uint32_t c = 0; c < range.cn; c++) {
                sums[c] += pixel[c];
            }
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

const lnt_kernel q8_avg_pool_ref = {.name = "q8_avg_pool_ref",
                                    .run = run,
                                    .kind = LNT_OP_KIND_AVG_POOL,
                                    .split = LNT_SPLIT_CHANNELS,
                                    .channel_group = 8};

/* Sum of two tensors of one shape, each with its own scale.
 * Rows: NHWC. The output may lie exactly over either input. No scratch. */
#include "dsp.h"

#if LNT_DSP_HERE

#include "../requantize.h"
#include "intrinsics.h"

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    uint32_t count = lnt_used_bytes(p->out), factors = (uint32_t)op->factor | (uint32_t)op->factor2 << 16;
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        const int8_t *a = (const int8_t *)lnt_row(&o->in, y), *b = (const int8_t *)lnt_row(&o->in2, y);
        int8_t *out = (int8_t *)lnt_row(&o->out, y);
        for (uint32_t i = 0; i < count; i++) {
            out[i] = lnt_clamp(lnt_add_scaled(a[i], b[i], factors, op->offset) >> 14, op->clamp_min, op->clamp_max);
        }
    }
}

#endif

const lnt_kernel q8_add_dsp = {
    .name = "q8_add_dsp", .run = LNT_DSP_RUN(run), .kind = LNT_OP_KIND_ADD, .split = LNT_SPLIT_ROWS};

/* Sum of two tensors of one shape, each with its own scale.
 * Rows: NHWC. The output may lie exactly over either input. No scratch. */
#include "mve.h"

#if LNT_MVE_HERE

#include <arm_mve.h>

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const lnt_op *op = p->op;
    int32x4_t low = vdupq_n_s32(op->clamp_min), high = vdupq_n_s32(op->clamp_max);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        const int8_t *a = (const int8_t *)lnt_row(&o->in, y), *b = (const int8_t *)lnt_row(&o->in2, y);
        int8_t *out = (int8_t *)lnt_row(&o->out, y);
        for (int32_t left = (int32_t)lnt_used_bytes(p->out); left > 0; left -= 4, a += 4, b += 4, out += 4) {
            mve_pred16_t some = vctp32q((uint32_t)left);
            int32x4_t sum = vdupq_n_s32(op->offset);
            sum = vmlaq_n_s32(sum, vldrbq_z_s32(a, some), op->factor);
            sum = vmlaq_n_s32(sum, vldrbq_z_s32(b, some), op->factor2);
            sum = vmaxq_s32(vminq_s32(vshrq_n_s32(sum, 14), high), low);
            vstrbq_p_s32(out, sum, some);
        }
    }
}

#endif

const lnt_kernel q8_add_mve = {
    .name = "q8_add_mve", .run = LNT_MVE_RUN(run), .kind = LNT_OP_KIND_ADD, .split = LNT_SPLIT_ROWS};

/* A picture's rows, uint8 to int8 in place: x - 128 is x with its highest bit turned over. */
#include "mve.h"

#if LNT_MVE_HERE

#include <arm_mve.h>

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        uint8_t *row = lnt_row(&o->out, y);
        for (int32_t left = (int32_t)lnt_used_bytes(p->out); left > 0; left -= 16, row += 16) {
            mve_pred16_t some = vctp8q((uint32_t)left);
            vstrbq_p_u8(row, veorq_u8(vldrbq_z_u8(row, some), vdupq_n_u8(0x80)), some);
        }
    }
}

#endif

const lnt_kernel q8_input_mve = {
    .name = "q8_input_mve", .run = LNT_MVE_RUN(run), .kind = LNT_OP_KIND_INPUT, .split = LNT_SPLIT_ROWS};

/* A picture's rows, uint8 to int8 in place: x - 128 is x with its highest bit turned over. */
#include "dsp.h"

#if LNT_DSP_HERE

#include "intrinsics.h"

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t count = lnt_used_bytes(p->out);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        int8_t *row = (int8_t *)lnt_row(&o->out, y);
        uint32_t i = 0;
        for (; i + 8 <= count; i += 8) {
            uint32_t a = lnt_word(row + i) ^ 0x80808080u, b = lnt_word(row + i + 4) ^ 0x80808080u;
            memcpy(row + i, &a, sizeof a);
            memcpy(row + i + 4, &b, sizeof b);
        }
        for (; i < count; i++) {
            row[i] = (int8_t)(row[i] ^ INT8_MIN);
        }
    }
}

#endif

const lnt_kernel q8_input_dsp = {
    .name = "q8_input_dsp", .run = LNT_DSP_RUN(run), .kind = LNT_OP_KIND_INPUT, .split = LNT_SPLIT_ROWS};

/* A picture's rows, uint8 to int8 in place: x = pixel - 128. Never called for networks whose input is no picture.
 * Rows: width x channels bytes. No scratch. */
#include "ref.h"

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t row_bytes = lnt_used_bytes(p->out);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        uint8_t *row = lnt_row(&o->out, y);
        for (uint32_t i = 0; i < row_bytes; i++) {
            row[i] ^= 0x80;
        }
    }
}

const lnt_kernel q8_input_ref = {
    .name = "q8_input_ref", .run = run, .kind = LNT_OP_KIND_INPUT, .split = LNT_SPLIT_ROWS};

/* A picture's rows, uint8 to int8 in place: x = pixel - 128. Never called for networks whose input is no picture.
 * Rows: width x channels bytes. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "vector.h"

static void flip(uint8_t *row, uint32_t bytes) {
    uint8x16_t sign = vdupq_n_u8(0x80);
    for (; bytes >= 64; bytes -= 64, row += 64) {
        uint8x16_t a = veorq_u8(vld1q_u8(row), sign);
        uint8x16_t b = veorq_u8(vld1q_u8(row + 16), sign);
        uint8x16_t c = veorq_u8(vld1q_u8(row + 32), sign);
        uint8x16_t d = veorq_u8(vld1q_u8(row + 48), sign);
        vst1q_u8(row, a);
        vst1q_u8(row + 16, b);
        vst1q_u8(row + 32, c);
        vst1q_u8(row + 48, d);
    }
    for (; bytes >= 16; bytes -= 16, row += 16) {
        vst1q_u8(row, veorq_u8(vld1q_u8(row), sign));
    }
    for (uint32_t i = 0; i < bytes; i++) {
        row[i] ^= 0x80;
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t row_bytes = lnt_used_bytes(p->out);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        flip(lnt_row(&o->out, y), row_bytes);
    }
}

const lnt_kernel q8_input_neon = {
    .name = "q8_input_neon", .run = run, .kind = LNT_OP_KIND_INPUT, .split = LNT_SPLIT_ROWS};

LNT_NEON_END

#endif

/* A picture's rows, uint8 to int8 in place: x = pixel - 128. Rows: width x channels bytes. AVX2. */
#include "x86.h"

#ifdef LNT_X86

LNT_AVX2 static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    size_t bytes = lnt_used_bytes(p->out), whole = bytes / 32 * 32;
    __m256i sign = _mm256_set1_epi8(-128);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        uint8_t *row = lnt_row(&o->out, y);
        for (size_t i = 0; i < whole; i += 32) {
            void *at = row + i;
            _mm256_storeu_si256(at, _mm256_xor_si256(_mm256_loadu_si256(at), sign));
        }
        for (size_t i = whole; i < bytes; i++) {
            row[i] ^= 0x80;
        }
    }
}

const lnt_kernel q8_input_avx2 = {
    .name = "q8_input_avx2", .run = run, .kind = LNT_OP_KIND_INPUT, .split = LNT_SPLIT_ROWS};
#endif

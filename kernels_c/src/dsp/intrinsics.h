/* DSP instructions that GCC 12 does not find by itself, for loops where C is good enough. */
#ifndef LNT_INTRINSICS_H
#define LNT_INTRINSICS_H

#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

/* Four bytes, from any address. */
static inline uint32_t lnt_word(const int8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Bytes 0 and 2, with signs. */
static inline int16x2_t lnt_even(uint32_t word) { return __sxtb16((int8x4_t)word); }

/* Bytes 1 and 3: SXTB16 with a rotation, which GCC makes two instructions of. */
static inline int16x2_t lnt_odd(uint32_t word) {
    int16x2_t halves;
    __asm("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
}

/* Bytes 0 and 2, or 1 and 3, added to halves. */
static inline uint32_t lnt_add_even(uint32_t halves, uint32_t word) {
    return (uint32_t)__sxtab16((int16x2_t)halves, (int8x4_t)word);
}

static inline uint32_t lnt_add_odd(uint32_t halves, uint32_t word) {
    __asm("sxtab16 %0, %0, %1, ror #8" : "+r"(halves) : "r"(word));
    return halves;
}

/* The sum times m / 2^31, rounded, with 2m given: one instruction for what lnt_mulr() does in several. */
static inline int32_t lnt_scale(int32_t sum, int32_t doubled, int32_t plus) {
    __asm("smmlar %0, %0, %1, %2" : "+r"(sum) : "r"(doubled), "r"(plus));
    return sum;
}

/* a * low + b * high + c, for factors in the halves of a word. */
static inline int32_t lnt_add_scaled(int32_t a, int32_t b, uint32_t factors, int32_t c) {
    uint32_t halves;
    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(halves) : "r"(a), "r"(b));
    return __smlad((int16x2_t)halves, (int16x2_t)factors, c);
}

#endif

/* The arithmetic that all kernels share: docs/numerics.md, line by line. lnt_check() has made sure that no sum and no
 * product leaves its type. `>>` of a negative number rounds towards minus infinity on every compiler we build with. */
#ifndef LNT_REQUANTIZE_H
#define LNT_REQUANTIZE_H

#include <stdint.h>

/* acc * multiplier / 2^(31 - shift), halves up. */
static inline int32_t lnt_mulr(int32_t acc, uint32_t shift, int32_t multiplier) {
    int64_t product = (int64_t)(acc * ((int32_t)1 << shift)) * multiplier;
    return (int32_t)((product + (1 << 30)) >> 31);
}

static inline int32_t lnt_sat16(int32_t value) {
    return value < INT16_MIN ? INT16_MIN : value > INT16_MAX ? INT16_MAX : value;
}

static inline int8_t lnt_clamp(int32_t value, int32_t low, int32_t high) {
    return (int8_t)(value < low ? low : value > high ? high : value);
}

#endif

/* Dot products of one int8 vector with the filters of several output channels. */
#ifndef LNT_DOT_H
#define LNT_DOT_H

#include <stddef.h>
#include <stdint.h>

/* Output channels that share the loading of x. */
enum { LNT_DOT_CHANNELS = 4 };

static inline int32_t lnt_dot(const int8_t *x, const int8_t *w, size_t length) {
    int32_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += x[i] * w[i];
    }
    return sum;
}

/* acc[c] += x . w[c * stride ...] for c < channels <= LNT_DOT_CHANNELS. */
static inline void lnt_dots(const int8_t *x, const int8_t *w, size_t stride, size_t length, uint32_t channels,
                            int32_t acc[LNT_DOT_CHANNELS]) {
    if (channels == LNT_DOT_CHANNELS) {
        const int8_t *w1 = w + stride, *w2 = w + 2 * stride, *w3 = w + 3 * stride;
        int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
        for (size_t i = 0; i < length; i++) {
            sum0 += x[i] * w[i];
            sum1 += x[i] * w1[i];
            sum2 += x[i] * w2[i];
            sum3 += x[i] * w3[i];
        }
        acc[0] += sum0;
        acc[1] += sum1;
        acc[2] += sum2;
        acc[3] += sum3;
        return;
    }
    for (uint32_t c = 0; c < channels; c++) {
        acc[c] += lnt_dot(x, w + c * stride, length);
    }
}

#endif

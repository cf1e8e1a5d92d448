/* Where the window of a convolution lies in its input. */
#ifndef LNT_WINDOW_H
#define LNT_WINDOW_H

#include <stdint.h>

/* Along one axis: taps [from, to) lie inside the input, tap i on element start + i. */
typedef struct lnt_taps {
    int32_t start;
    uint32_t from;
    uint32_t to;
} lnt_taps;

/* lnt_check() has made sure that at least one tap is inside. */
static inline lnt_taps lnt_find_taps(uint32_t out, uint32_t stride, uint32_t pad, uint32_t kernel, uint32_t in) {
    int32_t start = (int32_t)(out * stride) - (int32_t)pad;
    int32_t to_end = (int32_t)in - start;
    return (lnt_taps){
        .start = start,
        .from = start < 0 ? (uint32_t)-start : 0,
        .to = (int32_t)kernel < to_end ? kernel : (uint32_t)to_end,
    };
}

#endif

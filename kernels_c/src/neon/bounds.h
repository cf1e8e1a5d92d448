/* What the weights of a layer allow. */
#ifndef LNT_NEON_BOUNDS_H
#define LNT_NEON_BOUNDS_H

#include "../ref/ref.h"
#include "../requantize.h"

/* Widen [*low, *high], the range of a sum, by x * weight for any x. */
static inline void lnt_widen(int64_t *low, int64_t *high, int32_t weight) {
    *low += weight < 0 ? weight * INT8_MAX : weight * INT8_MIN;
    *high += weight < 0 ? weight * INT8_MIN : weight * INT8_MAX;
}

/* Whether no input can make channel c of the operator, with `taps` weights `stride` bytes apart, leave 16 bits after
 * the multiplication. */
static inline bool lnt_channel_fits(const lnt_params *p, uint32_t c, const int8_t *weights, size_t taps,
                                    size_t stride) {
    int64_t low = lnt_int32_data(p, p->op->bias)[c];
    int64_t high = low;
    for (size_t i = 0; i < taps; i++) {
        lnt_widen(&low, &high, weights[i * stride]);
    }
    int32_t multiplier = lnt_int32_data(p, p->op->multiplier)[c];
    return lnt_mulr((int32_t)low, p->op->shift, multiplier) >= INT16_MIN &&
           lnt_mulr((int32_t)high, p->op->shift, multiplier) <= INT16_MAX;
}

#endif

/* Requantization on x86: acc * 2^shift * m / 2^31 from the high halves of 64-bit products.
 *
 * Where every 4m fits int32 and there is no shift, which is nearly always, t = (acc * 4m) >> 32 has one bit more than
 * wanted, and (t + 1) >> 1 rounds it as the law says. Else (acc * 2^shift * 2m + 2^31) >> 32 is the law itself. */
#ifndef LNT_X86_SCALING_H
#define LNT_X86_SCALING_H

#include "target.h"

/* At the start of packed constants. */
typedef struct lnt_scaling {
    uint32_t by_four; /* multipliers are 4m, and not 2m */
} lnt_scaling;

enum { LNT_SCALING_BYTES = 64 };

/* Write it to `to`. */
lnt_scaling lnt_scaling_pack(const lnt_params *p, uint8_t *to);

/* Bias less `excess`, multiplier and odd multiplier of one channel to one lane of a panel, which starts with three
 * vectors of `lanes` int32. */
void lnt_lane_pack(const lnt_params *p, lnt_scaling scaling, uint32_t channel, int32_t excess, int32_t *panel,
                   uint32_t lanes, uint32_t lane);

#endif

#include "scaling.h"

#ifdef LNT_X86
#include <string.h>

#include "../ref/ref.h"

lnt_scaling lnt_scaling_pack(const lnt_params *p, uint8_t *to) {
    const int32_t *multipliers = lnt_int32_data(p, p->op->multiplier);
    lnt_scaling scaling = {.by_four = p->op->shift == 0};
    for (uint32_t c = 0; c < p->out->channels; c++) {
        if (multipliers[c] >= 1 << 29) {
            scaling.by_four = 0;
        }
    }
    memset(to, 0, LNT_SCALING_BYTES);
    memcpy(to, &scaling, sizeof scaling);
    return scaling;
}

void lnt_lane_pack(const lnt_params *p, lnt_scaling scaling, uint32_t channel, int32_t excess, int32_t *panel,
                   uint32_t lanes, uint32_t lane) {
    int32_t multiplier = lnt_int32_data(p, p->op->multiplier)[channel] * (scaling.by_four ? 4 : 2);
    uint32_t bias = (uint32_t)lnt_int32_data(p, p->op->bias)[channel] - (uint32_t)excess;
    memcpy(panel + lane, &bias, sizeof bias);
    panel[lanes + lane] = multiplier;
    if (lane % 2 != 0) {
        panel[2 * lanes + lane - 1] = multiplier;
    }
}
#endif

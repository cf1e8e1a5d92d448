/* For kernels whose inner loops clamp to int8, which is what nearly all networks want: this makes good the rest. */
#ifndef LNT_CLAMP_H
#define LNT_CLAMP_H

#include "internal.h"

void lnt_clamp_range(const lnt_params *params, const lnt_operands *operands, const lnt_range *range);

#endif

/* Kernels for Cortex-M with vectors (MVE, "Helium": M55, M85). They are compiled in wherever packing for them is
 * wanted, and can run where the compiler targets such a processor. */
#ifndef LNT_MVE_H
#define LNT_MVE_H

#include "../internal.h"

#if defined(__ARM_FEATURE_MVE)
#define LNT_MVE_HERE 1
#define LNT_MVE_RUN(function) (function)
#else
#define LNT_MVE_HERE 0
#define LNT_MVE_RUN(function) NULL
#endif

extern const lnt_kernel q8_input_mve;
extern const lnt_kernel q8_conv_mve;
extern const lnt_kernel q8_depthwise_mve;
extern const lnt_kernel q8_depthwise_any_mve;
extern const lnt_kernel q8_pointwise_mve;
extern const lnt_kernel q8_add_mve;
extern const lnt_kernel q8_avg_pool_mve;
extern const lnt_kernel q8_fully_connected_mve;

/* What the family's list begins with. */
#define LNT_MVE_KERNELS                                                                                                \
    &q8_input_mve, &q8_conv_mve, &q8_depthwise_mve, &q8_depthwise_any_mve, &q8_pointwise_mve, &q8_add_mve,             \
        &q8_avg_pool_mve, &q8_fully_connected_mve

#endif

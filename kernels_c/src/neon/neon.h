/* Kernels for processors with NEON and no dot product instructions (Cortex-A53 and A72: Raspberry Pi 3, 4, Zero 2 W),
 * and those that gain nothing from them. */
#ifndef LNT_NEON_H
#define LNT_NEON_H

#include "../families.h"
#include "../ref/ref.h"

#if defined(__aarch64__) && defined(__linux__)
#define LNT_NEON64

extern const lnt_family lnt_family_neon_dotprod;
extern const lnt_family lnt_family_neon;

/* For all of them. */
extern const lnt_kernel q8_input_neon;
extern const lnt_kernel q8_add_neon;
extern const lnt_kernel q8_avg_pool_neon;

/* Without dot products. */
extern const lnt_kernel q8_conv_neon;
extern const lnt_kernel q8_depthwise_neon;
extern const lnt_kernel q8_pointwise_neon;
extern const lnt_kernel q8_fully_connected_neon;

/* With dot products, but for the inner loops the same as without. */
extern const lnt_kernel q8_conv_dotprod;
extern const lnt_kernel q8_depthwise_dotprod;
extern const lnt_kernel q8_pointwise_dotprod;
extern const lnt_kernel q8_fully_connected_dotprod;

#endif

#endif

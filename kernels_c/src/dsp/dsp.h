/* Kernels for Cortex-M with the DSP extension (M4, M7, M33): multiplications of pairs of 16 bits. They are compiled in
 * wherever packing for them is wanted, and can run where the compiler targets such a processor. */
#ifndef LNT_DSP_H
#define LNT_DSP_H

#include "../internal.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE) && __ARM_ARCH_PROFILE == 'M'
#define LNT_DSP_HERE 1
#define LNT_DSP_RUN(function) (function)
#else
#define LNT_DSP_HERE 0
#define LNT_DSP_RUN(function) NULL
#endif

/* The M7 issues two instructions a cycle, and wants another order of them. A compiler does not say which core it
 * targets; of these cores only the M7 has floating point of 64 bits. */
#ifndef LNT_DSP_DUAL_ISSUE
#if defined(__ARM_FP) && (__ARM_FP & 8)
#define LNT_DSP_DUAL_ISSUE 1
#else
#define LNT_DSP_DUAL_ISSUE 0
#endif
#endif

extern const lnt_kernel q8_input_dsp;
extern const lnt_kernel q8_conv_dsp;
extern const lnt_kernel q8_depthwise_dsp;
extern const lnt_kernel q8_depthwise_any_dsp;
extern const lnt_kernel q8_pointwise_dsp;
extern const lnt_kernel q8_add_dsp;
extern const lnt_kernel q8_avg_pool_dsp;
extern const lnt_kernel q8_fully_connected_dsp;

/* What the family's list begins with. */
#define LNT_DSP_KERNELS                                                                                                \
    &q8_input_dsp, &q8_conv_dsp, &q8_depthwise_dsp, &q8_depthwise_any_dsp, &q8_pointwise_dsp, &q8_add_dsp,             \
        &q8_avg_pool_dsp, &q8_fully_connected_dsp

#endif

/* Kernels for processors with NEON and no dot product instructions (Cortex-A7, A53, A72: Raspberry Pi 2, 3, 4, Zero 2
 * W), and those that gain nothing from them. */
#ifndef LNT_NEON_H
#define LNT_NEON_H

#include "../families.h"
#include "../ref/ref.h"

/* LNT_NEON: there may be NEON; LNT_NEON64: there is, and perhaps more. A 32-bit library for every ARMv6 contains these
 * kernels if GCC compiles it, which can switch NEON on for some functions only (between LNT_NEON_BEGIN and
 * LNT_NEON_END); other compilers must be told to compile for NEON as a whole. */
#if defined(__aarch64__) && defined(__linux__)
#define LNT_NEON
#define LNT_NEON64
#elif defined(__arm__) && defined(__linux__) && (defined(__ARM_NEON) || !defined(__clang__))
#define LNT_NEON
#endif

#if defined(__arm__) && !defined(__ARM_NEON)
#define LNT_NEON_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"arch=armv7-a+simd\")")
#define LNT_NEON_END _Pragma("GCC pop_options")
#else
#define LNT_NEON_BEGIN
#define LNT_NEON_END
#endif

#ifdef LNT_NEON

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

#endif

#ifdef LNT_NEON64

/* For in-order cores: the same, but for the order of instructions. */
extern const lnt_family lnt_family_neon_inorder;
extern const lnt_kernel q8_depthwise_pair_neon;
extern const lnt_kernel q8_pointwise_inorder_neon;

extern const lnt_family lnt_family_neon_dotprod;

/* With dot products, but for the inner loops the same as without. */
extern const lnt_kernel q8_conv_dotprod;
extern const lnt_kernel q8_depthwise_dotprod;
extern const lnt_kernel q8_pointwise_dotprod;
extern const lnt_kernel q8_fully_connected_dotprod;

#endif

#endif

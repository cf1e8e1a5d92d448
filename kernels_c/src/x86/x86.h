/* The kernel families for x86-64, and their kernels. */
#ifndef LNT_X86_H
#define LNT_X86_H

#include "../families.h"
#include "target.h"

#ifdef LNT_X86
extern const lnt_kernel q8_conv_avx512vnni;
extern const lnt_kernel q8_depthwise_avx512vnni;
extern const lnt_kernel q8_pointwise_avx512vnni;
extern const lnt_kernel q8_fully_connected_avx512vnni;

extern const lnt_kernel q8_conv_avxvnni;
extern const lnt_kernel q8_depthwise_avxvnni;
extern const lnt_kernel q8_pointwise_avxvnni;
extern const lnt_kernel q8_fully_connected_avxvnni;

extern const lnt_kernel q8_conv_avx2;
extern const lnt_kernel q8_depthwise_avx2;
extern const lnt_kernel q8_pointwise_avx2;
extern const lnt_kernel q8_fully_connected_avx2;

/* Of all three families. */
extern const lnt_kernel q8_input_avx2;
extern const lnt_kernel q8_add_avx2;
extern const lnt_kernel q8_avg_pool_avx2;

extern const lnt_family lnt_family_avx512vnni;
extern const lnt_family lnt_family_avxvnni;
extern const lnt_family lnt_family_avx2;
#endif

#endif

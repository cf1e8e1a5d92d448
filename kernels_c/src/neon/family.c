/* The family of AArch64 processors without dot products, for the Cortex-A72 and A53. */
#include "neon.h"

#ifdef LNT_NEON64

static const lnt_kernel *const kernels[] = {&q8_input_neon,           &q8_conv_neon,   &q8_depthwise_neon,
                                            &q8_pointwise_neon,       &q8_add_neon,    &q8_avg_pool_neon,
                                            &q8_fully_connected_neon, LNT_REF_KERNELS, NULL};

/* NEON is part of AArch64. */
const lnt_family lnt_family_neon = {.name = "neon", .kernels = kernels, .id = LNT_FAMILY_UNFILED};

#endif

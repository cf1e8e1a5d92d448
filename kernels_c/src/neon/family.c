/* The families of processors without dot products: Cortex-A72 and 32-bit programs on all; Cortex-A53. */
#include "cpu.h"
#include "neon.h"

#ifdef LNT_NEON

static const lnt_kernel *const kernels[] = {&q8_input_neon,           &q8_conv_neon,   &q8_depthwise_neon,
                                            &q8_pointwise_neon,       &q8_add_neon,    &q8_avg_pool_neon,
                                            &q8_fully_connected_neon, LNT_REF_KERNELS, NULL};

const lnt_family lnt_family_neon = {
    .name = "neon", .runs_here = lnt_cpu_has_neon, .kernels = kernels, .id = LNT_FAMILY_UNFILED};

#ifdef LNT_NEON64

static const lnt_kernel *const inorder_kernels[] = {&q8_input_neon,
                                                    &q8_conv_neon,
                                                    &q8_depthwise_pair_neon,
                                                    &q8_pointwise_inorder_neon,
                                                    &q8_add_neon,
                                                    &q8_avg_pool_neon,
                                                    &q8_fully_connected_neon,
                                                    LNT_REF_KERNELS,
                                                    NULL};

const lnt_family lnt_family_neon_inorder = {
    .name = "neon_inorder", .runs_here = lnt_cpu_is_inorder, .kernels = inorder_kernels, .id = LNT_FAMILY_UNFILED};

#endif
#endif

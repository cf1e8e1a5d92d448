/* The family of processors with dot products, for the Cortex-A76. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "../neon/cpu.h"
#include "dotprod.h"

static const lnt_kernel *const kernels[] = {&q8_input_neon,
                                            &q8_conv_dotprod,
                                            &q8_depthwise_dotprod,
                                            &q8_pointwise_dotprod,
                                            &q8_add_neon,
                                            &q8_avg_pool_neon,
                                            &q8_fully_connected_dotprod,
                                            LNT_REF_KERNELS,
                                            NULL};

const lnt_family lnt_family_neon_dotprod = {
    .name = "neon_dotprod", .runs_here = lnt_cpu_has_dotprod, .kernels = kernels, .id = LNT_FAMILY_UNFILED};

#endif

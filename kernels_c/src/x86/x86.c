#include "x86.h"

#ifdef LNT_X86
#include "../ref/ref.h"
#include "cpu.h"

#define AVX2_KERNELS &q8_input_avx2, &q8_add_avx2, &q8_avg_pool_avx2

static const lnt_kernel *const avx512vnni[] = {&q8_conv_avx512vnni,
                                               &q8_depthwise_avx512vnni,
                                               &q8_pointwise_avx512vnni,
                                               &q8_fully_connected_avx512vnni,
                                               AVX2_KERNELS,
                                               LNT_REF_KERNELS,
                                               NULL};

const lnt_family lnt_family_avx512vnni = {
    .name = "avx512vnni", .runs_here = lnt_has_avx512vnni, .kernels = avx512vnni, .id = LNT_FAMILY_UNFILED};

static const lnt_kernel *const avxvnni[] = {&q8_conv_avxvnni,
                                            &q8_depthwise_avxvnni,
                                            &q8_pointwise_avxvnni,
                                            &q8_fully_connected_avxvnni,
                                            AVX2_KERNELS,
                                            LNT_REF_KERNELS,
                                            NULL};

const lnt_family lnt_family_avxvnni = {
    .name = "avxvnni", .runs_here = lnt_has_avxvnni, .kernels = avxvnni, .id = LNT_FAMILY_UNFILED};

static const lnt_kernel *const avx2[] = {
    &q8_conv_avx2, &q8_depthwise_avx2, &q8_pointwise_avx2, &q8_fully_connected_avx2, AVX2_KERNELS, LNT_REF_KERNELS,
    NULL};

const lnt_family lnt_family_avx2 = {
    .name = "avx2", .runs_here = lnt_has_avx2, .kernels = avx2, .id = LNT_FAMILY_UNFILED};
#endif

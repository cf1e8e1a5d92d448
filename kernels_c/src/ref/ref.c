#include "ref.h"

void lnt_ref_kernels(const lnt_kernel *table[LNT_OP_KINDS]) {
    table[LNT_OP_KIND_INPUT] = &q8_input_ref;
    table[LNT_OP_KIND_CONV] = &q8_conv_ref;
    table[LNT_OP_KIND_DEPTHWISE] = &q8_depthwise_ref;
    table[LNT_OP_KIND_POINTWISE] = &q8_pointwise_ref;
    table[LNT_OP_KIND_ADD] = &q8_add_ref;
    table[LNT_OP_KIND_AVG_POOL] = &q8_avg_pool_ref;
    table[LNT_OP_KIND_FULLY_CONNECTED] = &q8_fully_connected_ref;
    table[LNT_OP_KIND_SOFTMAX] = &q8_softmax_ref;
}

/* The portable kernels: plain C, the text that all others are held to. */
#ifndef LNT_REF_H
#define LNT_REF_H

#include "../internal.h"

extern const lnt_kernel q8_input_ref;
extern const lnt_kernel q8_conv_ref;
extern const lnt_kernel q8_depthwise_ref;
extern const lnt_kernel q8_pointwise_ref;
extern const lnt_kernel q8_add_ref;
extern const lnt_kernel q8_avg_pool_ref;
extern const lnt_kernel q8_fully_connected_ref;
extern const lnt_kernel q8_softmax_ref;

/* What every family's list ends with. */
#define LNT_REF_KERNELS                                                                                                \
    &q8_input_ref, &q8_conv_ref, &q8_depthwise_ref, &q8_pointwise_ref, &q8_add_ref, &q8_avg_pool_ref,                  \
        &q8_fully_connected_ref, &q8_softmax_ref

/* Parameters in place in the file; lnt_check() has made sure of range and alignment. */
static inline const int8_t *lnt_int8_data(const lnt_params *p, uint32_t offset) {
    return (const int8_t *)p->data + offset;
}

static inline const int32_t *lnt_int32_data(const lnt_params *p, uint32_t offset) {
    return (const int32_t *)(const void *)(p->data + offset);
}

#endif

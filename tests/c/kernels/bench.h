/* How fast kernels are on the layers of MobileNetV2. */
#ifndef LNT_TEST_BENCH_H
#define LNT_TEST_BENCH_H

#include "check.h"

typedef struct bench_options {
    int64_t layer;   /* this one only; below 0: all */
    uint32_t repeat; /* not 0: run so often and measure nothing, for counters outside */
    bool baseline;   /* with repeat: make everything ready and do not run */
    bool json;
    uint32_t rows; /* bytes of rows that there is room for: larger layers are computed in part */
} bench_options;

void bench_list_layers(void);

/* False where the kernel's bytes are wrong. */
bool bench_kernel(const subject *s, const bench_options *o);

#endif

/* One step, in one piece or cut into tasks for threads. */
#ifndef LNT_CUT_H
#define LNT_CUT_H

#include "internal.h"

/* Have a kernel compute the whole of a step, with the net's parallel_for where there is one and it is worth it.
 * Firmware has no threads: compiled with LNT_FIRMWARE, steps stay whole. */
#ifdef LNT_FIRMWARE
static inline void lnt_run_cut(const lnt_hooks *hooks, const lnt_kernel *kernel, const lnt_params *params,
                               const lnt_operands *operands, lnt_range whole) {
    (void)hooks;
    kernel->run(params, operands, whole);
}
#else
void lnt_run_cut(const lnt_hooks *hooks, const lnt_kernel *kernel, const lnt_params *params,
                 const lnt_operands *operands, lnt_range whole);
#endif

#endif

/* Kernels for AArch64 processors with the dot product instructions (Cortex-A76: Raspberry Pi 5). The rest of the
 * library is compiled for any AArch64, so each of these files begins with LNT_DOTPROD_BEGIN and ends with
 * LNT_DOTPROD_END. */
#ifndef LNT_NEON_DOTPROD_H
#define LNT_NEON_DOTPROD_H

#include "../neon/vector.h"
#include "../ref/ref.h"

#if defined(__clang__)
#define LNT_DOTPROD_BEGIN                                                                                              \
    _Pragma("clang attribute push(__attribute__((target(\"dotprod\"))), apply_to = function)") // NOLINT
#define LNT_DOTPROD_END _Pragma("clang attribute pop")
#else
#define LNT_DOTPROD_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"arch=armv8.2-a+dotprod\")")
#define LNT_DOTPROD_END _Pragma("GCC pop_options")
#endif

#endif

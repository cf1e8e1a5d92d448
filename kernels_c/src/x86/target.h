/* What the kernels for x86-64 are compiled for. Each function names its instruction set, so that one library for every
 * x86-64 is compiled with one set of flags; on other processors these files are empty. */
#ifndef LNT_X86_TARGET_H
#define LNT_X86_TARGET_H

#include "../internal.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define LNT_X86 1
#include <immintrin.h>

#define LNT_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,bmi2")))
#define LNT_AVXVNNI __attribute__((target("avx2,avxvnni,bmi2")))
#define LNT_AVX2 __attribute__((target("avx2,bmi2")))
#define LNT_INLINE static inline __attribute__((always_inline))

/* Accumulators only stay in registers where the loops over them are unrolled completely. */
#if defined(__clang__)
#define LNT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LNT_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

#endif

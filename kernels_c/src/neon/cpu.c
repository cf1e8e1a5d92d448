/* Processor features from the auxiliary vector: no file, no signal handler, no state. */
#include "cpu.h"

#include "neon.h"

#ifdef LNT_NEON

#include <sys/auxv.h>

/* The kernel's interface (arch/arm{,64}/include/uapi/asm/hwcap.h); headers of old C libraries lack some. */
#ifdef LNT_NEON64

enum { HAS_ASIMD = 1 << 1, HAS_ASIMDDP = 1 << 20 };

bool lnt_cpu_has_neon(void) { return (getauxval(AT_HWCAP) & HAS_ASIMD) != 0; }

bool lnt_cpu_has_dotprod(void) { return (getauxval(AT_HWCAP) & HAS_ASIMDDP) != 0; }

#else

enum { HAS_NEON = 1 << 12 };

bool lnt_cpu_has_neon(void) { return (getauxval(AT_HWCAP) & HAS_NEON) != 0; }

#endif
#endif

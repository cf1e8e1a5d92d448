/* Processor features from the auxiliary vector: no file, no signal handler, no state. */
#include "cpu.h"

#include "neon.h"

#ifdef LNT_NEON64

#include <sys/auxv.h>

/* The kernel's interface (Documentation/arch/arm64/elf_hwcaps.rst); headers of old C libraries lack some. */
enum { HAS_ASIMDDP = 1 << 20 };

bool lnt_cpu_has_dotprod(void) { return (getauxval(AT_HWCAP) & HAS_ASIMDDP) != 0; }

#endif

/* Processor features from the auxiliary vector and MIDR_EL1: no file, no signal handler, no state. */
#include "cpu.h"

#include "neon.h"

#ifdef LNT_NEON

#include <sys/auxv.h>

/* The kernel's interface (arch/arm{,64}/include/uapi/asm/hwcap.h); headers of old C libraries lack some. */
#ifdef LNT_NEON64

enum { HAS_ASIMD = 1 << 1, HAS_CPUID = 1 << 11, HAS_ASIMDDP = 1 << 20 };

bool lnt_cpu_has_neon(void) { return (getauxval(AT_HWCAP) & HAS_ASIMD) != 0; }

bool lnt_cpu_has_dotprod(void) { return (getauxval(AT_HWCAP) & HAS_ASIMDDP) != 0; }

/* MIDR_EL1: implementer in bits 31 to 24 (0x41: Arm), part in bits 15 to 4. The kernel answers the trap for programs
 * where it says HAS_CPUID (Documentation/arch/arm64/cpu-feature-registers.rst); elsewhere it would be illegal. */
bool lnt_cpu_is_inorder(void) {
    if (!lnt_cpu_has_neon() || (getauxval(AT_HWCAP) & HAS_CPUID) == 0) {
        return false;
    }
    uint64_t midr;
    __asm__("mrs %0, midr_el1" : "=r"(midr));
    uint32_t part = (uint32_t)(midr >> 4) & 0xFFF;
    bool is_arm = (midr >> 24 & 0xFF) == 0x41;
    return is_arm && part >= 0xD02 && part <= 0xD05; /* Cortex-A34, A53, A35, A55 */
}

#else

enum { HAS_NEON = 1 << 12 };

bool lnt_cpu_has_neon(void) { return (getauxval(AT_HWCAP) & HAS_NEON) != 0; }

#endif
#endif

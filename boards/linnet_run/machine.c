/* The processor, as the kernel describes it to programs (getauxval), not as /proc/cpuinfo tells it to people. */
#define _POSIX_C_SOURCE 200809L
#include "machine.h"

#include <inttypes.h>
#include <stdbool.h>
#include <unistd.h>

#include "linnet.h"

#if defined(__linux__) && (defined(__aarch64__) || defined(__arm__))
#include <sys/auxv.h>
#endif

typedef struct feature {
    const char *name;
    bool there;
} feature;

#if defined(__linux__) && defined(__aarch64__)
#define TARGET "aarch64"
/* ID_AA64... bits as the Linux ABI has them in AT_HWCAP and AT_HWCAP2. */
static const feature *features(void) {
    static feature list[4];
    unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
    list[0] = (feature){"neon", caps >> 1 & 1};
    list[1] = (feature){"dotprod", caps >> 20 & 1};
    list[2] = (feature){"i8mm", caps2 >> 13 & 1};
    return list;
}

/* MIDR_EL1, which the kernel lets programs read where it says HWCAP_CPUID. */
static uint64_t core_id(void) {
    uint64_t midr = 0;
    if (getauxval(AT_HWCAP) >> 11 & 1) {
        __asm__("mrs %0, midr_el1" : "=r"(midr));
    }
    return midr;
}
#elif defined(__linux__) && defined(__arm__)
#if __ARM_ARCH >= 7
#define TARGET "armv7"
#else
#define TARGET "armv6"
#endif
static const feature *features(void) {
    static feature list[4];
    unsigned long caps = getauxval(AT_HWCAP);
    list[0] = (feature){"vfp", caps >> 6 & 1};
    list[1] = (feature){"neon", caps >> 12 & 1};
    list[2] = (feature){"dotprod", caps >> 24 & 1};
    return list;
}

static uint64_t core_id(void) { return 0; }
#else
#define TARGET "host"
static const feature *features(void) {
    static const feature none[1];
    return none;
}

static uint64_t core_id(void) { return 0; }
#endif

void print_machine(FILE *to, uintptr_t mark) {
    fprintf(to, "{\"abi\":%d,\"target\":\"" TARGET "\",\"bits\":%u,\"processors\":%ld,\"midr\":%" PRIu64, lnt_abi(),
            (unsigned)(8 * sizeof(void *)), sysconf(_SC_NPROCESSORS_ONLN), core_id());
    fputs(",\"features\":[", to);
    const char *separator = "";
    for (const feature *f = features(); f->name; f++) {
        if (f->there) {
            fprintf(to, "%s\"%s\"", separator, f->name);
            separator = ",";
        }
    }
    fputs("],\"kernels\":[", to);
    const char *name;
    for (uint32_t i = 0; (name = lnt_family_name(i)) != NULL; i++) {
        fprintf(to, "%s\"%s\"", i ? "," : "", name);
    }
    fprintf(to, "],\"mark\":%" PRIuPTR "}\n", mark);
}

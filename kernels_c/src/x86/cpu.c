/* By cpuid and xgetbv themselves: the compilers' __builtin_cpu_supports() wants a constructor and a global of theirs,
 * and zig links neither. */
#include "cpu.h"

#include "target.h"

#ifdef LNT_X86
#include <cpuid.h>
#include <stdint.h>

typedef struct leaf {
    uint32_t eax, ebx, ecx, edx;
} leaf;

/* Zeros where the processor does not know the leaf. */
static leaf read_leaf(uint32_t number, uint32_t sub) {
    leaf l = {0};
    if (!__get_cpuid_count(number, sub, &l.eax, &l.ebx, &l.ecx, &l.edx)) {
        return (leaf){0};
    }
    return l;
}

static bool bit(uint32_t word, uint32_t n) { return word >> n & 1; }

/* Whether the operating system saves these parts of the state (bits of XCR0) when it switches threads. */
static bool system_saves(uint32_t parts) {
    if (!bit(read_leaf(1, 0).ecx, 27)) { /* OSXSAVE */
        return false;
    }
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & parts) == parts;
}

enum { STATE_AVX = 0x6, STATE_AVX512 = 0xE6 };

bool lnt_has_avx2(void) {
    leaf l = read_leaf(7, 0);
    return bit(l.ebx, 5) && bit(l.ebx, 8) && system_saves(STATE_AVX); /* AVX2, BMI2 */
}

bool lnt_has_avxvnni(void) { return lnt_has_avx2() && bit(read_leaf(7, 1).eax, 4); }

bool lnt_has_avx512vnni(void) {
    leaf l = read_leaf(7, 0);
    return lnt_has_avx2() && bit(l.ebx, 16) && bit(l.ebx, 30) && bit(l.ebx, 31) && bit(l.ecx, 11) &&
           system_saves(STATE_AVX512); /* F, BW, VL, VNNI */
}
#endif

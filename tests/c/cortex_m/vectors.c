/* All that a program on bare Cortex-M needs besides newlib's semihosting start-up code, which is its _start. A fault
 * has no handler, so the processor locks up and the emulator stops. */
#include <stdint.h>

extern void _start(void);

typedef union vector {
    uintptr_t stack;
    void (*handler)(void);
} vector;

/* Floating point and vectors are off after reset: full access to coprocessors 10 and 11 in CPACR. */
static void reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm volatile("dsb\nisb" ::: "memory");
#endif
    _start();
}

/* The stack is for _start's first instructions: it asks the emulator for memory and moves there. */
static uint64_t first_stack[128];

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = (uintptr_t)(first_stack + 128)},
    {.handler = reset},
};

/* All that a program on bare Cortex-M needs besides newlib's semihosting start-up code, which is its _start. A fault
 * has no handler, so the processor locks up and the emulator stops. */
#include <stdint.h>

extern void _start(void);

typedef union vector {
    uintptr_t stack;
    void (*handler)(void);
} vector;

/* The stack is for _start's first instructions: it asks the emulator for memory and moves there. */
static uint64_t first_stack[128];

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = (uintptr_t)(first_stack + 128)},
    {.handler = _start},
};

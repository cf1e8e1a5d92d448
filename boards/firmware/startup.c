/* From reset to main on any M-profile core. */
#include "port.h"

enum { PAINT = 0x5AC3A5C3 };

extern uint32_t firmware_stack_limit[], firmware_stack_top[];
extern uint32_t firmware_data_start[], firmware_data_end[], firmware_data_source[];
extern uint32_t firmware_bss_start[], firmware_bss_end[];

int main(void);
void reset_handler(void);
void fault_handler(void);
void systick_handler(void);

typedef union vector {
    uint32_t *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = firmware_stack_top},
    {.handler = reset_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = 0},
    {.handler = 0},
    {.handler = 0},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = 0},
    {.handler = fault_handler},
    {.handler = systick_handler},
};

/* The other side notices that nothing answers; a debugger finds the processor here. */
void fault_handler(void) {
    for (;;) {
    }
}

/* With a word at a time, so that no library function is needed before memory is ready. */
static void fill(uint32_t *from, const uint32_t *to, uint32_t word) {
    while (from < to) {
        *from++ = word;
    }
}

static void copy(uint32_t *to, const uint32_t *end, const uint32_t *from) {
    while (to < end) {
        *to++ = *from++;
    }
}

__attribute__((noreturn)) void reset_handler(void) {
    *port_register(0xE000ED08) = (uint32_t)vectors; /* VTOR */
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *port_register(0xE000ED88) |= 0xFu << 20; /* CPACR: FPU and MVE */
#endif
#if defined(__ARM_FEATURE_MVE)
    *port_register(0xE000ED14) |= 1u << 19; /* CCR.LOB: low-overhead loops */
#endif
    __asm volatile("dsb\n isb" ::: "memory");
    uint32_t here;
    fill(firmware_stack_limit, &here - 16, PAINT); /* not what this function is using */
    copy(firmware_data_start, firmware_data_end, firmware_data_source);
    fill(firmware_bss_start, firmware_bss_end, 0);
    port_start();
    main();
    fault_handler();
    __builtin_unreachable();
}

static uint32_t painted_words(const uint32_t *from, const uint32_t *to) {
    uint32_t count = 0;
    while (from + count < to && from[count] == PAINT) {
        count++;
    }
    return count;
}

uint32_t stack_used(void) {
    uint32_t all = (uint32_t)firmware_stack_top - (uint32_t)firmware_stack_limit;
    return all - 4 * painted_words(firmware_stack_limit, firmware_stack_top);
}

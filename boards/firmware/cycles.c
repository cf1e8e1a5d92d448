/* Cycles from the trace unit where there is one, else from SysTick, extended from its 24 bits by its interrupt. */
#include "port.h"

enum { SYSTICK_CONTROL = 0, SYSTICK_RELOAD = 4, SYSTICK_VALUE = 8, PERIOD = 1 << 24 };

static const uintptr_t systick = 0xE000E010;
static const uintptr_t dwt_counter = 0xE0001004;
static volatile uint32_t periods;
static bool dwt;

void systick_handler(void);
void systick_handler(void) { periods++; }

static bool start_dwt(void) {
#if __ARM_ARCH >= 7
    *port_register(0xE000EDFC) |= 1u << 24;  /* DEMCR.TRCENA */
    *port_register(0xE0001FB0) = 0xC5ACCE55; /* unlock, where there is a lock (Cortex-M7) */
    *port_register(0xE0001000) |= 1;         /* DWT_CTRL.CYCCNTENA */
    uint32_t before = *port_register(dwt_counter);
    __asm volatile("nop\n nop\n nop\n nop");
    return *port_register(dwt_counter) != before;
#else
    return false;
#endif
}

void cycles_start(void) {
    dwt = start_dwt();
    if (!dwt) {
        *port_register(systick + SYSTICK_RELOAD) = PERIOD - 1;
        *port_register(systick + SYSTICK_VALUE) = 0;
        *port_register(systick + SYSTICK_CONTROL) = 7; /* processor clock, interrupt, on */
    }
}

uint32_t cycles_now(void) {
    if (dwt) {
        return *port_register(dwt_counter);
    }
    uint32_t whole, down;
    do {
        whole = periods;
        down = *port_register(systick + SYSTICK_VALUE);
    } while (whole != periods);
    /* The interrupt comes as the counter reaches 0, a tick before it is reloaded. */
    return whole * PERIOD + (down ? PERIOD - down : 0);
}

bool cycles_are_dwt(void) { return dwt; }

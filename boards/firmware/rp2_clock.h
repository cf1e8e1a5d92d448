/* What RP2040 and RP2350 have in common: the crystal, its PLL, and the switch from one clock to another (RP2040 and
 * RP2350 datasheets, "Clocks"; the addresses differ, the registers do not). */
#ifndef RP2_CLOCK_H
#define RP2_CLOCK_H

#include "port.h"

static void await(uintptr_t address, uint32_t mask, uint32_t value) {
    while ((*port_register(address) & mask) != value) {
    }
}

static inline void release(uintptr_t resets, uint32_t blocks) {
    *port_register(resets) &= ~blocks;
    await(resets + 8, blocks, blocks);
}

/* 12 MHz * multiplier / (div1 * div2) for the processor; the UART is clocked by the crystal. */
static inline void start_clocks(uintptr_t xosc, uintptr_t pll, uintptr_t clocks, uint32_t multiplier, uint32_t div1,
                                uint32_t div2) {
    *port_register(xosc + 0x0C) = 47; /* a millisecond to start */
    *port_register(xosc) = 0xAA0 | 0xFABu << 12;
    await(xosc + 4, 1u << 31, 1u << 31);
    *port_register(clocks + 0x30) = 2; /* reference: the crystal */
    await(clocks + 0x38, 4, 4);
    *port_register(pll) = 1;
    *port_register(pll + 8) = multiplier;
    *port_register(pll + 4) &= ~(1u << 0 | 1u << 5); /* power for the PLL and its oscillator */
    await(pll, 1u << 31, 1u << 31);
    *port_register(pll + 12) = div1 << 16 | div2 << 12;
    *port_register(pll + 4) &= ~(1u << 3);
    *port_register(clocks + 0x3C) = 0; /* system: the PLL behind the auxiliary input */
    *port_register(clocks + 0x3C) = 1;
    await(clocks + 0x44, 2, 2);
    *port_register(clocks + 0x48) = 1 << 11 | 4 << 5; /* peripherals: the crystal */
}

#endif

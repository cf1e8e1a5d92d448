/* RP2040: 133 MHz, UART0 on GPIO 0 and 1. */
#include "rp2_clock.h"

static const uintptr_t resets = 0x4000C000, io_bank = 0x40014000;

void port_start(void) {
    release(resets, 1u << 5 | 1u << 8 | 1u << 12); /* pins, pads, PLL */
    start_clocks(0x40024000, 0x40028000, 0x40008000, 133, 6, 2);
    release(resets, 1u << 22); /* UART0 */
    *port_register(io_bank + 4) = 2;
    *port_register(io_bank + 12) = 2;
    uart_start();
}

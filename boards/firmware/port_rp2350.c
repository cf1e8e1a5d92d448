/* RP2350's Arm cores: 150 MHz, UART0 on GPIO 0 and 1. */
#include "rp2_clock.h"

static const uintptr_t resets = 0x40020000, io_bank = 0x40028000, pads = 0x40038000;

/* What the boot ROM looks for: a secure executable for Arm (RP2350 Datasheet, "Minimum Arm IMAGE_DEF"). */
__attribute__((section(".image_def"), used)) static const uint32_t image_def[] = {0xFFFFDED3, 0x10210142, 0x000001FF,
                                                                                  0x00000000, 0xAB123579};

void port_start(void) {
    release(resets, 1u << 6 | 1u << 9 | 1u << 14); /* pins, pads, PLL */
    start_clocks(0x40048000, 0x40050000, 0x40010000, 125, 5, 2);
    release(resets, 1u << 26);       /* UART0 */
    *port_register(pads + 4) = 0x56; /* no longer isolated, and input enabled */
    *port_register(pads + 8) = 0x56;
    *port_register(io_bank + 4) = 2;
    *port_register(io_bank + 12) = 2;
    uart_start();
}

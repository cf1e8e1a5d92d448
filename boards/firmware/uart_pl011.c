/* Arm's PL011, in RP2040 and RP2350. The port has switched it on and routed its pins. */
#include "port.h"

enum { DATA = 0x00, FLAGS = 0x18, WHOLE = 0x24, FRACTION = 0x28, LINE = 0x2C, CONTROL = 0x30 };
enum { NOTHING_RECEIVED = 1 << 4, TRANSMIT_FULL = 1 << 5 };

void uart_start(void) {
    uint32_t divisor = (8 * PORT_UART_CLOCK_HZ / PORT_UART_BAUD + 1) / 2; /* in 64ths */
    *port_register(PORT_UART_BASE + WHOLE) = divisor / 64;
    *port_register(PORT_UART_BASE + FRACTION) = divisor % 64;
    *port_register(PORT_UART_BASE + LINE) = 3 << 5 | 1 << 4; /* 8 bits, with FIFOs */
    *port_register(PORT_UART_BASE + CONTROL) = 1 << 0 | 1 << 8 | 1 << 9;
}

bool uart_get(uint8_t *byte) {
    if (*port_register(PORT_UART_BASE + FLAGS) & NOTHING_RECEIVED) {
        return false;
    }
    *byte = (uint8_t)*port_register(PORT_UART_BASE + DATA);
    return true;
}

void uart_put(uint8_t byte) {
    while (*port_register(PORT_UART_BASE + FLAGS) & TRANSMIT_FULL) {
    }
    *port_register(PORT_UART_BASE + DATA) = byte;
}

/* The UART of Arm's Cortex-M System Design Kit: all MPS2 and MPS3 boards. */
#include "port.h"

enum { DATA = 0x0, STATE = 0x4, CONTROL = 0x8, BAUD = 0x10 };

void uart_start(void) {
    *port_register(PORT_UART_BASE + BAUD) = PORT_UART_CLOCK_HZ / PORT_UART_BAUD;
    *port_register(PORT_UART_BASE + CONTROL) = 3; /* both directions */
}

bool uart_get(uint8_t *byte) {
    if ((*port_register(PORT_UART_BASE + STATE) & 2) == 0) {
        return false;
    }
    *byte = (uint8_t)*port_register(PORT_UART_BASE + DATA);
    return true;
}

void uart_put(uint8_t byte) {
    while ((*port_register(PORT_UART_BASE + STATE) & 1) != 0) {
    }
    *port_register(PORT_UART_BASE + DATA) = byte;
}

/* The USART of STM32F7 and H7 (RM0385 and RM0433, "USART registers"). The port has switched it on and routed its pins.
 */
#include "port.h"

enum { CONTROL = 0x00, BAUD = 0x0C, STATUS = 0x1C, CLEAR = 0x20, RECEIVED = 0x24, TRANSMIT = 0x28 };
enum { OVERRUN = 1 << 3, HAS_RECEIVED = 1 << 5, MAY_TRANSMIT = 1 << 7 };

void uart_start(void) {
    *port_register(PORT_UART_BASE + BAUD) = (PORT_UART_CLOCK_HZ + PORT_UART_BAUD / 2) / PORT_UART_BAUD;
    *port_register(PORT_UART_BASE + CONTROL) = 1 << 0 | 1 << 2 | 1 << 3; /* on, both directions */
}

bool uart_get(uint8_t *byte) {
    uint32_t status = *port_register(PORT_UART_BASE + STATUS);
    if (status & OVERRUN) { /* the frame is lost and will come again */
        *port_register(PORT_UART_BASE + CLEAR) = OVERRUN;
    }
    if ((status & HAS_RECEIVED) == 0) {
        return false;
    }
    *byte = (uint8_t)*port_register(PORT_UART_BASE + RECEIVED);
    return true;
}

void uart_put(uint8_t byte) {
    while ((*port_register(PORT_UART_BASE + STATUS) & MAY_TRANSMIT) == 0) {
    }
    *port_register(PORT_UART_BASE + TRANSMIT) = byte;
}

/* The firmware's port as a program of this machine: the serial line is stdin and stdout. */
#include <stdlib.h>
#include <unistd.h>

#include "port.h"

static uint32_t now;

bool uart_get(uint8_t *byte) {
    if (read(STDIN_FILENO, byte, 1) != 1) {
        exit(0);
    }
    return true;
}

void uart_put(uint8_t byte) {
    if (write(STDOUT_FILENO, &byte, 1) != 1) {
        exit(1);
    }
}

void cycles_start(void) {}

/* Each look at the clock takes 7 ticks. */
uint32_t cycles_now(void) { return now += 7; }

bool cycles_are_dwt(void) { return true; }

uint32_t stack_used(void) { return 1234; }

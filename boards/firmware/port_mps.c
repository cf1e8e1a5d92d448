/* Arm's MPS boards: everything is on after reset. */
#include "port.h"

void port_start(void) { uart_start(); }

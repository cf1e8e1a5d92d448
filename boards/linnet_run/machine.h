/* What linnet-run knows of the processor it runs on. */
#ifndef LINNET_RUN_MACHINE_H
#define LINNET_RUN_MACHINE_H

#include <stdio.h>

#include <stdint.h>

/* A JSON object: what the program was compiled for, what the processor has, which kernels run on it, and the address
 * that a counter of instructions watches. */
void print_machine(FILE *to, uintptr_t mark);

#endif

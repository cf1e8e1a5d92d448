@ RP2040's second stage: the boot ROM copies these 256 bytes to RAM, checks their CRC (which `linnet build` appends) and
@ runs them. They set up reading from flash in its plainest form, command 03h on one line, which every chip knows
@ (RP2040 Datasheet, "SSI"), at a quarter of the system clock, and start the program behind them.
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .section .boot, "ax"
    .thumb_func
boot2:
    ldr  r3, =0x18000000    @ SSI
    movs r1, #0
    str  r1, [r3, #0x08]    @ SSIENR: off
    movs r1, #4
    str  r1, [r3, #0x14]    @ BAUDR
    ldr  r1, =0x001F0300    @ CTRLR0: 32 bits a frame, EEPROM read
    str  r1, [r3, #0x00]
    movs r1, #0
    str  r1, [r3, #0x04]    @ CTRLR1: a frame at a time
    ldr  r1, =0x03000218    @ SPI_CTRLR0: command 03h of 8 bits, address of 24
    movs r2, #0xF4
    str  r1, [r3, r2]
    movs r1, #1
    str  r1, [r3, #0x08]    @ on
    ldr  r0, =0x10000100    @ the vectors
    ldr  r1, =0xE000ED08    @ VTOR
    str  r0, [r1]
    ldm  r0!, {r1, r2}
    msr  msp, r1
    bx   r2
    .ltorg

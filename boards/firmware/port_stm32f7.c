/* STM32F746 (RM0385): 216 MHz from the internal oscillator, USART1 on PA9 and PB7, clocked by that oscillator. */
#include "cache_m7.h"

static const uintptr_t rcc = 0x40023800, pwr = 0x40007000, flash_acr = 0x40023C00, gpioa = 0x40020000,
                       gpiob = 0x40020400;

static void set(uintptr_t address, uint32_t clear, uint32_t bits) {
    *port_register(address) = (*port_register(address) & ~clear) | bits;
}

static void await(uintptr_t address, uint32_t mask, uint32_t value) {
    while ((*port_register(address) & mask) != value) {
    }
}

static void start_clock(void) {
    set(rcc + 0x40, 0, 1u << 28);                                       /* APB1ENR: PWR */
    *port_register(rcc + 0x04) = 0x20000000 | 9u << 24 | 432 << 6 | 16; /* PLLCFGR: HSI / 16 * 432 / 2 */
    set(rcc, 0, 1u << 24);                                              /* CR: PLLON */
    set(pwr, 0, 1u << 16);                                              /* CR1: ODEN, beyond 180 MHz */
    await(pwr + 4, 1u << 16, 1u << 16);
    set(pwr, 0, 1u << 17); /* ODSWEN */
    await(pwr + 4, 1u << 17, 1u << 17);
    *port_register(flash_acr) = 1 << 9 | 1 << 8 | 7; /* accelerator, prefetch, 7 wait states */
    await(flash_acr, 15, 7);
    set(rcc + 0x08, 0xFCF0, 5 << 10 | 4 << 13); /* CFGR: APB1 / 4, APB2 / 2 */
    await(rcc, 1u << 25, 1u << 25);             /* PLLRDY */
    set(rcc + 0x08, 3, 2);
    await(rcc + 0x08, 3 << 2, 2 << 2);
}

void port_start(void) {
    start_clock();
    start_caches();
    set(rcc + 0x90, 3, 2);      /* DCKCFGR2: USART1 by HSI */
    set(rcc + 0x30, 0, 3);      /* AHB1ENR: GPIOA, GPIOB */
    set(rcc + 0x44, 0, 1 << 4); /* APB2ENR: USART1 */
    set(gpioa + 0x24, 15 << 4, 7 << 4);
    set(gpioa, 3 << 18, 2 << 18); /* PA9: alternate function 7 */
    set(gpiob + 0x20, 15u << 28, 7u << 28);
    set(gpiob, 3 << 14, 2 << 14); /* PB7 */
    uart_start();
}

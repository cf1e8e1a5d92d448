/* STM32H743 (RM0433): 400 MHz from the internal oscillator, USART3 on PD8 and PD9, clocked by that oscillator. */
#include "cache_m7.h"

static const uintptr_t rcc = 0x58024400, pwr = 0x58024800, flash_acr = 0x52002000, gpiod = 0x58020C00;

static void set(uintptr_t address, uint32_t clear, uint32_t bits) {
    *port_register(address) = (*port_register(address) & ~clear) | bits;
}

static void await(uintptr_t address, uint32_t mask) {
    while ((*port_register(address) & mask) == 0) {
    }
}

static void start_clock(void) {
    set(pwr + 0x0C, 7, 1 << 1 | 1 << 2); /* CR3: the regulator supplies the core; written once */
    await(pwr + 0x04, 1 << 13);          /* CSR1: ACTVOSRDY */
    set(pwr + 0x18, 3 << 14, 3 << 14);   /* D3CR: VOS1 */
    await(pwr + 0x18, 1 << 13);
    set(rcc + 0x28, 3 | 63 << 4, 4 << 4);                         /* PLLCKSELR: HSI / 4 = 16 MHz */
    set(rcc + 0x2C, 1 << 1 | 3 << 2, 3 << 2 | 1 << 16);           /* PLLCFGR: wide range, output P */
    *port_register(rcc + 0x30) = 49 | 1 << 9 | 3 << 16 | 1 << 24; /* PLL1DIVR: * 50 / 2 */
    set(rcc, 0, 1 << 24);
    await(rcc, 1 << 25);
    set(flash_acr, 0x3F, 2 << 4 | 2);   /* 2 wait states for 200 MHz on the bus */
    set(rcc + 0x18, 0xF7F, 4 << 4 | 8); /* D1CFGR: core / 1, bus / 2, APB3 / 2 */
    set(rcc + 0x1C, 0x770, 4 << 4 | 4 << 8);
    set(rcc + 0x20, 0x70, 4 << 4);
    set(rcc + 0x10, 7, 3); /* CFGR: PLL1 */
    while ((*port_register(rcc + 0x10) >> 3 & 7) != 3) {
    }
}

void port_start(void) {
    start_clock();
    start_caches();
    set(rcc + 0x54, 7, 3);       /* D2CCIP2R: USART3 by HSI */
    set(rcc + 0xE0, 0, 1 << 3);  /* AHB4ENR: GPIOD */
    set(rcc + 0xE8, 0, 1 << 18); /* APB1LENR: USART3 */
    set(gpiod + 0x24, 0xFF, 0x77);
    set(gpiod, 15 << 16, 10 << 16); /* PD8, PD9: alternate function 7 */
    uart_start();
}

/* Cortex-M7's caches, which are off and hold anything after reset (ARM DUI 0646, "Cache maintenance operations"). */
#ifndef CACHE_M7_H
#define CACHE_M7_H

#include "port.h"

static inline void start_caches(void) {
    *port_register(0xE000EF50) = 0; /* ICIALLU */
    *port_register(0xE000ED84) = 0; /* CSSELR: the data cache */
    __asm volatile("dsb\n isb" ::: "memory");
    uint32_t size = *port_register(0xE000ED80); /* CCSIDR */
    for (uint32_t set = 0; set <= (size >> 13 & 0x7FFF); set++) {
        for (uint32_t way = 0; way <= (size >> 3 & 0x3FF); way++) {
            *port_register(0xE000EF60) = way << 30 | set << 5; /* DCISW, four ways of 32-byte lines */
        }
    }
    __asm volatile("dsb\n isb" ::: "memory");
    *port_register(0xE000ED14) |= 3u << 16; /* CCR.IC and .DC */
    __asm volatile("dsb\n isb" ::: "memory");
}

#endif

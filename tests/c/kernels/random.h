/* Random numbers that are the same on every machine (splitmix64). */
#ifndef LNT_TEST_RANDOM_H
#define LNT_TEST_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct rng {
    uint64_t state;
} rng;

static inline uint64_t rng_next(rng *r) {
    uint64_t z = r->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* One of 0 .. count - 1. */
static inline uint32_t rng_below(rng *r, uint32_t count) { return (uint32_t)(((rng_next(r) >> 32) * count) >> 32); }

/* One of low .. high. */
static inline int32_t rng_within(rng *r, int32_t low, int32_t high) {
    uint64_t count = (uint64_t)((int64_t)high - low + 1);
    return (int32_t)(low + (int64_t)((rng_next(r) >> 32) * count >> 32));
}

static inline bool rng_chance(rng *r, uint32_t percent) { return rng_below(r, 100) < percent; }

static inline void rng_bytes(rng *r, uint8_t *to, size_t count) {
    while (count != 0) {
        uint64_t next = rng_next(r);
        size_t some = count < sizeof next ? count : sizeof next;
        memcpy(to, &next, some);
        to += some;
        count -= some;
    }
}

#endif

#define _DEFAULT_SOURCE /* mmap */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__unix__) || defined(__APPLE__)
#define HAS_PAGES 1
#include <sys/mman.h>
#include <unistd.h>
#else
#define HAS_PAGES 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif
#if HAS_ASAN
#include <sanitizer/asan_interface.h>
enum { GUARD = 0 }; /* the sanitizer sees to it */
#else
enum { GUARD = 64 };
#endif

enum { MAX_BLOCKS = HAS_PAGES ? 2048 : 256 };

typedef struct block {
    const char *name;
    size_t first; /* of its pages, from the region's start */
    size_t start; /* of its guard */
    size_t at;
    size_t bytes;
    size_t end; /* of the guard behind it */
    bool any;
} block;

static struct {
    uint8_t *base;
    uint8_t *kept; /* as large as the region */
    size_t size;
    size_t page; /* 0: there are none */
    size_t used;
    size_t count;
    block blocks[MAX_BLOCKS];
} region;

static size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

const uint8_t *memory_base(void) { return region.base; }

size_t memory_mark(void) { return region.count; }

#if HAS_PAGES
/* Small blocks take a page and the one behind it. */
static bool reserve(size_t bytes) {
    region.page = (size_t)sysconf(_SC_PAGESIZE);
    region.size = round_up(bytes, region.page) + 2 * region.page * MAX_BLOCKS;
    region.base = mmap(NULL, region.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    region.kept = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    region.used = region.page;
    return region.base != MAP_FAILED && region.kept != MAP_FAILED;
}

static bool open_pages(block *b, rng *r, size_t align) {
    size_t first = round_up(region.used, region.page);
    size_t pages = round_up(b->bytes + align - 1, region.page);
    if (first + pages + region.page > region.size ||
        mprotect(region.base + first, pages, PROT_READ | PROT_WRITE) != 0) {
        return false;
    }
    bool at_start = rng_chance(r, 25);
    b->first = first;
    b->at = at_start ? first : (first + pages - b->bytes) / align * align;
    b->start = b->at < first + GUARD ? first : b->at - GUARD;
    b->end = b->at + b->bytes + GUARD;
    b->end = b->end > first + pages ? first + pages : b->end;
    region.used = first + pages + region.page;
    return true;
}

static void close_pages(size_t from, size_t to) {
    mprotect(region.base + from, round_up(to - from, region.page), PROT_NONE);
}
#else
/* As much as there is besides the stack, half for the blocks and half for what they held. */
static bool reserve(size_t bytes) {
    const size_t stack = 32768, step = 16384;
    bool enough = false;
    for (region.size = bytes + step; !enough && region.size > step;) {
        region.size -= step;
        void *memory = malloc(2 * region.size + stack);
        enough = memory != NULL;
        free(memory);
    }
    region.base = malloc(region.size);
    region.kept = malloc(region.size);
    return region.base != NULL && region.kept != NULL;
}

static bool open_pages(block *b, rng *r, size_t align) {
    b->first = b->start = region.used;
    b->at = round_up((uintptr_t)region.base + b->start + GUARD, align) - (uintptr_t)region.base;
    b->at += align < 16 ? align * rng_below(r, 16 / (uint32_t)align) : 0;
    b->end = b->at + b->bytes + GUARD;
    if (b->end > region.size) {
        return false;
    }
    region.used = b->end;
    return true;
}

static void close_pages(size_t from, size_t to) {
    (void)from;
    (void)to;
}
#endif

bool memory_start(size_t bytes) {
    if (!reserve(bytes)) {
        return false;
    }
#if HAS_ASAN
    __asan_poison_memory_region(region.base, region.size);
#endif
    return true;
}

uint8_t *memory_place(rng *r, const char *name, size_t bytes, size_t align) {
    if (region.count == MAX_BLOCKS) {
        return NULL;
    }
    block *b = &region.blocks[region.count];
    *b = (block){.name = name, .bytes = bytes};
    if (!open_pages(b, r, align)) {
        return NULL;
    }
    region.count++;
#if HAS_ASAN
    b->start = b->at;
    b->end = b->at + b->bytes;
    __asan_unpoison_memory_region(region.base + b->at, b->bytes);
#endif
    rng_bytes(r, region.base + b->start, b->end - b->start);
    return region.base + b->at;
}

void memory_release(size_t mark) {
    if (mark == region.count) {
        return;
    }
    size_t from = region.blocks[mark].first;
#if HAS_ASAN
    __asan_poison_memory_region(region.base + from, region.used - from);
#endif
    close_pages(from, region.used);
    region.used = from;
    region.count = mark;
}

void memory_keep(void) {
    for (size_t i = 0; i < region.count; i++) {
        block *b = &region.blocks[i];
        memcpy(region.kept + b->start, region.base + b->start, b->end - b->start);
        b->any = false;
    }
}

void memory_expect(const uint8_t *at, const uint8_t *bytes, size_t count) {
    memcpy(region.kept + (at - region.base), bytes, count);
}

void memory_allow_any(const uint8_t *at) {
    for (size_t i = 0; i < region.count; i++) {
        region.blocks[i].any |= region.base + region.blocks[i].at == at;
    }
}

/* Offset of the first byte of [from, to) that is not as it has to be, or `to`. */
static size_t first_change(size_t from, size_t to) {
    if (memcmp(region.base + from, region.kept + from, to - from) == 0) {
        return to;
    }
    while (region.base[from] == region.kept[from]) {
        from++;
    }
    return from;
}

bool memory_is_as_expected(char *message, size_t bytes) {
    for (size_t i = 0; i < region.count; i++) {
        const block *b = &region.blocks[i];
        size_t end = b->at + b->bytes;
        size_t at = first_change(b->start, b->any ? b->at : b->end);
        if (at == (b->any ? b->at : b->end)) {
            at = b->any ? first_change(end, b->end) : b->end;
        }
        if (at == b->end) {
            continue;
        }
        const char *where = at < b->at ? "before" : at >= end ? "behind" : "in";
        snprintf(message, bytes, "byte %ld %s %s (%lu bytes) was written: %d instead of %d",
                 (long)at - (long)(at < end ? b->at : end), where, b->name, (unsigned long)b->bytes, region.base[at],
                 region.kept[at]);
        return false;
    }
    return true;
}

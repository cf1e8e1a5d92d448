#include "layout.h"

#include <stdio.h>

#include "memory.h"

static size_t pixel_bytes(const lnt_tensor *tensor) { return (size_t)tensor->channels * lnt_element_bytes(tensor); }

/* A table of n row addresses for rows from `first` on, NULL at first. */
static uint8_t **place_window(rng *r, uint32_t n) {
    uint8_t **window = (uint8_t **)(void *)memory_place(r, "window", n * sizeof(uint8_t *), sizeof(uint8_t *));
    for (uint32_t i = 0; window && i < n; i++) {
        window[i] = NULL;
    }
    return window;
}

bool layout_plain(rng *r, const char *name, const lnt_tensor *tensor, const area *a, lnt_rows *rows) {
    size_t row = pixel_bytes(tensor) * tensor->width;
    uint8_t *bytes = memory_place(r, name, row * a->n, lnt_element_bytes(tensor));
    uint8_t **window = place_window(r, a->n);
    if (bytes == NULL || window == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        window[i] = bytes + row * i;
    }
    *rows = (lnt_rows){.base = bytes, .window = window, .first = (int32_t)a->y};
    return true;
}

/* Each row apart, with nothing before the area and nothing behind it. */
static bool draw_window(rng *r, const char *name, const lnt_tensor *tensor, const area *a, lnt_rows *rows) {
    uint32_t before = rng_below(r, 3);
    uint32_t n = before + a->n + rng_below(r, 2);
    uint8_t **window = place_window(r, n);
    for (uint32_t i = 0; window && i < a->n; i++) {
        window[before + i] = memory_place(r, name, pixel_bytes(tensor) * (a->x + a->xn - rows->x0), 1);
        if (window[before + i] == NULL) {
            return false;
        }
    }
    rows->window = window;
    rows->first = (int32_t)a->y - (int32_t)before;
    return window != NULL;
}

/* `used` bytes of each row count; the block ends with those of the last row. */
static bool draw_ring(rng *r, const char *name, const lnt_tensor *tensor, const area *a, size_t used, lnt_rows *rows) {
    uint32_t align = lnt_element_bytes(tensor);
    uint32_t gap = rng_chance(r, 50) ? 0 : align * (1 + rng_below(r, 40));
    uint32_t more = rng_chance(r, 60) ? 0 : rng_below(r, 4);
    rows->ring = a->n + more < tensor->height ? a->n + more : tensor->height;
    rows->row_bytes = (uint32_t)used + gap;
    rows->base = memory_place(r, name, (size_t)(rows->ring - 1) * rows->row_bytes + used, align);
    if (rows->ring == 1 && rng_chance(r, 30)) {
        rows->row_bytes = 0; /* as in strips */
    }
    return rows->base != NULL;
}

bool layout_draw(rng *r, const char *name, const lnt_tensor *tensor, const area *a, uint32_t allowed, lnt_rows *rows,
                 char *text, size_t bytes) {
    bool window = (allowed & LAYOUT_WINDOW) && rng_chance(r, 40);
    bool strip = (allowed & LAYOUT_STRIP) && (window || rng_chance(r, 30));
    *rows = (lnt_rows){.x0 = strip ? a->x - (rng_chance(r, 70) ? 0 : rng_below(r, a->x + 1)) : 0};
    uint32_t columns = strip ? a->x + a->xn - rows->x0 : tensor->width;
    if (!(window ? draw_window(r, name, tensor, a, rows)
                 : draw_ring(r, name, tensor, a, pixel_bytes(tensor) * columns, rows))) {
        return false;
    }
    if (window) {
        snprintf(text, bytes, ", %s: window from %ld x0 %lu", name, (long)rows->first, (unsigned long)rows->x0);
    } else {
        snprintf(text, bytes, ", %s: ring %lu of %lu bytes x0 %lu", name, (unsigned long)rows->ring,
                 (unsigned long)rows->row_bytes, (unsigned long)rows->x0);
    }
    return true;
}

void layout_copy(const lnt_tensor *tensor, const area *a, const lnt_rows *from, const lnt_rows *to) {
    for (uint32_t y = a->y; y < a->y + a->n; y++) {
        memcpy(layout_at(to, tensor, y, a->x), layout_at(from, tensor, y, a->x), pixel_bytes(tensor) * a->xn);
    }
}

/* Where the rows of a tensor lie: everything that plans and strips can come up with. */
#ifndef LNT_TEST_LAYOUT_H
#define LNT_TEST_LAYOUT_H

#include "internal.h"
#include "random.h"

/* Rows [y, y + n) and columns [x, x + xn) of a tensor. */
typedef struct area {
    uint32_t y;
    uint32_t n;
    uint32_t x;
    uint32_t xn;
} area;

/* May the rows lie anywhere; may the columns outside the area be missing. */
enum { LAYOUT_WINDOW = 1, LAYOUT_STRIP = 2 };

/* The area's rows, whole and one behind the other. False where there is no room. */
bool layout_plain(rng *r, const char *name, const lnt_tensor *tensor, const area *a, lnt_rows *rows);

/* The same in a way of its own: rings that wrap, gaps between rows, strips, windows. Describes it. */
bool layout_draw(rng *r, const char *name, const lnt_tensor *tensor, const area *a, uint32_t allowed, lnt_rows *rows,
                 char *text, size_t bytes);

/* Column x of row y, in bytes. */
static inline uint8_t *layout_at(const lnt_rows *rows, const lnt_tensor *tensor, uint32_t y, uint32_t x) {
    return lnt_row(rows, y) + (size_t)(x - rows->x0) * tensor->channels * lnt_element_bytes(tensor);
}

/* What is in the area. */
void layout_copy(const lnt_tensor *tensor, const area *a, const lnt_rows *from, const lnt_rows *to);

#endif

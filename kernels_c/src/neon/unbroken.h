/* Rows that can be taken for one. */
#ifndef LNT_NEON_UNBROKEN_H
#define LNT_NEON_UNBROKEN_H

#include "../internal.h"

/* Rows from y on that lie one behind the other without gaps, and can be taken for one: at least one, at most n. */
static inline uint32_t lnt_unbroken_rows(const lnt_params *p, const lnt_rows *rows, uint32_t channels,
                                         const lnt_range *r, uint32_t y, uint32_t n) {
    uint32_t until_wrap = rows->ring - y % (rows->ring + !rows->ring);
    bool dense = rows->window == NULL && r->xn == p->out->width && rows->row_bytes == r->xn * channels;
    return !dense ? 1 : until_wrap < n ? until_wrap : n;
}

#endif

/* The walk along a row of a 3x3 depthwise convolution: a column of the input is loaded once and serves all outputs that
 * it lies under. Whoever includes this has defined
 *     column          a column of sixteen channels of three rows
 *     weights         those of a block
 *     next_column()   load one and go on, zero_column() one outside the input,
 *     output()        the output under three columns. */
#ifndef LNT_NEON_DEPTHWISE_WALK_H
#define LNT_NEON_DEPTHWISE_WALK_H

#include "depthwise.h"

LNT_INLINE column next_column_or_zero(lnt_depthwise_row *r, bool full) {
    int32_t x = r->x++;
    return x >= 0 && x < (int32_t)r->width ? next_column(r, full) : zero_column(r);
}

/* How many outputs, which take so many new columns each, can be computed before the window leaves the input. */
LNT_INLINE uint32_t inside(const lnt_depthwise_row *r, uint32_t columns) {
    uint32_t n = r->x < 0 || r->x >= (int32_t)r->width ? 0 : (r->width - (uint32_t)r->x) / columns;
    return n < r->n ? n : r->n;
}

LNT_INLINE void walk_stride1(const lnt_depthwise_row *row, bool full, uint32_t products, uint32_t mode) {
    lnt_depthwise_row r = *row;
    weights w = load_weights(&r);
    column a = next_column_or_zero(&r, full);
    column b = next_column_or_zero(&r, full);
    uint32_t n = inside(&r, 1) / 3;
    r.x += (int32_t)(3 * n);
    r.n -= 3 * n;
    for (; n != 0; n--) {
        column c = next_column(&r, full);
        output(&r, &a, &b, &c, &w, full, products, mode);
        a = next_column(&r, full);
        output(&r, &b, &c, &a, &w, full, products, mode);
        b = next_column(&r, full);
        output(&r, &c, &a, &b, &w, full, products, mode);
    }
    while (r.n != 0) {
        column c = next_column_or_zero(&r, full);
        output(&r, &a, &b, &c, &w, full, products, mode);
        if (--r.n == 0) {
            break;
        }
        a = next_column_or_zero(&r, full);
        output(&r, &b, &c, &a, &w, full, products, mode);
        if (--r.n == 0) {
            break;
        }
        b = next_column_or_zero(&r, full);
        output(&r, &c, &a, &b, &w, full, products, mode);
        r.n--;
    }
}

LNT_INLINE void walk_stride2(const lnt_depthwise_row *row, bool full, uint32_t products, uint32_t mode) {
    lnt_depthwise_row r = *row;
    weights w = load_weights(&r);
    column a = next_column_or_zero(&r, full);
    uint32_t n = inside(&r, 2) / 2;
    r.x += (int32_t)(4 * n);
    r.n -= 2 * n;
    for (; n != 0; n--) {
        column b = next_column(&r, full);
        column c = next_column(&r, full);
        output(&r, &a, &b, &c, &w, full, products, mode);
        b = next_column(&r, full);
        a = next_column(&r, full);
        output(&r, &c, &b, &a, &w, full, products, mode);
    }
    for (; r.n != 0; r.n--) {
        column b = next_column_or_zero(&r, full);
        column c = next_column_or_zero(&r, full);
        output(&r, &a, &b, &c, &w, full, products, mode);
        a = c;
    }
}

LNT_INLINE void walk(const lnt_depthwise_row *r, bool stride1, bool full, uint32_t products, uint32_t mode) {
    if (stride1) {
        walk_stride1(r, full, products, mode);
    } else {
        walk_stride2(r, full, products, mode);
    }
}

#endif

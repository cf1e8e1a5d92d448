#include "gather.h"

#include <string.h>

#include "ref/ref.h"
#include "ref/window.h"

/* A few bytes, for which memcpy would be a call. */
static inline int8_t *copy(int8_t *to, const int8_t *from, uint32_t count) {
    for (; count >= 4; count -= 4, to += 4, from += 4) {
        memcpy(to, from, 4);
    }
    for (; count != 0; count--) {
        *to++ = *from++;
    }
    return to;
}

static int8_t *pad(int8_t *to, const lnt_params *p, uint32_t taps) {
    for (; taps != 0; taps--) {
        to = copy(to, lnt_int8_data(p, p->op->pad_values), p->in->channels);
    }
    return to;
}

/* The input rows under one output row. */
typedef struct window {
    const int8_t *row[LNT_MAX_KERNEL_H];
    lnt_taps rows;
    uint32_t x0;
} window;

static int8_t *gather_pixel(const lnt_params *p, const window *win, lnt_taps columns, int8_t *to) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels, inside = (columns.to - columns.from) * depth;
    uint32_t first = (uint32_t)(columns.start + (int32_t)columns.from - (int32_t)win->x0) * depth;
    for (uint32_t i = 0; i < op->kernel_h; i++) {
        if (i < win->rows.from || i >= win->rows.to) {
            to = pad(to, p, op->kernel_w);
            continue;
        }
        to = pad(to, p, columns.from);
        to = copy(to, win->row[i] + first, inside);
        to = pad(to, p, op->kernel_w - columns.to);
    }
    return to;
}

enum { SMALL_ROW = 9, SMALL = 3 * SMALL_ROW };

/* 3x3 pixels of three channels, all inside: the first layer of most networks. */
static void gather_small(const int8_t *const row[3], size_t first, size_t step, uint32_t count, int8_t *to,
                         uint32_t bytes) {
    const int8_t *top = row[0] + first, *middle = row[1] + first, *bottom = row[2] + first;
    for (; count != 0; count--, to += bytes, top += step, middle += step, bottom += step) {
        /* All rows are there. NOLINTBEGIN(clang-analyzer-core.NonNullParamChecker) */
        memcpy(to, top, SMALL_ROW);
        memcpy(to + SMALL_ROW, middle, SMALL_ROW);
        memcpy(to + 2 * SMALL_ROW, bottom, SMALL_ROW);
        /* NOLINTEND(clang-analyzer-core.NonNullParamChecker) */
        for (uint32_t i = SMALL; i < bytes; i++) {
            to[i] = 0;
        }
    }
}

/* Of the pixels from column x on, how many have all their taps inside. */
static uint32_t count_inside(const lnt_params *p, uint32_t x, uint32_t count) {
    const lnt_op *op = p->op;
    int32_t start = (int32_t)(x * op->stride_w) - op->pad_left;
    int32_t fit = ((int32_t)p->in->width - op->kernel_w - start) / op->stride_w + 1;
    return start < 0 || (int32_t)p->in->width - op->kernel_w < start ? 0
           : (uint32_t)fit < count                                   ? (uint32_t)fit
                                                                     : count;
}

void lnt_gather(const lnt_params *p, const lnt_operands *o, uint32_t y, uint32_t x, uint32_t count, int8_t *room,
                uint32_t bytes) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels;
    window win = {.rows = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height), .x0 = o->in.x0};
    for (uint32_t i = win.rows.from; i < win.rows.to; i++) {
        win.row[i] = (const int8_t *)lnt_row(&o->in, (uint32_t)win.rows.start + i);
    }
    bool small = op->kernel_w * depth == SMALL_ROW && op->kernel_h == 3 && win.rows.from == 0 && win.rows.to == 3;
    while (count != 0) {
        uint32_t inside = small ? count_inside(p, x, count) : 0;
        if (inside != 0) {
            size_t first = (size_t)(x * op->stride_w - op->pad_left - win.x0) * depth;
            gather_small(win.row, first, (size_t)op->stride_w * depth, inside, room, bytes);
        } else {
            inside = 1;
            lnt_taps columns = lnt_find_taps(x, op->stride_w, op->pad_left, op->kernel_w, p->in->width);
            int8_t *to = gather_pixel(p, &win, columns, room);
            memset(to, 0, (size_t)(room + bytes - to));
        }
        x += inside;
        count -= inside;
        room += (size_t)inside * bytes;
    }
}

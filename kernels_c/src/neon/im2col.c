/* Patches for im2col.h. */
#include "im2col.h"

#if defined(__aarch64__) || defined(__arm__)

#include <string.h>

#include "../ref/window.h"

static void pad(const lnt_params *p, uint32_t taps, int8_t *to) {
    for (uint32_t i = 0; i < taps; i++) {
        memcpy(to + (size_t)i * p->in->channels, lnt_int8_data(p, p->op->pad_values), p->in->channels);
    }
}

typedef struct window {
    const int8_t *row[LNT_MAX_KERNEL_H]; /* where column x0 lies */
    lnt_taps taps;
    uint32_t x0;
} window;

static void patch(const lnt_params *p, const window *win, uint32_t x, int8_t *to) {
    const lnt_op *op = p->op;
    size_t channels = p->in->channels;
    lnt_taps columns = lnt_find_taps(x, op->stride_w, op->pad_left, op->kernel_w, p->in->width);
    size_t left = (size_t)(columns.start + (int32_t)columns.from - (int32_t)win->x0) * channels;
    for (uint32_t i = 0; i < op->kernel_h; i++, to += op->kernel_w * channels) {
        if (i < win->taps.from || i >= win->taps.to) {
            pad(p, op->kernel_w, to);
            continue;
        }
        pad(p, columns.from, to);
        memcpy(to + columns.from * channels, win->row[i] + left, (columns.to - columns.from) * channels);
        pad(p, op->kernel_w - columns.to, to + columns.to * channels);
    }
}

/* Three rows of windows that are wholly inside, at most sixteen bytes wide: each is copied as sixteen bytes, of which
 * the next copy overwrites what is too much. */
static void copy_3_rows(const window *win, size_t left, size_t step, size_t width, size_t pitch, uint32_t n,
                        int8_t *to) {
    const int8_t *a = win->row[0] + left;
    const int8_t *b = win->row[1] + left;
    const int8_t *c = win->row[2] + left;
    for (; n != 0; n--, a += step, b += step, c += step, to += pitch) {
        memcpy(to, a, 16);
        memcpy(to + width, b, 16);
        memcpy(to + 2 * width, c, 16);
    }
}

/* How many of the windows from x on have sixteen bytes to read in each row, before column `end`. */
static uint32_t wide_windows(const lnt_params *p, uint32_t x, uint32_t n, uint32_t end) {
    uint32_t columns = (16 + p->in->channels - 1u) / p->in->channels;
    uint32_t start = x * p->op->stride_w - p->op->pad_left;
    uint32_t most = start + columns > end ? 0 : (end - start - columns) / p->op->stride_w + 1;
    return most < n ? most : n;
}

void lnt_im2col(const lnt_params *p, const lnt_rows *in, uint32_t y, uint32_t x, uint32_t n, uint32_t end, int8_t *to) {
    const lnt_op *op = p->op;
    size_t pitch = lnt_patch_pitch(lnt_patch_depth(p));
    size_t width = (size_t)op->kernel_w * p->in->channels;
    window win = {.taps = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height), .x0 = in->x0};
    for (uint32_t i = win.taps.from; i < win.taps.to; i++) {
        win.row[i] = (const int8_t *)lnt_row(in, (uint32_t)win.taps.start + i);
    }
    bool rows_inside = op->kernel_h == 3 && width <= 16 && win.taps.from == 0 && win.taps.to == 3;
    while (n != 0) {
        bool inside = rows_inside && x * op->stride_w >= op->pad_left;
        uint32_t wide = inside ? wide_windows(p, x, n, end) : 0;
        if (wide != 0) {
            size_t left = (size_t)(x * op->stride_w - op->pad_left - in->x0) * p->in->channels;
            copy_3_rows(&win, left, (size_t)op->stride_w * p->in->channels, width, pitch, wide, to);
        } else {
            patch(p, &win, x, to);
            wide = 1;
        }
        x += wide;
        n -= wide;
        to += wide * pitch;
    }
}

#endif

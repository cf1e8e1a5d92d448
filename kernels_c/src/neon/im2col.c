/* Patches for im2col.h. */
#include "im2col.h"

#include "neon.h"

#ifdef LNT_NEON

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

/* Three rows of windows that are wholly inside, eight to sixteen bytes wide. Where there is more to read beside a
 * window, each is copied as sixteen bytes, of which the next copy overwrites what is too much; else as two times eight.
 */
typedef struct copy {
    const int8_t *row[3];
    size_t step;
    size_t width;
    size_t pitch;
} copy;

static void copy_wide(const copy *c, uint32_t n, int8_t *to) {
    size_t width = c->width;
    size_t step = c->step;
    const int8_t *rows[3] = {c->row[0], c->row[1], c->row[2]};
    for (; n != 0; n--, rows[0] += step, rows[1] += step, rows[2] += step, to += c->pitch) {
        memcpy(to, rows[0], 16);
        memcpy(to + width, rows[1], 16);
        memcpy(to + 2 * width, rows[2], 16);
    }
}

static void copy_exact(const copy *c, uint32_t first, uint32_t n, int8_t *to) {
    size_t last = c->width - 8;
    for (uint32_t x = first; x < n; x++) {
        for (uint32_t i = 0; i < 3; i++) {
            const int8_t *from = c->row[i] + x * c->step;
            int8_t *at = to + x * c->pitch + i * c->width;
            memcpy(at, from, 8);
            memcpy(at + last, from + last, 8);
        }
    }
}

/* How many of n windows from x on, so many columns wide, end before column `end`. */
static uint32_t windows_before(const lnt_params *p, uint32_t x, uint32_t n, uint32_t columns, uint32_t end) {
    uint32_t start = x * p->op->stride_w - p->op->pad_left;
    uint32_t most = start + columns > end ? 0 : (end - start - columns) / p->op->stride_w + 1;
    return most < n ? most : n;
}

/* As many windows as copy_wide and copy_exact can do; they are inside at the left. */
static uint32_t copy_windows(const lnt_params *p, const window *win, uint32_t x, uint32_t n, uint32_t end, int8_t *to) {
    size_t channels = p->in->channels;
    size_t left = (size_t)(x * p->op->stride_w - p->op->pad_left - win->x0) * channels;
    copy c = {.row = {win->row[0] + left, win->row[1] + left, win->row[2] + left},
              .step = p->op->stride_w * channels,
              .width = p->op->kernel_w * channels,
              .pitch = lnt_patch_pitch(lnt_patch_depth(p))};
    uint32_t wide = windows_before(p, x, n, (16 + p->in->channels - 1u) / p->in->channels, end);
    uint32_t exact = windows_before(p, x, n, p->op->kernel_w, end);
    copy_wide(&c, wide, to);
    copy_exact(&c, wide, exact, to);
    return exact;
}

void lnt_im2col(const lnt_params *p, const lnt_rows *in, uint32_t y, uint32_t x, uint32_t n, uint32_t end, int8_t *to) {
    const lnt_op *op = p->op;
    size_t pitch = lnt_patch_pitch(lnt_patch_depth(p));
    size_t width = (size_t)op->kernel_w * p->in->channels;
    window win = {.taps = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height), .x0 = in->x0};
    for (uint32_t i = win.taps.from; i < win.taps.to; i++) {
        win.row[i] = (const int8_t *)lnt_row(in, (uint32_t)win.taps.start + i);
    }
    bool rows_inside = op->kernel_h == 3 && width >= 8 && width <= 16 && win.taps.from == 0 && win.taps.to == 3;
    while (n != 0) {
        bool inside = rows_inside && x * op->stride_w >= op->pad_left;
        uint32_t done = inside ? copy_windows(p, &win, x, n, end, to) : 0;
        if (done == 0) {
            patch(p, &win, x, to);
            done = 1;
        }
        x += done;
        n -= done;
        to += done * pitch;
    }
}

#endif

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

void lnt_gather(const lnt_params *p, const lnt_operands *o, uint32_t y, uint32_t x, uint32_t count, const int8_t **from,
                int8_t *room, uint32_t bytes) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels;
    const int8_t *row[LNT_MAX_KERNEL_H];
    lnt_taps rows = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height);
    for (uint32_t i = rows.from; i < rows.to; i++) {
        row[i] = (const int8_t *)lnt_row(&o->in, (uint32_t)rows.start + i);
    }
    for (uint32_t k = 0; k < count; k++, room += bytes) {
        lnt_taps columns = lnt_find_taps(x + k, op->stride_w, op->pad_left, op->kernel_w, p->in->width);
        uint32_t first = (uint32_t)(columns.start + (int32_t)columns.from - (int32_t)o->in.x0) * depth;
        uint32_t inside = (columns.to - columns.from) * depth;
        int8_t *to = room;
        from[k] = room;
        for (uint32_t i = 0; i < op->kernel_h; i++) {
            if (i < rows.from || i >= rows.to) {
                to = pad(to, p, op->kernel_w);
                continue;
            }
            to = pad(to, p, columns.from);
            to = copy(to, row[i] + first, inside);
            to = pad(to, p, op->kernel_w - columns.to);
        }
        while (to != room + bytes) {
            *to++ = 0;
        }
    }
}

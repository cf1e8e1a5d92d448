/* Convolution of any size, stride and padding over all input channels: the first layer of a network. Each output
 * pixel's taps are collected and multiplied as those of a 1x1 convolution are.
 * Rows: NHWC. Weights: pairs.h. */
#include "pairs.h"

static uint32_t depth_of(const lnt_params *p) { return (uint32_t)p->op->kernel_h * p->op->kernel_w * p->in->channels; }

static uint64_t bytes(const lnt_params *p) { return lnt_pairs_bytes(p, depth_of(p)); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_pack_pairs(p, depth_of(p), to); }

static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) {
    return lnt_pairs_scratch(depth_of(p), (uint64_t)n * xn);
}

#if LNT_DSP_HERE

#include <string.h>

#include "../ref/ref.h"
#include "../ref/window.h"

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

static void fetch(const lnt_params *p, const lnt_operands *o, uint32_t y, uint32_t x, uint32_t count,
                  const int8_t **from, int8_t *room) {
    const lnt_op *op = p->op;
    uint32_t depth = p->in->channels, room_bytes = lnt_whole_words(depth_of(p));
    const int8_t *row[LNT_MAX_KERNEL_H];
    lnt_taps rows = lnt_find_taps(y, op->stride_h, op->pad_top, op->kernel_h, p->in->height);
    for (uint32_t i = rows.from; i < rows.to; i++) {
        row[i] = (const int8_t *)lnt_row(&o->in, (uint32_t)rows.start + i);
    }
    for (uint32_t k = 0; k < count; k++, room += room_bytes) {
        lnt_taps columns = lnt_find_taps(x + k, op->stride_w, op->pad_left, op->kernel_w, p->in->width);
        uint32_t first = (uint32_t)(columns.start + (int32_t)columns.from - (int32_t)o->in.x0) * depth;
        int8_t *to = room;
        from[k] = room;
        for (uint32_t i = 0; i < op->kernel_h; i++) {
            if (i < rows.from || i >= rows.to) {
                to = pad(to, p, op->kernel_w);
                continue;
            }
            to = pad(to, p, columns.from);
            to = copy(to, row[i] + first, (columns.to - columns.from) * depth);
            to = pad(to, p, op->kernel_w - columns.to);
        }
        while (to != room + room_bytes) {
            *to++ = 0;
        }
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    uint32_t depth = depth_of(p);
    const lnt_fetch collected = {.fetch = fetch, .depth = depth, .bytes = lnt_whole_words(depth)};
    lnt_run_pairs(p, o, range, &collected);
}

#endif

static const lnt_packing packing = {.bytes = bytes, .pack = pack, .scratch_bytes = scratch_bytes};

const lnt_kernel q8_conv_dsp = {.name = "q8_conv_dsp",
                                .run = LNT_DSP_RUN(run),
                                .packing = &packing,
                                .kind = LNT_OP_KIND_CONV,
                                .split = LNT_SPLIT_NONE,
                                .channel_group = 8};

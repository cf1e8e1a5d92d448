#include "trial.h"

#include <stdio.h>

#include "memory.h"

static void draw_part(rng *r, uint32_t total, uint32_t whole_percent, uint32_t *start, uint32_t *count) {
    *start = 0;
    *count = total;
    if (!rng_chance(r, whole_percent)) {
        *count = 1 + rng_below(r, total);
        *start = rng_below(r, total - *count + 1);
    }
}

/* From a multiple of the kernel's channel group on, to another or to the end. */
static void draw_channels(rng *r, const lnt_kernel *kernel, uint32_t channels, lnt_range *range) {
    range->cn = channels;
    if (!(kernel->split & LNT_SPLIT_CHANNELS)) {
        return;
    }
    uint32_t group = kernel->channel_group, first, count;
    draw_part(r, (channels + group - 1) / group, 60, &first, &count);
    range->c = first * group;
    range->cn = (first + count) * group < channels ? count * group : channels - range->c;
}

static uint64_t macs(const sample *s, const lnt_range *range) {
    return (uint64_t)sample_taps(s) * range->n * range->xn * range->cn;
}

static lnt_range draw_range(rng *r, const trial *t, const limits *l) {
    const sample *s = &t->sample;
    const lnt_tensor *counted = counts_input(s) ? &s->in : &s->out;
    lnt_range range = {.n = counted->height, .xn = counted->width};
    if (!counts_input(s)) {
        draw_part(r, counted->height, 30, &range.y, &range.n);
        if (takes_columns(s)) {
            draw_part(r, counted->width, 60, &range.x, &range.xn);
        }
    }
    draw_channels(r, t->subject->kernel, s->out.channels, &range);
    while (macs(s, &range) > l->macs && range.n > 1 && !counts_input(s)) {
        range.n = (range.n + 1) / 2;
    }
    while (macs(s, &range) > l->macs && range.xn > 1 && takes_columns(s) && !counts_input(s)) {
        range.xn = (range.xn + 1) / 2;
    }
    return range;
}

/* Elements of the input along one axis that outputs [at, at + count) look at. */
static void looked_at(uint32_t at, uint32_t count, uint32_t kernel, uint32_t stride, uint32_t pad, uint32_t in,
                      uint32_t *first, uint32_t *n) {
    int32_t from = (int32_t)(at * stride) - (int32_t)pad;
    int32_t to = (int32_t)((at + count - 1) * stride) - (int32_t)pad + (int32_t)kernel;
    *first = from < 0 ? 0 : (uint32_t)from;
    *n = (to > (int32_t)in ? in : (uint32_t)to) - *first;
}

void trial_find_areas(trial *t) {
    const lnt_op *op = &t->sample.op;
    const lnt_range *g = &t->range;
    t->in_area = t->out_area = (area){g->y, g->n, g->x, g->xn};
    if (sample_has_window(&t->sample)) {
        looked_at(g->y, g->n, op->kernel_h, op->stride_h, op->pad_top, t->sample.in.height, &t->in_area.y,
                  &t->in_area.n);
        looked_at(g->x, g->xn, op->kernel_w, op->stride_w, op->pad_left, t->sample.in.width, &t->in_area.x,
                  &t->in_area.xn);
    } else if (counts_input(&t->sample)) {
        t->out_area = (area){0, 1, 0, 1};
    }
}

static bool is_small(const trial *t, const limits *l) {
    uint64_t in = (uint64_t)t->in_area.n * t->sample.in.width * sample_in_pixel(&t->sample);
    uint64_t out = (uint64_t)t->out_area.n * t->sample.out.width * sample_out_pixel(&t->sample);
    return in + out <= l->rows && macs(&t->sample, &t->range) <= 4 * (uint64_t)l->macs;
}

/* Activations, or logits. */
static void fill_rows(rng *r, const sample *s, const lnt_tensor *tensor, const area *a, const lnt_rows *rows) {
    size_t bytes = (size_t)tensor->width * tensor->channels * lnt_element_bytes(tensor);
    uint32_t mode = rng_chance(r, 60) ? UNIFORM : rng_below(r, VALUE_MODES);
    if (s->style == EDGE_STYLE && rng_chance(r, 80)) {
        mode = rng_chance(r, 50) ? LOWEST : HIGHEST;
    }
    uint32_t narrow = rng_below(r, 32);
    for (uint32_t y = a->y; y < a->y + a->n; y++) {
        uint8_t *row = lnt_row(rows, y);
        if (tensor->dtype == LNT_DTYPE_INT8) {
            fill_int8(r, (int8_t *)row, bytes, mode, -128);
        } else {
            for (size_t i = 0; i < bytes; i += 4) {
                int32_t value = (int32_t)(rng_next(r) >> 32) >> narrow;
                memcpy(row + i, &value, 4);
            }
        }
    }
}

uint8_t *trial_place_state(rng *r, const sample *s) {
    return counts_input(s) ? memory_place(r, "state", 4 * (size_t)s->out.channels, 4) : NULL;
}

/* What goes in, and what the portable kernel makes of it. */
static bool place_plain(rng *r, trial *t) {
    sample *s = &t->sample;
    lnt_operands o = {.state = trial_place_state(r, s)};
    if ((counts_input(s) && o.state == NULL) || !layout_plain(r, "right output", &s->out, &t->out_area, &t->out) ||
        !layout_plain(r, "plain input", &s->in, &t->in_area, &t->in)) {
        return false;
    }
    fill_rows(r, s, &s->in, &t->in_area, &t->in);
    if (s->op.kind == LNT_OP_KIND_INPUT) { /* works in place */
        layout_copy(&s->out, &t->out_area, &t->in, &t->out);
    }
    if (s->params.in2 != NULL) {
        if (!layout_plain(r, "plain second input", &s->in2, &t->out_area, &t->in2)) {
            return false;
        }
        fill_rows(r, s, &s->in2, &t->out_area, &t->in2);
    }
    o.in = t->in;
    o.in2 = t->in2;
    o.out = t->out;
    t->subject->ref->run(&s->params, &o, t->range);
    return true;
}

/* An operator that the kernel takes, with a range that is not too large, and what is right. */
static bool draw_once(rng *r, trial *t, const limits *l) {
    memory_release(0);
    sample_draw(r, t->subject->kernel->kind, l, &t->sample);
    t->range = draw_range(r, t, l);
    trial_find_areas(t);
    return is_small(t, l) && sample_place_constants(r, &t->sample) &&
           lnt_takes(t->subject->kernel, &t->sample.params) && place_plain(r, t);
}

bool trial_draw(rng *r, trial *t, const limits *l) {
    for (uint32_t attempt = 0; attempt < 1000; attempt++) {
        if (draw_once(r, t, l)) {
            return true;
        }
    }
    return false;
}

int trial_pack(rng *r, trial *t, char *message, size_t bytes) {
    const lnt_kernel *kernel = t->subject->kernel;
    uint64_t wanted = lnt_packed_of(kernel, &t->sample.params);
    size_t align = is_filed(t->subject) ? LNT_ALIGN : LNT_PACK_ALIGN;
    t->op = t->sample.op;
    t->params = t->sample.params;
    t->params.op = &t->op;
    uint8_t *packed = memory_place(r, "packed constants", (size_t)wanted, align);
    if (packed == NULL) {
        return NO_ROOM;
    }
    t->params.packed = packed;
    if (wanted == 0) {
        return PACKED;
    }
    size_t mark = memory_mark();
    uint8_t *again = memory_place(r, "packed constants", (size_t)wanted, align);
    if (again == NULL) {
        return NO_ROOM;
    }
    memory_keep();
    memory_allow_any(packed);
    memory_allow_any(again);
    kernel->packing->pack(&t->sample.params, packed);
    kernel->packing->pack(&t->sample.params, again);
    if (!memory_is_as_expected(message, bytes)) {
        return WRONG_PACKING;
    }
    if (memcmp(packed, again, (size_t)wanted) != 0) {
        snprintf(message, bytes, "pack() leaves bytes of the packed constants unwritten");
        return WRONG_PACKING;
    }
    memory_release(mark);
    if (is_filed(t->subject)) {
        t->op.weights = (uint32_t)(packed - memory_base());
    }
    return PACKED;
}

#include "check.h"

#include <stdio.h>

#include "layout.h"
#include "memory.h"

char check_text[1024];
bool check_verbose;

enum { MAX_CALLS = 256 };

/* A case: what is computed, from what, and what comes out. */
typedef struct trial {
    const subject *subject;
    sample sample;
    lnt_params params; /* as the kernel gets them */
    lnt_op op;
    lnt_range range;
    area in_area;
    area out_area;
    lnt_rows in; /* plain */
    lnt_rows in2;
    lnt_rows out; /* what is right */
    uint32_t call_count;
    struct {
        lnt_rows in;
        lnt_range range;
    } calls[MAX_CALLS];
} trial;

static bool counts_input(const sample *s) { return s->op.kind == LNT_OP_KIND_AVG_POOL; }

static bool takes_columns(const sample *s) {
    return sample_has_window(s) || s->op.kind == LNT_OP_KIND_POINTWISE || counts_input(s);
}

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

static void find_areas(trial *t) {
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
static void fill_rows(rng *r, const lnt_tensor *tensor, const area *a, const lnt_rows *rows) {
    size_t bytes = (size_t)tensor->width * tensor->channels * lnt_element_bytes(tensor);
    uint32_t mode = rng_chance(r, 60) ? UNIFORM : rng_below(r, VALUE_MODES);
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

static uint8_t *place_state(rng *r, const sample *s) {
    return counts_input(s) ? memory_place(r, "state", 4 * (size_t)s->out.channels, 4) : NULL;
}

/* What goes in, and what the portable kernel makes of it. */
static bool place_plain(rng *r, trial *t) {
    sample *s = &t->sample;
    lnt_operands o = {.state = place_state(r, s)};
    if ((counts_input(s) && o.state == NULL) || !layout_plain(r, "right output", &s->out, &t->out_area, &t->out) ||
        !layout_plain(r, "plain input", &s->in, &t->in_area, &t->in)) {
        return false;
    }
    fill_rows(r, &s->in, &t->in_area, &t->in);
    if (s->op.kind == LNT_OP_KIND_INPUT) { /* works in place */
        layout_copy(&s->out, &t->out_area, &t->in, &t->out);
    }
    if (s->params.in2 != NULL) {
        if (!layout_plain(r, "plain second input", &s->in2, &t->out_area, &t->in2)) {
            return false;
        }
        fill_rows(r, &s->in2, &t->out_area, &t->in2);
    }
    o.in = t->in;
    o.in2 = t->in2;
    o.out = t->out;
    t->subject->ref->run(&s->params, &o, t->range);
    return true;
}

static bool fail(char *message, size_t bytes, const char *what) {
    snprintf(message, bytes, "%s", what);
    return false;
}

/* The packed constants fill their place, and are the same each time. */
static bool place_packed(rng *r, trial *t, char *message, size_t bytes) {
    const lnt_kernel *kernel = t->subject->kernel;
    uint64_t wanted = lnt_packed_of(kernel, &t->sample.params);
    size_t align = is_filed(t->subject) ? LNT_ALIGN : LNT_PACK_ALIGN;
    t->op = t->sample.op;
    t->params = t->sample.params;
    t->params.op = &t->op;
    uint8_t *packed = memory_place(r, "packed constants", (size_t)wanted, align);
    if (packed == NULL) {
        message[0] = '\0';
        return false;
    }
    t->params.packed = packed;
    if (wanted == 0) {
        return true;
    }
    size_t mark = memory_mark();
    uint8_t *again = memory_place(r, "packed constants", (size_t)wanted, align);
    if (again == NULL) {
        message[0] = '\0';
        return false;
    }
    memory_keep();
    memory_allow_any(packed);
    memory_allow_any(again);
    kernel->packing->pack(&t->sample.params, packed);
    kernel->packing->pack(&t->sample.params, again);
    if (!memory_is_as_expected(message, bytes)) {
        return false;
    }
    if (memcmp(packed, again, (size_t)wanted) != 0) {
        return fail(message, bytes, "pack() leaves bytes of the packed constants unwritten");
    }
    memory_release(mark);
    if (is_filed(t->subject)) {
        t->op.weights = (uint32_t)(packed - memory_base());
    }
    return true;
}

static void add_call(trial *t, const lnt_rows *in, lnt_range range) {
    t->calls[t->call_count].in = *in;
    t->calls[t->call_count++].range = range;
}

/* One piece of the range: [0, at) or [at, total) along one of its axes. */
static lnt_range piece(lnt_range range, uint32_t axis, uint32_t from, uint32_t count) {
    switch (axis) {
    case 0:
        range.y += from;
        range.n = count;
        break;
    case 1:
        range.x += from;
        range.xn = count;
        break;
    default:
        range.c += from;
        range.cn = count;
        break;
    }
    return range;
}

/* In two along one axis, in either order, or whole where it cannot be cut. */
static void add_cut(rng *r, trial *t, const lnt_rows *in, lnt_range range, uint32_t axis) {
    const lnt_kernel *kernel = t->subject->kernel;
    uint32_t total = axis == 0 ? range.n : axis == 1 ? range.xn : range.cn;
    uint32_t group = axis == 2 ? kernel->channel_group : 1;
    bool possible = axis == 0   ? total > 1 && !counts_input(&t->sample)
                    : axis == 1 ? total > 1 && takes_columns(&t->sample) && !counts_input(&t->sample)
                                : (kernel->split & LNT_SPLIT_CHANNELS) && total > group;
    if (!possible || t->call_count + 2 > MAX_CALLS) {
        add_call(t, in, range);
        return;
    }
    uint32_t at = group * (1 + rng_below(r, (total - 1) / group));
    bool swapped = rng_chance(r, 50);
    add_call(t, in, swapped ? piece(range, axis, at, total - at) : piece(range, axis, 0, at));
    add_call(t, in, swapped ? piece(range, axis, 0, at) : piece(range, axis, at, total - at));
}

/* Steps of a pool: rows as they come, single rows in strips of columns, each with a place of its own. */
static bool add_pool_calls(rng *r, trial *t, bool cut, char *text, size_t bytes) {
    const lnt_tensor *in = &t->sample.in;
    uint32_t most = cut ? 1 + rng_below(r, in->height) : in->height;
    for (uint32_t y = 0; y < in->height;) {
        uint32_t n = most < in->height - y ? most : in->height - y;
        uint32_t strip = cut && n == 1 ? 1 + rng_below(r, in->width) : in->width;
        for (uint32_t x = 0; x < in->width; x += strip) {
            area a = {y, n, x, in->width - x < strip ? in->width - x : strip};
            lnt_range range = {y, n, x, a.xn, t->range.c, t->range.cn};
            lnt_rows rows;
            if (t->call_count + 2 > MAX_CALLS ||
                !layout_draw(r, "input", in, &a, LAYOUT_WINDOW | LAYOUT_STRIP, &rows, text, bytes)) {
                return false;
            }
            layout_copy(in, &a, &t->in, &rows);
            add_cut(r, t, &rows, range, cut && rng_chance(r, 30) ? 2 : 0);
        }
        y += n;
    }
    return true;
}

/* Bytes of the range in one output pixel. */
static size_t range_offset(const trial *t) { return (size_t)t->range.c * lnt_element_bytes(&t->sample.out); }
static size_t range_bytes(const trial *t) { return (size_t)t->range.cn * lnt_element_bytes(&t->sample.out); }

/* What the output holds before: nothing that could be right, unless the kernel works in place. */
static void spoil(const trial *t, const lnt_rows *out) {
    const area *a = &t->out_area;
    for (uint32_t i = 0; i < a->n * a->xn; i++) {
        uint32_t y = a->y + i / a->xn, x = a->x + i % a->xn;
        const uint8_t *right = layout_at(&t->out, &t->sample.out, y, x) + range_offset(t);
        uint8_t *bytes = layout_at(out, &t->sample.out, y, x) + range_offset(t);
        for (size_t k = 0; k < range_bytes(t); k++) {
            bytes[k] = right[k] ^ 0x5A;
        }
    }
}

static bool is_right(const trial *t, const lnt_rows *out, char *message, size_t bytes) {
    const area *a = &t->out_area;
    const lnt_tensor *tensor = &t->sample.out;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < a->n * a->xn; i++) {
        uint32_t y = a->y + i / a->xn, x = a->x + i % a->xn;
        const uint8_t *right = layout_at(&t->out, tensor, y, x) + range_offset(t);
        uint8_t *is = layout_at(out, tensor, y, x) + range_offset(t);
        memory_expect(is, t->sample.foul ? is : right, range_bytes(t));
        for (size_t k = 0; k < range_bytes(t) && !t->sample.foul; k++) {
            if (is[k] != right[k] && wrong++ == 0) {
                snprintf(message, bytes, "row %lu column %lu channel %lu is %d instead of %d", (unsigned long)y,
                         (unsigned long)x, (unsigned long)(t->range.c + k / lnt_element_bytes(tensor)), (int8_t)is[k],
                         (int8_t)right[k]);
            }
        }
    }
    size_t length = strlen(message);
    if (wrong != 0) {
        snprintf(message + length, bytes - length, ", %lu of %lu bytes are wrong", (unsigned long)wrong,
                 (unsigned long)(a->n * a->xn * range_bytes(t)));
    }
    return wrong == 0;
}

/* Place the operands in some way. */
static bool place_operands(rng *r, trial *t, lnt_operands *o, bool cut, char *text, size_t bytes) {
    const sample *s = &t->sample;
    bool columns = takes_columns(s) && !counts_input(s);
    size_t length = strlen(text);
    bool in_place = s->op.kind == LNT_OP_KIND_INPUT;
    t->call_count = 0;
    if (s->params.in2 != NULL) {
        if (!layout_draw(r, "second input", &s->in2, &t->out_area, 0, &o->in2, text + length, bytes - length)) {
            return false;
        }
        layout_copy(&s->in2, &t->out_area, &t->in2, &o->in2);
        length = strlen(text);
    }
    if (s->params.in2 != NULL && rng_chance(r, 40)) {
        o->out = o->in2;
        snprintf(text + length, bytes - length, ", output over it");
        in_place = true;
    } else if (!layout_draw(r, "output", &s->out, &t->out_area, columns && s->params.in2 == NULL ? LAYOUT_STRIP : 0,
                            &o->out, text + length, bytes - length)) {
        return false;
    }
    length = strlen(text);
    if (s->op.kind == LNT_OP_KIND_INPUT) {
        layout_copy(&s->out, &t->out_area, &t->in, &o->out);
        add_cut(r, t, &o->in, t->range, 0);
        return true;
    }
    if (!in_place) {
        spoil(t, &o->out);
    }
    if (counts_input(s)) {
        return add_pool_calls(r, t, cut, text + length, bytes - length);
    }
    bool over = (s->op.kind == LNT_OP_KIND_ADD || s->op.kind == LNT_OP_KIND_SOFTMAX) && !in_place && rng_chance(r, 40);
    if (over) {
        o->in = o->out;
        snprintf(text + length, bytes - length, ", input under the output");
    } else if (!layout_draw(r, "input", &s->in, &t->in_area, columns ? LAYOUT_WINDOW | LAYOUT_STRIP : 0, &o->in,
                            text + length, bytes - length)) {
        return false;
    }
    layout_copy(&s->in, &t->in_area, &t->in, &o->in);
    if (cut) {
        add_cut(r, t, &o->in, t->range, rng_below(r, 3));
    } else {
        add_call(t, &o->in, t->range);
    }
    return true;
}

/* Run once over operands in one place. *room: false where there is none for them. */
static bool run_once(rng *r, trial *t, bool cut, bool *room, char *message, size_t bytes) {
    const lnt_kernel *kernel = t->subject->kernel;
    lnt_operands o = {0};
    size_t length = strlen(check_text);
    uint64_t scratch = lnt_scratch_of(kernel, &t->params, t->range.n, t->range.xn);
    *room = place_operands(r, t, &o, cut, check_text, sizeof check_text);
    o.state = place_state(r, &t->sample);
    o.scratch = scratch ? memory_place(r, "scratch", (size_t)scratch, LNT_ALIGN) : NULL;
    *room = *room && (o.state || !counts_input(&t->sample)) && (o.scratch || scratch == 0);
    if (!*room) {
        return true;
    }
    length = strlen(check_text);
    for (uint32_t i = 0; i < t->call_count && i < 4; i++) {
        const lnt_range *g = &t->calls[i].range;
        length +=
            (size_t)snprintf(check_text + length, sizeof check_text - length, "%s y %lu+%lu x %lu+%lu c %lu+%lu",
                             i == 0 ? ", range" : ", then", (unsigned long)g->y, (unsigned long)g->n,
                             (unsigned long)g->x, (unsigned long)g->xn, (unsigned long)g->c, (unsigned long)g->cn);
        if (length >= sizeof check_text) {
            break;
        }
    }
    if (check_verbose) {
        printf("%s\n", check_text);
        fflush(stdout);
    }
    memory_keep();
    memory_allow_any(o.state);
    memory_allow_any(o.scratch);
    for (uint32_t i = 0; i < t->call_count; i++) {
        o.in = t->calls[i].in;
        const lnt_range *g = &t->calls[i].range;
        if (lnt_scratch_of(kernel, &t->params, g->n, g->xn) > scratch) {
            return fail(message, bytes, "a smaller range takes more scratch");
        }
        kernel->run(&t->params, &o, *g);
    }
    bool right = is_right(t, &o.out, message, bytes);
    return right && memory_is_as_expected(message, bytes);
}

/* An operator that the kernel takes, with a range that is not too large, and what is right. */
static bool draw_trial(rng *r, trial *t, const limits *l) {
    memory_release(0);
    sample_draw(r, t->subject->kernel->kind, l, &t->sample);
    t->range = draw_range(r, t, l);
    find_areas(t);
    return is_small(t, l) && sample_place_constants(r, &t->sample) &&
           lnt_takes(t->subject->kernel, &t->sample.params) && place_plain(r, t);
}

bool check_case(const subject *s, const limits *l, uint64_t seed, uint32_t index, bool *taken, char *message,
                size_t bytes) {
    static trial t;
    rng r = {seed * 0x9E3779B97F4A7C15u + index};
    rng_next(&r);
    *taken = false;
    for (uint32_t attempt = 0; attempt < 1000; attempt++) {
        t.subject = s;
        message[0] = check_text[0] = '\0';
        if (!draw_trial(&r, &t, l)) {
            continue;
        }
        sample_describe(&t.sample, check_text, sizeof check_text);
        size_t length = strlen(check_text);
        if (!place_packed(&r, &t, message, bytes)) {
            if (message[0] == '\0') {
                continue;
            }
            return false;
        }
        *taken = true;
        size_t mark = memory_mark();
        for (uint32_t pass = 0; pass < 3; pass++) {
            bool room;
            check_text[length] = '\0';
            memory_release(mark);
            if (!run_once(&r, &t, pass != 0, &room, message, bytes)) {
                return false;
            }
        }
        return true;
    }
    return true;
}

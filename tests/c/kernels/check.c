#include "check.h"

#include <stdio.h>

#include "memory.h"
#include "trial.h"

char check_text[1024];
bool check_verbose;

enum { MAX_CALLS = 256 };

/* The ranges that a case is cut into, and where the input of each lies. */
typedef struct call_list {
    uint32_t count;
    struct {
        lnt_rows in;
        lnt_range range;
    } list[MAX_CALLS];
} call_list;

static void add_call(call_list *calls, const lnt_rows *in, lnt_range range) {
    calls->list[calls->count].in = *in;
    calls->list[calls->count++].range = range;
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
static void add_cut(rng *r, const trial *t, call_list *calls, const lnt_rows *in, lnt_range range, uint32_t axis) {
    const lnt_kernel *kernel = t->subject->kernel;
    uint32_t total = axis == 0 ? range.n : axis == 1 ? range.xn : range.cn;
    uint32_t group = axis == 2 ? kernel->channel_group : 1;
    bool possible = axis == 0   ? total > 1 && !counts_input(&t->sample)
                    : axis == 1 ? total > 1 && takes_columns(&t->sample) && !counts_input(&t->sample)
                                : (kernel->split & LNT_SPLIT_CHANNELS) && total > group;
    if (!possible || calls->count + 2 > MAX_CALLS) {
        add_call(calls, in, range);
        return;
    }
    uint32_t at = group * (1 + rng_below(r, (total - 1) / group));
    bool swapped = rng_chance(r, 50);
    add_call(calls, in, swapped ? piece(range, axis, at, total - at) : piece(range, axis, 0, at));
    add_call(calls, in, swapped ? piece(range, axis, 0, at) : piece(range, axis, at, total - at));
}

/* Steps of a pool: rows as they come, single rows in strips of columns, each with a place of its own. */
static bool add_pool_calls(rng *r, const trial *t, call_list *calls, bool cut, char *text, size_t bytes) {
    const lnt_tensor *in = &t->sample.in;
    uint32_t most = cut ? 1 + rng_below(r, in->height) : in->height;
    for (uint32_t y = 0; y < in->height;) {
        uint32_t n = most < in->height - y ? most : in->height - y;
        uint32_t strip = cut && n == 1 ? 1 + rng_below(r, in->width) : in->width;
        for (uint32_t x = 0; x < in->width; x += strip) {
            area a = {y, n, x, in->width - x < strip ? in->width - x : strip};
            lnt_range range = {y, n, x, a.xn, t->range.c, t->range.cn};
            lnt_rows rows;
            if (calls->count + 2 > MAX_CALLS ||
                !layout_draw(r, "input", in, &a, LAYOUT_WINDOW | LAYOUT_STRIP, &rows, text, bytes)) {
                return false;
            }
            layout_copy(in, &a, &t->in, &rows);
            add_cut(r, t, calls, &rows, range, cut && rng_chance(r, 30) ? 2 : 0);
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
static bool place_operands(rng *r, const trial *t, lnt_operands *o, call_list *calls, bool cut, char *text,
                           size_t bytes) {
    const sample *s = &t->sample;
    bool columns = takes_columns(s) && !counts_input(s);
    size_t length = strlen(text);
    bool in_place = s->op.kind == LNT_OP_KIND_INPUT;
    calls->count = 0;
    if (s->params.in2 != NULL) {
        if (!layout_draw(r, "second input", &s->in2, &t->out_area, 0, &o->in2, text + length, bytes - length)) {
            return false;
        }
        layout_copy(&s->in2, &t->out_area, &t->in2, &o->in2);
        length = strlen(text);
    }
    if (s->params.in2 != NULL && rng_chance(r, 60)) {
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
        add_cut(r, t, calls, &o->in, t->range, 0);
        return true;
    }
    if (!in_place) {
        spoil(t, &o->out);
    }
    if (counts_input(s)) {
        return add_pool_calls(r, t, calls, cut, text + length, bytes - length);
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
        add_cut(r, t, calls, &o->in, t->range, rng_below(r, 3));
    } else {
        add_call(calls, &o->in, t->range);
    }
    return true;
}

/* Run once over operands in one place. *room: false where there is none for them. */
static bool run_once(rng *r, const trial *t, bool cut, bool *room, char *message, size_t bytes) {
    const lnt_kernel *kernel = t->subject->kernel;
    static call_list list;
    call_list *calls = &list;
    lnt_operands o = {0};
    uint64_t scratch = lnt_scratch_of(kernel, &t->params, t->range.n, t->range.xn);
    *room = place_operands(r, t, &o, calls, cut, check_text, sizeof check_text);
    o.state = trial_place_state(r, &t->sample);
    o.scratch = scratch ? memory_place(r, "scratch", (size_t)scratch, LNT_ALIGN) : NULL;
    *room = *room && (o.state || !counts_input(&t->sample)) && (o.scratch || scratch == 0);
    if (!*room) {
        return true;
    }
    size_t length = strlen(check_text);
    for (uint32_t i = 0; i < calls->count && i < 4; i++) {
        const lnt_range *g = &calls->list[i].range;
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
    for (uint32_t i = 0; i < calls->count; i++) {
        o.in = calls->list[i].in;
        const lnt_range *g = &calls->list[i].range;
        if (lnt_scratch_of(kernel, &t->params, g->n, g->xn) > scratch) {
            snprintf(message, bytes, "a smaller range takes more scratch");
            return false;
        }
        kernel->run(&t->params, &o, *g);
    }
    bool right = is_right(t, &o.out, message, bytes);
    return right && memory_is_as_expected(message, bytes);
}

bool check_case(const subject *s, const limits *l, uint64_t seed, uint32_t index, bool *taken, char *message,
                size_t bytes) {
    static trial t;
    rng r = {seed * 0x9E3779B97F4A7C15u + index};
    rng_next(&r);
    t.subject = s;
    message[0] = '\0';
    for (uint32_t attempt = 0; attempt < 100; attempt++) {
        check_text[0] = '\0';
        *taken = trial_draw(&r, &t, l);
        if (!*taken) {
            return true;
        }
        sample_describe(&t.sample, check_text, sizeof check_text);
        size_t length = strlen(check_text);
        int packed = trial_pack(&r, &t, message, bytes);
        if (packed == WRONG_PACKING) {
            return false;
        }
        size_t mark = memory_mark();
        bool room = packed == PACKED;
        for (uint32_t pass = 0; room && pass < 3; pass++) {
            check_text[length] = '\0';
            memory_release(mark);
            if (!run_once(&r, &t, pass != 0, &room, message, bytes)) {
                return false;
            }
        }
        if (room) {
            return true;
        }
    }
    *taken = false; /* all were too large */
    return true;
}

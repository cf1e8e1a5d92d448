/* The checker's second half: follow the program, computing nothing, and see that every step finds the rows it reads
 * intact and overwrites nothing that it reads itself. What a plan overwrites too early shows as a row that is missing.
 */
#include <string.h>

#include "strips.h"

/* Rows [lo, hi) of a tensor are intact; rows [0, top) have been computed at some time. For the sums of a pool hi
 * counts the input rows that are in them, and for the kept rows of a strip tensor the steps of its reader, leading ones
 * included; both are intact while lo < hi. */
typedef struct window {
    uint16_t lo;
    uint16_t hi;
    uint16_t top;
    uint16_t reader; /* the last operator that takes the tensor as its first input */
} window;
_Static_assert(sizeof(window) == LNT_CHECK_BYTES, "the checker's notes");

/* Bytes [start, end) of the arena. */
typedef struct span {
    uint32_t start;
    uint32_t end;
} span;

typedef lnt_row_range row_range;

/* Memory that a step writes besides its output: the sums of a pool, scratch, strips. */
enum { STATE, SCRATCH, FIRST_STRIP, ASIDE = FIRST_STRIP + LNT_MAX_STRIPS };

/* What one step touches. A range of rows is two spans because its ring may wrap. */
typedef struct touched {
    uint32_t source; /* the tensor that is read: the operator's input, or what its strips are computed from */
    row_range in_rows;
    row_range out_rows;
    span in[2];
    span in2[2];
    span out[2];
    span aside[ASIDE];
    uint32_t owner[ASIDE]; /* the tensor whose place it is, or LNT_NONE */
    uint32_t strips;
    uint32_t kept;  /* the strip tensor whose rows stay for the next step, or LNT_NONE */
    uint32_t index; /* of this step among those that hand rows to one another */
} touched;

typedef struct checker {
    lnt_net *net;
    uint32_t arena_bytes;
    window *windows;
} checker;

static uint32_t row_at(const lnt_placement *p, uint32_t y) { return p->offset + (y % p->rows) * p->row_bytes; }

/* count <= p->rows. */
static void find_spans(const lnt_placement *p, row_range rows, span spans[2]) {
    uint32_t start = row_at(p, rows.first);
    uint32_t unbroken = p->rows - rows.first % p->rows;
    if (unbroken > rows.count) {
        unbroken = rows.count;
    }
    spans[0] = (span){start, start + unbroken * p->row_bytes};
    spans[1] = (span){p->offset, p->offset + (rows.count - unbroken) * p->row_bytes};
}

static bool overlap(span a, span b) { return a.start < b.end && b.start < a.end && a.start < a.end && b.start < b.end; }

static bool overlap_any(const span a[2], const span b[2]) {
    return overlap(a[0], b[0]) || overlap(a[0], b[1]) || overlap(a[1], b[0]) || overlap(a[1], b[1]);
}

LNT_OUTLINE static span strip_place(const lnt_strip *s) {
    return (span){s->placement->offset, s->placement->offset + (uint32_t)lnt_strip_bytes(s)};
}

/* Rows of its input that an operator reads for some rows of its output. */
static row_range rows_read(const lnt_params *p, row_range rows) {
    const lnt_op *op = p->op;
    if (rows.count == 0 || (op->kind != LNT_OP_KIND_CONV && op->kind != LNT_OP_KIND_DEPTHWISE)) {
        return rows;
    }
    int32_t first = (int32_t)rows.first * op->stride_h - op->pad_top;
    int32_t end = (int32_t)(rows.first + rows.count - 1) * op->stride_h - op->pad_top + op->kernel_h;
    if (first < 0) {
        first = 0;
    }
    if (end > p->in->height) {
        end = p->in->height;
    }
    return (row_range){(uint32_t)first, (uint32_t)(end - first)};
}

/* Follow the chain of strips from a step's operator back to the rows that must be there before. False where a leading
 * step has nothing to lead to. */
static bool find_source(const checker *c, const lnt_op *op, const lnt_step *step, touched *t) {
    const lnt_net *net = c->net;
    row_range rows = {step->y, step->n};
    bool leads = false;
    for (; lnt_reads_strip(net, op); op = lnt_writer(net, op->input)) {
        lnt_strip s = lnt_find_strip(net, op);
        t->aside[FIRST_STRIP + t->strips] = strip_place(&s);
        t->owner[FIRST_STRIP + t->strips++] = op->input;
        if (op->kind == LNT_OP_KIND_DEPTHWISE) {
            uint32_t lead = lnt_strip_lead(&s);
            leads = step->y < lead;
            rows = lnt_strip_computed(&s, step->n == 0 ? (int32_t)step->y - (int32_t)lead : step->y);
            t->index = step->n == 0 ? step->y : lead + step->y;
            t->kept = s.kept != 0 ? op->input : LNT_NONE;
        }
    }
    if (op->kind == LNT_OP_KIND_INPUT) {
        return step->n != 0;
    }
    lnt_params params = lnt_op_params(net, op);
    t->source = op->input;
    t->in_rows = rows_read(&params, rows);
    return step->n != 0 || leads;
}

/* Rows of the output that are whole after a step; none after a leading one. */
LNT_OUTLINE static row_range rows_written(const lnt_params *p, const lnt_step *step) {
    if (step->n == 0) {
        return (row_range){0, 0};
    }
    if (p->op->kind != LNT_OP_KIND_AVG_POOL) {
        return (row_range){step->y, step->n};
    }
    return (row_range){0, step->y + step->n == p->in->height};
}

LNT_OUTLINE static bool holds(const window *w, row_range rows) {
    return rows.count == 0 || (w->lo <= rows.first && rows.first + rows.count <= w->hi);
}

/* Kept rows are there if the step before left them, and nothing has hit them since. */
static bool kept_are_intact(const checker *c, const touched *t) {
    if (t->kept == LNT_NONE || t->index == 0) {
        return true;
    }
    const window *w = &c->windows[t->kept];
    return w->lo < w->hi && w->hi == t->index;
}

static bool reads_are_intact(const checker *c, const lnt_op *op, const lnt_step *step, const touched *t) {
    if (op->kind == LNT_OP_KIND_INPUT) {
        return true;
    }
    if (!holds(&c->windows[t->source], t->in_rows) || !kept_are_intact(c, t)) {
        return false;
    }
    if (op->input2 != LNT_NONE && !holds(&c->windows[op->input2], t->out_rows)) {
        return false;
    }
    if (op->state == LNT_NONE || step->y == 0 || step->n == 0) {
        return true;
    }
    const window *sums = &c->windows[op->state];
    return sums->hi == step->y && sums->lo < sums->hi;
}

/* Rows come one behind the other. All but the input's may be computed again, from any row on. */
static bool writes_follow(const checker *c, const lnt_op *op, row_range rows) {
    const window *w = &c->windows[op->output];
    if (rows.count > c->net->placements[op->output].rows) {
        return false;
    }
    return op->kind == LNT_OP_KIND_INPUT ? rows.first == w->hi : rows.first <= w->top;
}

/* Each of these rows starts where the same row of the other tensor does. */
LNT_OUTLINE static bool coincide(const lnt_placement *a, const lnt_placement *b, row_range rows) {
    if (a->row_bytes != b->row_bytes) {
        return false;
    }
    for (uint32_t y = rows.first; y < rows.first + rows.count; y++) {
        if (row_at(a, y) != row_at(b, y)) {
            return false;
        }
    }
    return true;
}

/* Element-wise work may be done in place: add over either addend, a projection over its shortcut, softmax over the
 * logits. Everything else that a step writes is apart from all that it reads and from its other writes. */
static bool writes_are_apart(const checker *c, const lnt_op *op, const touched *t) {
    const lnt_placement *placements = c->net->placements;
    const lnt_placement *out = &placements[op->output];
    bool elementwise = op->kind == LNT_OP_KIND_ADD || op->kind == LNT_OP_KIND_SOFTMAX;
    if (op->kind != LNT_OP_KIND_INPUT && overlap_any(t->out, t->in) &&
        !(elementwise && coincide(out, &placements[op->input], t->out_rows))) {
        return false;
    }
    if (op->input2 != LNT_NONE && overlap_any(t->out, t->in2) && !coincide(out, &placements[op->input2], t->out_rows)) {
        return false;
    }
    for (uint32_t i = 0; i < ASIDE; i++) {
        const span own[2] = {t->aside[i], {0, 0}};
        if (overlap_any(own, t->out) || overlap_any(own, t->in) || overlap_any(own, t->in2)) {
            return false;
        }
        for (uint32_t j = i + 1; j < ASIDE; j++) {
            if (overlap(t->aside[i], t->aside[j])) {
                return false;
            }
        }
    }
    return true;
}

/* Rows of one tensor that a write hits are lost, and with them all rows before the last of these. */
static void lose_rows(window *w, const lnt_placement *p, span write) {
    span ring = {p->offset, p->offset + p->rows * p->row_bytes};
    if (w->lo == w->hi || !overlap(write, ring)) {
        return;
    }
    uint32_t first = write.start <= ring.start ? 0 : (write.start - ring.start) / p->row_bytes;
    uint32_t last = write.end >= ring.end ? p->rows - 1u : (write.end - 1 - ring.start) / p->row_bytes;
    uint32_t newest = w->hi - 1u;
    uint32_t slot = newest % p->rows;
    uint32_t age = slot >= first && slot <= last ? 0 : slot > last ? slot - last : slot + p->rows - last;
    if (newest - w->lo >= age) {
        w->lo = (uint16_t)(newest - age + 1);
    }
}

/* A picture that lies in the arena whole before the run must not be hit before its rows are taken in. */
static void lose_picture(checker *c, span write) {
    const lnt_placement *p = &c->net->placements[0];
    if (c->net->whole_input &&
        overlap(write, (span){p->offset + c->windows[0].hi * p->row_bytes, p->offset + p->rows * p->row_bytes})) {
        c->net->whole_input = 0;
    }
}

/* A write to the arena by `writer`, whose own rows are accounted for elsewhere; LNT_NONE for scratch. */
static void overwrite(checker *c, span write, uint32_t writer) {
    if (write.start == write.end) {
        return;
    }
    for (uint32_t i = 0; i < c->net->tensor_count; i++) {
        if (i == writer) {
            continue;
        }
        if (!lnt_is_strip(c->net, i)) {
            lose_rows(&c->windows[i], &c->net->placements[i], write);
        } else if (c->windows[i].lo < c->windows[i].hi) {
            lnt_strip s = lnt_find_strip(c->net, &c->net->ops[c->windows[i].reader]);
            if (overlap(write, strip_place(&s))) {
                c->windows[i].lo = c->windows[i].hi;
            }
        }
    }
    if (writer != 0) {
        lose_picture(c, write);
    }
}

LNT_OUTLINE static void add_rows(window *w, const lnt_placement *p, row_range rows) {
    if (rows.count == 0) {
        return;
    }
    if (rows.first != w->hi) {
        w->lo = (uint16_t)rows.first;
    }
    w->hi = (uint16_t)(rows.first + rows.count);
    if (w->hi - w->lo > p->rows) {
        w->lo = (uint16_t)(w->hi - p->rows);
    }
    if (w->top < w->hi) {
        w->top = w->hi;
    }
}

/* Scratch of the largest kernel that a step runs; false where it leaves the arena. Where there are strips, a kernel
 * computes one row of as many columns as its strip holds. */
static bool find_scratch(const checker *c, const lnt_op *op, const lnt_step *step, touched *t) {
    bool strips = lnt_reads_strip(c->net, op);
    uint32_t at_once = lnt_columns_at_once(c->net, op);
    uint64_t bytes = 0;
    for (;; op = lnt_writer(c->net, op->input)) {
        lnt_params params = lnt_op_params(c->net, op);
        const lnt_kernel *kernel = lnt_choose(c->net->kernels, &params);
        uint32_t xn = op->kind == LNT_OP_KIND_AVG_POOL ? params.in->width : params.out->width;
        if (lnt_is_strip(c->net, op->output)) {
            xn = c->net->placements[op->output].row_bytes / params.out->channels;
        } else if (at_once < xn) {
            xn = at_once;
        }
        uint64_t own = lnt_scratch_of(kernel, &params, strips ? 1 : (uint32_t)step->n, xn);
        bytes = own > bytes ? own : bytes;
        if (!lnt_reads_strip(c->net, op)) {
            break;
        }
    }
    if (bytes == 0) {
        return step->scratch == 0;
    }
    if (bytes > c->arena_bytes) {
        return false;
    }
    t->aside[SCRATCH] = (span){step->scratch, step->scratch + (uint32_t)bytes};
    return step->scratch % LNT_ALIGN == 0 && step->scratch <= c->arena_bytes && bytes <= c->arena_bytes - step->scratch;
}

static void find_places(const lnt_net *net, const lnt_op *op, touched *t) {
    find_spans(&net->placements[op->output], t->out_rows, t->out);
    if (op->kind != LNT_OP_KIND_INPUT && t->in_rows.count != 0) {
        find_spans(&net->placements[t->source], t->in_rows, t->in);
    }
    if (op->input2 != LNT_NONE) {
        find_spans(&net->placements[op->input2], t->out_rows, t->in2);
    }
    if (op->state != LNT_NONE) {
        const lnt_placement *p = &net->placements[op->state];
        t->aside[STATE] = (span){p->offset, p->offset + p->row_bytes};
        t->owner[STATE] = op->state;
    }
}

static void follow_writes(checker *c, const lnt_op *op, const lnt_step *step, const touched *t) {
    for (uint32_t i = 0; i < ASIDE; i++) {
        overwrite(c, t->aside[i], t->owner[i]);
    }
    overwrite(c, t->out[0], op->output);
    overwrite(c, t->out[1], op->output);
    add_rows(&c->windows[op->output], &c->net->placements[op->output], t->out_rows);
    if (op->state != LNT_NONE) {
        add_rows(&c->windows[op->state], &c->net->placements[op->state], (row_range){step->y, step->n});
    }
    if (t->kept != LNT_NONE) {
        c->windows[t->kept].lo = 0;
        c->windows[t->kept].hi = (uint16_t)(t->index + 1);
    }
}

static int check_step(checker *c, const lnt_step *step) {
    const lnt_net *net = c->net;
    if (step->op >= net->op_count || step->reserved != 0) {
        return LNT_ERR_STEP;
    }
    const lnt_op *op = &net->ops[step->op];
    lnt_params params = lnt_op_params(net, op);
    if (lnt_is_strip(net, op->output) || (step->n != 0 && step->y + step->n > (int32_t)lnt_step_rows(net, op)) ||
        (lnt_reads_strip(net, op) && step->n > 1)) {
        return LNT_ERR_STEP;
    }
    touched t = {.out_rows = rows_written(&params, step), .kept = LNT_NONE};
    for (uint32_t i = 0; i < ASIDE; i++) {
        t.owner[i] = LNT_NONE;
    }
    if (!find_source(c, op, step, &t) || !reads_are_intact(c, op, step, &t) || !writes_follow(c, op, t.out_rows)) {
        return LNT_ERR_STEP;
    }
    find_places(net, op, &t);
    if (!find_scratch(c, op, step, &t) || !writes_are_apart(c, op, &t)) {
        return LNT_ERR_PLACEMENT;
    }
    follow_writes(c, op, step, &t);
    return LNT_OK;
}

int lnt_check_steps(lnt_net *net, uint32_t plan_bytes) {
    checker c = {.net = net, .arena_bytes = plan_bytes, .windows = (window *)(void *)net->arena};
    memset(c.windows, 0, net->tensor_count * sizeof(window));
    for (uint32_t i = 1; i < net->op_count; i++) {
        c.windows[net->ops[i].input].reader = (uint16_t)i;
    }
    net->whole_input = lnt_is_whole(net, 0);
    for (uint32_t i = 0; i < net->step_count; i++) {
        int err = check_step(&c, &net->steps[i]);
        if (err != LNT_OK) {
            return err;
        }
    }
    for (uint32_t i = 0; i < net->op_count; i++) {
        uint32_t output = net->ops[i].output;
        if (!lnt_is_strip(net, output) && c.windows[output].top != net->tensors[output].height) {
            return LNT_ERR_STEP;
        }
    }
    row_range answer = {0, net->tensors[net->output].height};
    return holds(&c.windows[net->output], answer) ? LNT_OK : LNT_ERR_STEP;
}

#include "strips.h"

#include "move.h"

const lnt_op *lnt_writer(const lnt_net *net, uint32_t tensor) {
    const lnt_op *op = net->ops;
    while (op->output != tensor) {
        op++;
    }
    return op;
}

bool lnt_is_strip(const lnt_net *net, uint32_t tensor) { return net->placements[tensor].layout == LNT_LAYOUT_STRIP; }

bool lnt_reads_strip(const lnt_net *net, const lnt_op *op) {
    return op->kind != LNT_OP_KIND_INPUT && lnt_is_strip(net, op->input);
}

lnt_strip lnt_find_strip(const lnt_net *net, const lnt_op *op) {
    bool window = op->kind == LNT_OP_KIND_DEPTHWISE;
    const lnt_tensor *tensor = &net->tensors[op->input];
    return (lnt_strip){
        .tensor = tensor,
        .placement = &net->placements[op->input],
        .kernel_h = window ? op->kernel_h : 1,
        .kernel_w = window ? op->kernel_w : 1,
        .stride_h = window ? op->stride_h : 1,
        .stride_w = window ? op->stride_w : 1,
        .pad_top = window ? op->pad_top : 0,
        .pad_left = window ? op->pad_left : 0,
        .kept = net->placements[op->input].rows,
        .kept_bytes = (uint32_t)tensor->width * tensor->channels,
    };
}

LNT_OUTLINE static uint32_t clip(int32_t value, uint32_t end) {
    return value < 0 ? 0 : (uint32_t)value > end ? end : (uint32_t)value;
}

/* Of the window's rows 0 .. kernel_h - 1: those that a step finds kept. */
static bool is_kept(const lnt_strip *s, uint32_t i) {
    return i + s->kept + s->stride_h >= s->kernel_h && i + s->stride_h < s->kernel_h;
}

/* Those that no earlier step has computed. */
static bool is_new(const lnt_strip *s, uint32_t i) { return i + s->stride_h >= s->kernel_h; }

/* Those that the next step finds kept, and that this one has to bring there. */
static bool is_handed_on(const lnt_strip *s, uint32_t i) { return i + s->kept >= s->kernel_h && is_new(s, i); }

/* A leading step wants nothing but what it hands on. */
static bool is_computed(const lnt_strip *s, int32_t y, uint32_t i) {
    return y < 0 ? is_handed_on(s, i) : !is_kept(s, i);
}

static int32_t top_row(const lnt_strip *s, int32_t y) { return y * (int32_t)s->stride_h - s->pad_top; }

static bool is_inside(const lnt_strip *s, int32_t row) { return row >= 0 && row < s->tensor->height; }

lnt_row_range lnt_strip_computed(const lnt_strip *s, int32_t y) {
    lnt_row_range rows = {0, 0};
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        int32_t row = top_row(s, y) + (int32_t)i;
        if (is_inside(s, row) && is_computed(s, y, i)) {
            rows.first = rows.count == 0 ? (uint32_t)row : rows.first;
            rows.count = (uint32_t)row - rows.first + 1;
        }
    }
    return rows;
}

/* Columns [from, to) of the strip tensor that the reader's columns up to x + xn look at, and where the columns start
 * that the strip before has not left there. */
typedef struct columns {
    uint32_t from;
    uint32_t fresh;
    uint32_t to;
    uint32_t next; /* where the next strip begins */
} columns;

static columns find_columns(const lnt_strip *s, uint32_t x, uint32_t xn, bool last) {
    uint32_t width = s->tensor->width;
    int32_t start = (int32_t)(x * s->stride_w) - s->pad_left;
    int32_t end = (int32_t)((x + xn) * s->stride_w) - s->pad_left;
    int32_t overlap = (int32_t)s->kernel_w - (int32_t)s->stride_w;
    columns c = {.from = clip(start, width), .to = clip(end + overlap, width), .next = clip(end, width)};
    c.fresh = x == 0 ? 0 : clip(start + overlap, width);
    if (c.fresh < c.from) {
        c.fresh = c.from;
    }
    if (c.next > c.to || last) {
        c.next = c.to;
    }
    return c;
}

static uint8_t *kept_row(const lnt_net *net, const lnt_strip *s, int32_t row) {
    return net->arena + s->placement->offset + (size_t)((uint32_t)row % s->kept) * s->kept_bytes;
}

LNT_OUTLINE static uint8_t *fresh_row(const lnt_net *net, const lnt_strip *s, uint32_t i) {
    uint32_t index = i + s->kept + s->stride_h < s->kernel_h ? i : i - s->kept;
    return net->arena + s->placement->offset + (size_t)s->kept * s->kept_bytes +
           (size_t)index * s->placement->row_bytes;
}

/* Bring rows that the next step wants over kept rows that have died, and shared columns to the strip's start. */
static void retire(const lnt_net *net, const lnt_strip *s, int32_t y, const columns *c) {
    size_t pixel = s->tensor->channels;
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        int32_t row = top_row(s, y) + (int32_t)i;
        if (!is_inside(s, row) || !is_computed(s, y, i)) {
            continue;
        }
        uint8_t *strip = fresh_row(net, s, i);
        if (is_handed_on(s, i)) {
            lnt_move(kept_row(net, s, row) + c->from * pixel, strip, (c->next - c->from) * pixel);
        }
        lnt_move(strip, strip + (c->next - c->from) * pixel, (c->to - c->next) * pixel);
    }
}

/* fill() and compute() call one another along a chain of strips, which lnt_check() has found to be no longer than
 * LNT_MAX_STRIPS. NOLINTBEGIN(misc-no-recursion) */
static void compute(const lnt_net *net, const lnt_op *op, lnt_operands *operands, int32_t y, lnt_range *range,
                    bool again);

/* Fill the strips of the rows under output row y; window: where each row starts, at column c->from. */
static void fill(const lnt_net *net, const lnt_op *reader, const lnt_strip *s, int32_t y, const columns *c,
                 uint8_t *scratch, uint8_t *window[LNT_MAX_KERNEL_H]) {
    const lnt_op *writer = lnt_writer(net, reader->input);
    lnt_operands operands = lnt_op_operands(net, writer, scratch);
    size_t pixel = s->tensor->channels;
    for (uint32_t i = 0; i < s->kernel_h; i++) {
        int32_t row = top_row(s, y) + (int32_t)i;
        window[i] = NULL;
        if (!is_inside(s, row)) {
            continue;
        }
        if (!is_computed(s, y, i)) {
            window[i] = s->kept ? kept_row(net, s, row) + c->from * pixel : NULL;
            continue;
        }
        window[i] = fresh_row(net, s, i);
        if (c->fresh < c->to) {
            operands.out = (lnt_rows){.base = window[i], .ring = 1, .x0 = c->from};
            lnt_range range = {.y = (uint32_t)row, .n = 1, .x = c->fresh, .xn = c->to - c->fresh};
            compute(net, writer, &operands, row, &range, y > 0 && !is_new(s, i));
        }
    }
}

/* Columns of one row of an operator, and before them what it reads where that is a strip. again: these values have been
 * computed before. */
static void compute(const lnt_net *net, const lnt_op *op, lnt_operands *operands, int32_t y, lnt_range *range,
                    bool again) {
    lnt_params params = lnt_op_params(net, op);
    const lnt_kernel *kernel = lnt_choose(net->kernels, &params);
    range->cn = params.out->channels;
    if (!lnt_reads_strip(net, op)) {
        kernel->run(&params, operands, *range);
    } else {
        uint8_t *window[LNT_MAX_KERNEL_H];
        lnt_strip s = lnt_find_strip(net, op);
        uint32_t width = op->kind == LNT_OP_KIND_AVG_POOL ? params.in->width : params.out->width;
        columns c = find_columns(&s, range->x, range->xn, range->x + range->xn == width);
        fill(net, op, &s, y, &c, operands->scratch, window);
        operands->in = (lnt_rows){.window = window, .first = top_row(&s, y), .x0 = c.from};
        kernel->run(&params, operands, *range);
        retire(net, &s, y, &c);
    }
    if (!again) {
        lnt_trace(net, op, &operands->out, *range);
    }
}
/* NOLINTEND(misc-no-recursion) */

/* Fill the kept rows; y counts up to -1. */
static void lead(const lnt_net *net, const lnt_op *reader, int32_t y, uint32_t strip, uint8_t *scratch) {
    lnt_strip s = lnt_find_strip(net, reader);
    uint32_t width = net->tensors[reader->output].width;
    for (uint32_t x = 0; x < width; x += strip) {
        uint8_t *window[LNT_MAX_KERNEL_H];
        uint32_t xn = width - x < strip ? width - x : strip;
        columns c = find_columns(&s, x, xn, x + xn == width);
        fill(net, reader, &s, y, &c, scratch, window);
        retire(net, &s, y, &c);
    }
}

uint32_t lnt_columns_at_once(const lnt_net *net, const lnt_op *op) {
    uint32_t least = UINT32_MAX;
    for (; lnt_reads_strip(net, op); op = lnt_writer(net, op->input)) {
        lnt_strip s = lnt_find_strip(net, op);
        uint32_t own = lnt_strip_columns(&s);
        least = own < least ? own : least;
    }
    return least;
}

void lnt_run_strips(const lnt_net *net, const lnt_step *step) {
    const lnt_op *op = &net->ops[step->op];
    const lnt_op *reader = op; /* of the last strip, the one that may have a window */
    uint32_t strip = lnt_columns_at_once(net, op);
    while (lnt_reads_strip(net, lnt_writer(net, reader->input))) {
        reader = lnt_writer(net, reader->input);
    }
    if (step->n == 0) {
        lnt_strip s = lnt_find_strip(net, reader);
        lead(net, reader, step->y - (int32_t)lnt_strip_lead(&s), strip, net->arena + step->scratch);
        return;
    }
    uint32_t width = net->tensors[op->kind == LNT_OP_KIND_AVG_POOL ? op->input : op->output].width;
    lnt_operands operands = lnt_op_operands(net, op, net->arena + step->scratch);
    for (uint32_t x = 0; x < width; x += strip) {
        uint32_t xn = width - x < strip ? width - x : strip;
        lnt_range range = {.y = step->y, .n = 1, .x = x, .xn = xn};
        compute(net, op, &operands, step->y, &range, false);
    }
}

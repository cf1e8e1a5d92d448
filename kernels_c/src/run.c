/* The program loop and the public functions around it. */
#include <string.h>

#include "cut.h"
#include "move.h"
#include "strips.h"

enum { STATE_CLOSED = 0, STATE_OPEN, STATE_PUSHING, STATE_DONE };

int lnt_open(lnt_net *net, const void *model, size_t model_bytes, void *arena, size_t arena_bytes) {
    if (net == NULL || model == NULL || arena == NULL) {
        return LNT_ERR_ARGUMENT;
    }
    *net = (lnt_net){0};
    int err = lnt_check(net, model, model_bytes, arena, arena_bytes);
    if (err == LNT_OK) {
        net->state = STATE_OPEN;
    }
    return err;
}

void lnt_set_hooks(lnt_net *net, const lnt_hooks *hooks) {
    if (net != NULL) {
        net->hooks = hooks ? *hooks : (lnt_hooks){0};
    }
}

/* The hook sees rows that follow one another in memory; a ring may wrap once. */
void lnt_trace(const lnt_net *net, const lnt_op *op, const lnt_rows *rows, lnt_range range) {
    if (net->hooks.trace == NULL) {
        return;
    }
    if (op->kind == LNT_OP_KIND_AVG_POOL) { /* counts its input; its output comes with the last of it */
        const lnt_tensor *in = &net->tensors[op->input];
        bool complete = range.y + range.n == in->height && range.x + range.xn == in->width;
        range = (lnt_range){.n = complete, .xn = complete};
    }
    uint32_t pixel = net->tensors[op->output].channels * lnt_element_bytes(&net->tensors[op->output]);
    do {
        uint32_t unbroken = rows->ring - range.y % rows->ring;
        if (unbroken > range.n) {
            unbroken = range.n;
        }
        const uint8_t *first = lnt_row(rows, range.y) + (size_t)(range.x - rows->x0) * pixel;
        net->hooks.trace(net->hooks.context, (uint32_t)(op - net->ops), range.y, unbroken, range.x, range.xn, first,
                         rows->row_bytes, LNT_LAYOUT_NHWC);
        range.y += unbroken;
        range.n -= unbroken;
    } while (range.n != 0);
}

static void run_step(const lnt_net *net, const lnt_step *step) {
    const lnt_op *op = &net->ops[step->op];
    if (lnt_reads_strip(net, op)) {
        lnt_run_strips(net, step);
        return;
    }
    lnt_params params = lnt_op_params(net, op);
    lnt_operands operands = lnt_op_operands(net, op, net->arena + step->scratch);
    lnt_range whole = {.y = step->y,
                       .n = step->n,
                       .xn = op->kind == LNT_OP_KIND_AVG_POOL ? params.in->width : params.out->width,
                       .cn = params.out->channels};
    /* Only a picture's bytes need turning into int8. */
    if (op->kind != LNT_OP_KIND_INPUT || net->pixels) {
        lnt_run_cut(&net->hooks, lnt_choose(net->kernels, &params), &params, &operands, whole);
    }
    lnt_trace(net, op, &operands.out, whole);
}

/* Run steps until one wants rows of the input that have not arrived, or to the end. */
static void run_steps(lnt_net *net) {
    while (net->next_step < net->step_count) {
        const lnt_step *step = &net->steps[net->next_step];
        if (net->ops[step->op].kind == LNT_OP_KIND_INPUT && step->y + step->n > net->rows_pushed) {
            return;
        }
        run_step(net, step);
        net->next_step++;
    }
}

int lnt_run(lnt_net *net) {
    if (net == NULL) {
        return LNT_ERR_ARGUMENT;
    }
    if (net->state == STATE_CLOSED || !net->whole_input) {
        return LNT_ERR_ORDER;
    }
    net->next_step = 0;
    net->rows_pushed = net->tensors[0].height;
    run_steps(net);
    net->state = STATE_DONE;
    return LNT_OK;
}

int lnt_begin(lnt_net *net) {
    if (net == NULL) {
        return LNT_ERR_ARGUMENT;
    }
    if (net->state == STATE_CLOSED) {
        return LNT_ERR_ORDER;
    }
    net->next_step = 0;
    net->rows_pushed = 0;
    net->state = STATE_PUSHING;
    return LNT_OK;
}

int lnt_push_rows(lnt_net *net, const void *rows, uint32_t n) {
    if (net == NULL || (rows == NULL && n != 0)) {
        return LNT_ERR_ARGUMENT;
    }
    if (net->state != STATE_PUSHING) {
        return LNT_ERR_ORDER;
    }
    if (n > (uint32_t)net->tensors[0].height - net->rows_pushed) {
        return LNT_ERR_ROWS;
    }
    const uint8_t *row = rows;
    lnt_rows ring = lnt_tensor_rows(net, 0);
    uint32_t row_bytes = lnt_used_bytes(&net->tensors[0]);
    /* The program stands at the input step that takes the next row, so that its place in the ring is free. */
    for (uint32_t i = 0; i < n; i++) {
        lnt_move(lnt_row(&ring, net->rows_pushed), row, row_bytes);
        row += row_bytes;
        net->rows_pushed++;
        run_steps(net);
    }
    return LNT_OK;
}

int lnt_finish(lnt_net *net) {
    if (net == NULL) {
        return LNT_ERR_ARGUMENT;
    }
    if (net->state != STATE_PUSHING) {
        return LNT_ERR_ORDER;
    }
    if (net->rows_pushed < net->tensors[0].height) {
        return LNT_ERR_ROWS;
    }
    net->state = STATE_DONE;
    return LNT_OK;
}

void *lnt_input(const lnt_net *net) {
    if (net == NULL || net->state == STATE_CLOSED || !net->whole_input) {
        return NULL;
    }
    return lnt_tensor_rows(net, 0).base;
}

size_t lnt_input_bytes(const lnt_net *net) {
    if (net == NULL || net->state == STATE_CLOSED) {
        return 0;
    }
    return (size_t)net->tensors[0].height * lnt_used_bytes(&net->tensors[0]);
}

const void *lnt_output(const lnt_net *net) {
    return net == NULL || net->state != STATE_DONE ? NULL : lnt_tensor_rows(net, net->output).base;
}

int lnt_tensor_info(const lnt_net *net, int which, int32_t info[5], float *scale) {
    if (net == NULL || info == NULL || scale == NULL || which < 0 || which > 1) {
        return LNT_ERR_ARGUMENT;
    }
    if (net->state == STATE_CLOSED) {
        return LNT_ERR_ORDER;
    }
    const lnt_tensor *tensor = &net->tensors[which == 0 ? 0 : net->output];
    info[0] = tensor->height;
    info[1] = tensor->width;
    info[2] = tensor->channels;
    info[3] = (int32_t)lnt_element_bytes(tensor);
    info[4] = tensor->zero_point;
    memcpy(scale, &tensor->scale, sizeof *scale);
    return LNT_OK;
}

const char *lnt_label(const lnt_net *net, uint32_t index) {
    if (net == NULL || net->state == STATE_CLOSED || index >= net->label_count) {
        return NULL;
    }
    const uint8_t *reference = net->model + net->labels + 4 * (size_t)index;
    uint32_t distance;
    memcpy(&distance, reference, sizeof distance);
    return (const char *)reference + distance + 4; /* behind the length */
}

int lnt_abi(void) { return LNT_ABI; }

size_t lnt_net_bytes(void) { return sizeof(lnt_net); }

/* What a kernel is given for one operator, and which kernel that is. */
#include "internal.h"

/* For callers where the compiler finds a call better. */
extern inline uint8_t *lnt_row(const lnt_rows *rows, uint32_t y);
extern inline bool lnt_is_whole(const lnt_net *net, uint32_t tensor);
extern inline uint32_t lnt_used_bytes(const lnt_tensor *tensor);
extern inline uint32_t lnt_element_bytes(const lnt_tensor *tensor);

lnt_rows lnt_tensor_rows(const lnt_net *net, uint32_t tensor) {
    const lnt_placement *p = &net->placements[tensor];
    return (lnt_rows){.base = net->arena + p->offset, .row_bytes = p->row_bytes, .ring = p->rows};
}

lnt_operands lnt_op_operands(const lnt_net *net, const lnt_op *op, uint8_t *scratch) {
    lnt_operands operands = {.out = lnt_tensor_rows(net, op->output)};
    operands.scratch = scratch;
    if (op->kind != LNT_OP_KIND_INPUT) {
        operands.in = lnt_tensor_rows(net, op->input);
    }
    if (op->input2 != LNT_NONE) {
        operands.in2 = lnt_tensor_rows(net, op->input2);
    }
    if (op->state != LNT_NONE) {
        operands.state = net->arena + net->placements[op->state].offset;
    }
    return operands;
}

/* The operator's constants as packed by lnt_pack(), whose table of offsets comes first, or for the file's plans. */
static const uint8_t *lnt_packed(const lnt_net *net, const lnt_op *op) {
    if (net->packed) {
        return net->packed + ((const uint32_t *)(const void *)net->packed)[op - net->ops];
    }
    return net->file_is_packed ? net->data + op->weights : NULL;
}

lnt_params lnt_op_params(const lnt_net *net, const lnt_op *op) {
    return (lnt_params){
        .op = op,
        .in = &net->tensors[op->kind == LNT_OP_KIND_INPUT ? op->output : op->input],
        .in2 = op->input2 == LNT_NONE ? NULL : &net->tensors[op->input2],
        .out = &net->tensors[op->output],
        .data = net->data,
        .packed = lnt_packed(net, op),
    };
}

const lnt_kernel *lnt_choose(const lnt_kernel *const *kernels, const lnt_params *p) {
    while (*kernels && !lnt_takes(*kernels, p)) {
        kernels++;
    }
    return *kernels;
}

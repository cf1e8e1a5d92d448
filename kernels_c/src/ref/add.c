/* Sum of two tensors of one shape, each with its own scale.
 * Rows: NHWC. The output may lie exactly over either input. No scratch. */
#include "../requantize.h"
#include "ref.h"

static void add_row(const lnt_op *op, const int8_t *a, const int8_t *b, int8_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int32_t value = (a[i] * op->factor + b[i] * op->factor2 + op->offset) >> 14;
        out[i] = lnt_clamp(value, op->clamp_min, op->clamp_max);
    }
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    size_t count = lnt_used_bytes(p->out);
    for (uint32_t y = range.y; y < range.y + range.n; y++) {
        add_row(p->op, (const int8_t *)lnt_row(&o->in, y), (const int8_t *)lnt_row(&o->in2, y),
                (int8_t *)lnt_row(&o->out, y), count);
    }
}

const lnt_kernel q8_add_ref = {.name = "q8_add_ref", .run = run, .kind = LNT_OP_KIND_ADD, .split = LNT_SPLIT_ROWS};

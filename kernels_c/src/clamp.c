#include "clamp.h"

#include "requantize.h"

void lnt_clamp_range(const lnt_params *p, const lnt_operands *o, const lnt_range *range) {
    const lnt_op *op = p->op;
    if (op->clamp_min == INT8_MIN && op->clamp_max == INT8_MAX) {
        return;
    }
    for (uint32_t y = range->y; y < range->y + range->n; y++) {
        for (uint32_t x = range->x; x < range->x + range->xn; x++) {
            int8_t *out = lnt_pixel(&o->out, y, x, p->out->channels) + range->c;
            for (uint32_t k = 0; k < range->cn; k++) {
                out[k] = lnt_clamp(out[k], op->clamp_min, op->clamp_max);
            }
        }
    }
}

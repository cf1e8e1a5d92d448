/* Probabilities with scale 2^-30 from int32 logits.
 * Input and output: 1x1xC int32. The output may lie exactly over the input. No scratch. */
#include "ref.h"

/* T[0] * 2^(-t / 2^16), from a table of 64 steps per octave with straight lines between. */
static uint32_t exp2_negative(const uint32_t *table, uint64_t t) {
    if (t >= (uint64_t)32 << 16) {
        return 0;
    }
    uint32_t k = (uint32_t)(t >> 10) & 63;
    uint32_t fraction = (uint32_t)t & 1023;
    return (table[k] - (((table[k] - table[k + 1]) * fraction) >> 10)) >> (uint32_t)(t >> 16);
}

static uint32_t weight(const lnt_op *op, const uint32_t *table, int32_t largest, int32_t logit) {
    uint32_t below = (uint32_t)largest - (uint32_t)logit;
    return exp2_negative(table, ((uint64_t)below * (uint32_t)op->factor) >> op->shift);
}

static void run(const lnt_params *p, const lnt_operands *o, lnt_range range) {
    const uint32_t *table = (const uint32_t *)(const void *)(p->data + p->op->weights);
    const int32_t *logits = (const int32_t *)(const void *)o->in.base;
    int32_t *out = (int32_t *)(void *)o->out.base;
    int32_t largest = logits[0];
    for (uint32_t c = 1; c < range.cn; c++) {
        if (logits[c] > largest) {
            largest = logits[c];
        }
    }
    uint64_t sum = weight(p->op, table, largest, logits[0]);
    for (uint32_t c = 1; c < range.cn; c++) {
        sum += weight(p->op, table, largest, logits[c]);
    }
    uint64_t reciprocal = ((uint64_t)1 << 62) / sum;
    for (uint32_t c = 0; c < range.cn; c++) {
        out[c] = (int32_t)((weight(p->op, table, largest, logits[c]) * reciprocal) >> 32);
    }
}

const lnt_kernel q8_softmax_ref = {
    .name = "q8_softmax_ref", .run = run, .kind = LNT_OP_KIND_SOFTMAX, .split = LNT_SPLIT_NONE};

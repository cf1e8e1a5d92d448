/* A family in the place of dsp, for what all such families have in common: constants packed when the file is made, and
 * scratch from the plan. Its kernels unpack everything into their scratch, overwrite the rest of it, and let the
 * portable ones compute. */
#include <string.h>

#include "families.h"
#include "ref/ref.h"

enum { MASK = 0x5A, POISON = 0xEE };

typedef struct shape {
    uint64_t weights;
    uint64_t channels;
    uint64_t pads;
} shape;

static uint64_t plain_bytes(const lnt_params *p) {
    uint64_t taps = (uint64_t)p->op->kernel_h * p->op->kernel_w * p->out->channels;
    return p->op->kind == LNT_OP_KIND_DEPTHWISE ? taps : taps * p->in->channels;
}

static shape shape_of(const lnt_params *p) {
    return (shape){(plain_bytes(p) + 3) / 4 * 4, p->out->channels, p->in->channels};
}

static uint64_t bytes(const lnt_params *p) {
    shape s = shape_of(p);
    return s.weights + 8 * s.channels + (p->op->kind == LNT_OP_KIND_CONV ? s.pads : 0);
}

static void pack(const lnt_params *p, uint8_t *to) {
    shape s = shape_of(p);
    memset(to, 0, s.weights);
    memcpy(to, p->data + p->op->weights, plain_bytes(p));
    memcpy(to + s.weights, p->data + p->op->bias, 4 * s.channels);
    memcpy(to + s.weights + 4 * s.channels, p->data + p->op->multiplier, 4 * s.channels);
    if (p->op->kind == LNT_OP_KIND_CONV) {
        memcpy(to + s.weights + 8 * s.channels, p->data + p->op->pad_values, s.pads);
    }
    for (uint64_t i = 0; i < bytes(p); i++) {
        to[i] ^= MASK;
    }
}

/* Odd on purpose, and more for more rows and columns. */
static uint64_t scratch_bytes(const lnt_params *p, uint32_t n, uint32_t xn) { return bytes(p) + 5 + 3 * n * xn; }

static void run(const lnt_params *p, const lnt_operands *operands, lnt_range range) {
    static const lnt_kernel *const portable[] = {LNT_REF_KERNELS, NULL};
    uint64_t used = bytes(p);
    for (uint64_t i = 0; i < used; i++) {
        operands->scratch[i] = p->packed[i] ^ MASK;
    }
    memset(operands->scratch + used, POISON, scratch_bytes(p, range.n, range.xn) - used);
    shape s = shape_of(p);
    lnt_op op = *p->op;
    op.weights = 0;
    op.bias = (uint32_t)s.weights;
    op.multiplier = (uint32_t)(s.weights + 4 * s.channels);
    op.pad_values = (uint32_t)(s.weights + 8 * s.channels);
    lnt_params unpacked = *p;
    unpacked.op = &op;
    unpacked.data = operands->scratch;
    lnt_choose(portable, &unpacked)->run(&unpacked, operands, range);
}

static const lnt_packing packing = {.bytes = bytes, .pack = LNT_PACK(pack), .scratch_bytes = scratch_bytes};

#define KERNEL(kind_) {.name = "made_up", .run = run, .packing = &packing, .kind = (kind_), .channel_group = 1}
static const lnt_kernel conv = KERNEL(LNT_OP_KIND_CONV);
static const lnt_kernel depthwise = KERNEL(LNT_OP_KIND_DEPTHWISE);
static const lnt_kernel pointwise = KERNEL(LNT_OP_KIND_POINTWISE);

static const lnt_kernel *const made_up_kernels[] = {&conv, &depthwise, &pointwise, LNT_REF_KERNELS, NULL};
static const lnt_kernel *const ref_kernels[] = {LNT_REF_KERNELS, NULL};
static const lnt_family made_up = {.name = "dsp", .kernels = made_up_kernels, .id = LNT_FAMILY_DSP};
static const lnt_family ref = {.name = "ref", .kernels = ref_kernels, .id = LNT_FAMILY_REF};

const lnt_family *const lnt_families[] = {&ref, &made_up, NULL};

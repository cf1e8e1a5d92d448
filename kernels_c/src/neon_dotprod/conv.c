/* Convolution over all input channels with sdot: the first layer of a network. Patches are gathered on the stack, then
 * multiplied as in a pointwise convolution.
 * Rows: NHWC. Weights: packed as in gemm.h. A tap outside the input reads pad_values[input channel]. Nothing may
 * overlap. */
#include "../neon/neon.h"

#ifdef LNT_NEON64

#include "../neon/im2col.h"
#include "gemm.h"

enum { STACK = 6144 };

static bool takes(const lnt_params *p) { return lnt_patch_depth(p) <= STACK / LNT_GEMM_PIXELS; }

static uint64_t bytes(const lnt_params *p) { return lnt_gemm_bytes(lnt_patch_depth(p), p->out->channels); }

static void pack(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, lnt_patch_depth(p), to); }

static void run(const lnt_params *p, const lnt_operands *o, lnt_range r) {
    _Alignas(16) int8_t patches[STACK + LNT_PATCH_SLACK];
    const lnt_op *op = p->op;
    uint32_t depth = lnt_patch_depth(p);
    lnt_gemm g = {.packed = p->packed,
                  .narrow = lnt_narrow_of(p, lnt_gemm_fits(p->packed)),
                  .x_pitch = lnt_patch_pitch(depth),
                  .out_pitch = p->out->channels,
                  .depth = depth,
                  .c = r.c,
                  .cn = r.cn};
    uint32_t most = STACK / (uint32_t)g.x_pitch / LNT_GEMM_PIXELS * LNT_GEMM_PIXELS;
    uint32_t looked_at = (r.x + r.xn - 1) * op->stride_w + op->kernel_w - op->pad_left;
    uint32_t end = looked_at < p->in->width ? looked_at : p->in->width;
    for (uint32_t y = r.y; y < r.y + r.n; y++) {
        for (uint32_t x = r.x; x < r.x + r.xn; x += most) {
            uint32_t left = r.x + r.xn - x;
            uint32_t n = left < most ? left : most;
            lnt_im2col(p, &o->in, y, x, n, end, patches);
            lnt_gemm_run(&g, patches, lnt_pixel(&o->out, y, x, p->out->channels), NULL, n);
        }
    }
}

static const lnt_packing packing = {.takes = takes, .bytes = bytes, .pack = pack};

const lnt_kernel q8_conv_dotprod = {.name = "q8_conv_dotprod",
                                    .run = run,
                                    .packing = &packing,
                                    .kind = LNT_OP_KIND_CONV,
                                    .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                    .channel_group = LNT_GEMM_CHANNELS};

#endif

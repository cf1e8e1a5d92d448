/* Convolution over all input channels: the first layer of a network. Patches are gathered on the stack, then
 * multiplied as in a pointwise convolution.
 * Rows: NHWC. Weights: packed as in gemm_pack.h. A tap outside the input reads pad_values[input channel]. Nothing may
 * overlap. */
#include "neon.h"

#ifdef LNT_NEON

LNT_NEON_BEGIN

#include "gemm.h"
#include "im2col.h"
#include "unbroken.h"

/* Patches are gathered in multiples of PIXELS, which suits the tiles of all products. */
enum { STACK = 6144, PIXELS = 12 };

static bool takes(const lnt_params *p) { return lnt_patch_depth(p) <= STACK / PIXELS; }

static uint64_t bytes_pairs(const lnt_params *p) { return lnt_gemm_bytes(p, LNT_GEMM_PAIRS, lnt_patch_depth(p)); }

static void pack_pairs(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, LNT_GEMM_PAIRS, lnt_patch_depth(p), to); }

static void run(const lnt_params *p, const lnt_operands *o, lnt_range r, lnt_gemm_function *gemm) {
    _Alignas(16) int8_t patches[STACK + LNT_PATCH_SLACK];
    const lnt_op *op = p->op;
    uint32_t depth = lnt_patch_depth(p);
    lnt_gemm g = {.packed = p->packed,
                  .narrow = lnt_narrow_of(p, lnt_gemm_head_of(p)->fits),
                  .x_pitch = lnt_patch_pitch(depth),
                  .out_pitch = p->out->channels,
                  .depth = depth,
                  .c = r.c,
                  .cn = r.cn};
    uint32_t most = STACK / (uint32_t)g.x_pitch / PIXELS * PIXELS;
    uint32_t looked_at = (r.x + r.xn - 1) * op->stride_w + op->kernel_w - op->pad_left;
    uint32_t end = looked_at < p->in->width ? looked_at : p->in->width;
    uint32_t rows;
    for (uint32_t y = r.y; y < r.y + r.n; y += rows) {
        rows = r.xn > most / 2 ? 1 : lnt_unbroken_rows(p, &o->out, p->out->channels, &r, y, r.y + r.n - y);
        rows = rows > most / r.xn && rows > 1 ? most / r.xn : rows;
        for (uint32_t x = r.x; x < r.x + r.xn; x += most) {
            uint32_t left = r.x + r.xn - x;
            uint32_t n = left < most ? left : most;
            for (uint32_t i = 0; i < rows; i++) {
                lnt_im2col(p, &o->in, y + i, x, n, end, patches + i * n * g.x_pitch);
            }
            gemm(&g, patches, lnt_pixel(&o->out, y, x, p->out->channels), NULL, rows * n);
        }
    }
}

#ifdef LNT_NEON64

static uint64_t bytes_fours(const lnt_params *p) { return lnt_gemm_bytes(p, LNT_GEMM_FOURS, lnt_patch_depth(p)); }

static void pack_fours(const lnt_params *p, uint8_t *to) { lnt_gemm_pack(p, LNT_GEMM_FOURS, lnt_patch_depth(p), to); }

static void run_dotprod(const lnt_params *p, const lnt_operands *o, lnt_range r) { run(p, o, r, lnt_gemm_dotprod); }

static const lnt_packing packing_fours = {.takes = takes, .bytes = bytes_fours, .pack = pack_fours};

const lnt_kernel q8_conv_dotprod = {.name = "q8_conv_dotprod",
                                    .run = run_dotprod,
                                    .packing = &packing_fours,
                                    .kind = LNT_OP_KIND_CONV,
                                    .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                    .channel_group = LNT_GEMM_CHANNELS};

#endif

static void run_pairs(const lnt_params *p, const lnt_operands *o, lnt_range r) { run(p, o, r, lnt_gemm_pairs); }

static const lnt_packing packing_pairs = {.takes = takes, .bytes = bytes_pairs, .pack = pack_pairs};

const lnt_kernel q8_conv_neon = {.name = "q8_conv_neon",
                                 .run = run_pairs,
                                 .packing = &packing_pairs,
                                 .kind = LNT_OP_KIND_CONV,
                                 .split = LNT_SPLIT_ROWS | LNT_SPLIT_CHANNELS,
                                 .channel_group = LNT_GEMM_CHANNELS};

LNT_NEON_END

#endif

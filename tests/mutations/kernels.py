"""Mutations of the arithmetic and of all families' kernels."""

from __future__ import annotations

from . import Mutation

X86 = "tests/test_kernels.py -k plain"
NEON = "tests/test_kernels.py -k aarch64"
DSP = "tests/test_kernels.py -k cortex-m4"
M7 = "tests/test_kernels.py -k cortex-m7"

MUTATIONS = (
    Mutation("rounding", "kernels_c/src/requantize.h", "product + (1 << 30)", "product + (1 << 29)"),
    Mutation("shift", "kernels_c/src/requantize.h", "(int32_t)1 << shift", "(int32_t)1 << (shift & 1)"),
    Mutation(
        "saturation", "kernels_c/src/requantize.h", "value > INT16_MAX ? INT16_MAX", "value > INT32_MAX ? INT16_MAX"
    ),
    Mutation("clamp", "kernels_c/src/requantize.h", "value > high ? high", "value > 127 ? 127"),
    Mutation("row padding", "kernels_c/src/ref/window.h", "start < 0 ? (uint32_t)-start : 0", "0"),
    Mutation("pad value", "kernels_c/src/ref/depthwise.c", "acc[k] += p->in->zero_point *", "acc[k] += 0 *"),
    Mutation("conv pad value", "kernels_c/src/ref/conv.c", "op->pad_values", "op->weights"),
    Mutation("residual factor", "kernels_c/src/ref/pointwise.c", "x * op->factor", "x * (op->factor & ~1)"),
    Mutation("residual fraction", "kernels_c/src/ref/pointwise.c", "branch * 256", "branch * 255"),
    Mutation("second addend", "kernels_c/src/ref/add.c", "op->factor2", "op->factor"),
    Mutation("softmax fraction", "kernels_c/src/ref/softmax.c", "& 1023", "& 1022"),
    Mutation(
        "avx512: rounding",
        "kernels_c/src/x86/requantize_avx512.h",
        "INT64_C(1) << 31",
        "INT64_C(1) << 30",
        X86,
        "avx512vnni",
    ),
    Mutation(
        "avx512: saturation",
        "kernels_c/src/x86/gemm_avx512.c",
        "_mm512_set1_epi32(INT16_MAX)",
        "_mm512_set1_epi32(INT32_MAX)",
        X86,
        "avx512vnni",
    ),
    Mutation(
        "avx512: last bytes",
        "kernels_c/src/x86/requantize_avx512.h",
        "n >= 64 ? ~(__mmask64)0",
        "n >= 60 ? ~(__mmask64)0",
        X86,
        "avx512vnni",
    ),
    Mutation(
        "avx2: rounding", "kernels_c/src/x86/requantize_256.h", "INT64_C(1) << 31", "INT64_C(1) << 30", X86, "avx2"
    ),
    Mutation(
        "avx2: last bytes",
        "kernels_c/src/x86/requantize_256.h",
        "memcpy(to, bytes, n)",
        "memcpy(to, bytes, 32)",
        X86,
        "avx2",
    ),
    Mutation(
        "avx2: shortcut",
        "kernels_c/src/x86/gemm_256.h",
        "_mm256_set1_epi32(INT16_MIN)",
        "_mm256_set1_epi32(-127)",
        X86,
        "avx2",
    ),
    Mutation(
        "avx2: pool",
        "kernels_c/src/x86/avg_pool.c",
        "_mm256_set1_epi32(2 * p->op->factor)",
        "_mm256_set1_epi32(p->op->factor)",
        X86,
        "avx2",
    ),
    Mutation(
        "avx2: add", "kernels_c/src/x86/add.c", "_mm256_set1_epi32(op->offset)", "_mm256_setzero_si256()", X86, "avx2"
    ),
    Mutation(
        "x86: multipliers of one bit more", "kernels_c/src/x86/scaling.c", ">= 1 << 29", ">= 1 << 30", X86, "avx2"
    ),
    Mutation(
        "x86: odd multipliers",
        "kernels_c/src/x86/scaling.c",
        "panel[2 * lanes + lane - 1]",
        "panel[2 * lanes + lane]",
        X86,
        "avx2",
    ),
    Mutation("x86: sums of weights", "kernels_c/src/x86/gemm_pack.c", "128 * sum", "127 * sum", X86, "avxvnni"),
    Mutation(
        "x86: rows of padding", "kernels_c/src/x86/conv.c", "i >= rows.from && i < rows.to", "i < rows.to", X86, "avx2"
    ),
    Mutation(
        "x86: windows inside",
        "kernels_c/src/x86/conv.c",
        "op->pad_left + op->stride_w - 1) / op",
        "op->pad_left) / op",
        X86,
        "avx2",
    ),
    Mutation(
        "x86: columns of padding",
        "kernels_c/src/x86/depthwise.h",
        "x < j->p->in->width",
        "x <= j->p->in->width",
        X86,
        "avx2",
    ),
    Mutation(
        "x86: folded blocks", "kernels_c/src/x86/depthwise.h", "<= 2 * f.lanes", "<= 3 * f.lanes", X86, "avx512vnni"
    ),
    Mutation(
        "neon: last bytes",
        "kernels_c/src/neon/vector.h",
        "memcpy(bytes, from, n)",
        "memcpy(bytes, from, 16)",
        NEON,
    ),
    Mutation(
        "neon: which cores issue in order",
        "kernels_c/src/neon/cpu.c",
        "part <= 0xD05",
        "part <= 0xD08",
        "tests/test_kernels.py -k family_fits",
    ),
    Mutation(
        "neon: registers that may be read",
        "kernels_c/src/neon/cpu.c",
        "(getauxval(AT_HWCAP) & HAS_CPUID) == 0",
        "false",
        "tests/test_kernels.py -k family_fits",
    ),
    Mutation(
        "neon: pairs of rows",
        "kernels_c/src/neon/depthwise_pair_stride1.c",
        "TAP_B2(op, group, p, q, u, v, t) HIGH",
        "TAP_B2(op, group, p, q, u, v, t) LOW",
        NEON,
    ),
    Mutation(
        "neon: the last column of pairs",
        "kernels_c/src/neon/depthwise_pair.c",
        "2 * pair.pitch * columns_inside",
        "1 * pair.pitch * columns_inside",
        NEON,
    ),
    Mutation(
        "neon: rows that are missing",
        "kernels_c/src/neon/depthwise_pair.c",
        "return top >= -1 &&",
        "return top >= -2 &&",
        NEON,
    ),
    Mutation(
        "neon: runs of four products in order",
        "kernels_c/src/neon/gemm_pairs_asm.h",
        '#define FOUR_END LOW("smlal")',
        '#define FOUR_END LOW("smull")',
        NEON,
    ),
    Mutation(
        "neon: three products in 16 bits",
        "kernels_c/src/neon/depthwise_pack.c",
        "is_3x3 && low >= INT16_MIN && high <= INT16_MAX",
        "is_3x3 && low >= 2 * INT16_MIN && high <= 2 * INT16_MAX",
        NEON,
    ),
    Mutation(
        "neon: four products",
        "kernels_c/src/neon/gemm_pack.c",
        "other->low[j] < INT16_MIN || own.high[j] + other->high[j] > INT16_MAX",
        "other->low[j] < INT16_MIN - 128 || own.high[j] + other->high[j] > INT16_MAX + 1",
        NEON,
    ),
    Mutation(
        "neon: four products of half the channels",
        "kernels_c/src/neon/gemm_pack.c",
        "pack_run(t, &to, 0, 8)",
        "pack_run(t, &to, t->channels - 8, 8)",
        NEON,
    ),
    Mutation(
        "neon_dotprod: eight inputs",
        "kernels_c/src/neon_dotprod/gemm.c",
        "vld1q_s8(x + 16 * i)",
        "vld1q_s8(x + 8 * i)",
        NEON,
    ),
    Mutation(
        "neon_dotprod: the lower of two rows",
        "kernels_c/src/neon_dotprod/depthwise_two_rows.c",
        "vshlq_n_u32(vreinterpretq_u32_s8(w), 8)",
        "vshlq_n_u32(vreinterpretq_u32_s8(w), 16)",
        NEON,
    ),
    Mutation(
        "dsp: rest of the taps",
        "kernels_c/src/dsp/pairs.c",
        "k < bytes % 4 ?",
        "k + 1 < bytes % 4 ?",
        DSP,
    ),
    Mutation(
        "dsp: once in place",
        "kernels_c/src/dsp/pairs.c",
        "if (out != before)",
        "if (true)",
        DSP,
    ),
    Mutation(
        "dsp: groups of columns",
        "kernels_c/src/dsp/depthwise.c",
        "(uint32_t)(b->end - b->left - 1) / 4",
        "((uint32_t)(b->end - b->left - 1) + 3) / 4",
        DSP,
    ),
    Mutation(
        "dsp: saturation",
        "kernels_c/src/dsp/tiles.c",
        'SATURATE("16")',
        'SATURATE("17")',
        DSP,
    ),
    Mutation(
        "dsp: edge columns",
        "kernels_c/src/dsp/depthwise.c",
        "to[LNT_PLANE_BYTES] = pixel[2]",
        "to[LNT_PLANE_BYTES] = pixel[1]",
        DSP,
    ),
    Mutation(
        "dsp: several tiles of a row",
        "kernels_c/src/dsp/pairs.c",
        "some == LNT_TILE && bytes % 4 == 0 ?",
        "some == LNT_TILE ?",
        DSP,
    ),
    Mutation(
        "dsp: collected in front",
        "kernels_c/src/dsp/pairs.c",
        "lnt_move((uint8_t *)room, (const uint8_t *)from[i], f->bytes);",
        "",
        DSP,
    ),
    Mutation(
        "dsp: M7, the next group's pixels",
        "kernels_c/src/dsp/planes.c",
        'LOAD("r9", PIXELS("0", "24"))',
        'LOAD("r9", PIXELS("0", "20"))',
        M7,
    ),
    Mutation(
        "dsp: M7, both channels",
        "kernels_c/src/dsp/tiles.c",
        '"strh r3, [r10, r12]',
        '"strb r3, [r10, r12]',
        M7,
    ),
)

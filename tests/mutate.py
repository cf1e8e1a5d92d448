"""Break the code on purpose, one line at a time, and see that a test goes red each time.

Usage: python tests/mutate.py [NAME...]   (make mutate)

Every mutation is tried in a copy of the tree, with the C library rebuilt, on the tests named beside it. The exit
status is non-zero when a mutation survives, or when its text no longer occurs in the source.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import mutations_imports
import mutations_learning
from mutation import Mutation

import linnet

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    "kernels_c", "runtime", "converter", "boards", "tests", "tools", "build_support", "examples", "pyproject.toml",
    "LICENSE",
)  # fmt: skip


X86 = "tests/test_kernels.py -k plain"
NEON = "tests/test_kernels.py -k aarch64"
THREADS = "tests/test_threads.py -k operator"
HOW_MANY = "tests/test_threads.py -k cut"
WORKERS = "tests/test_threads.py -k workers_in_c"
DSP = "tests/test_kernels.py -k cortex-m4"
M7 = "tests/test_kernels.py -k cortex-m7"
FRAMES = "tests/test_frames.py"
SERVER = "tests/test_server.py"
BUDGETS = "tests/test_budgets.py"

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
    Mutation("ring wrap", "kernels_c/src/internal.h", "(size_t)(y % rows->ring)", "(size_t)(y)"),
    Mutation(
        "strips: next columns",
        "kernels_c/src/strips.c",
        ".next = clip(end, width)",
        ".next = clip(end + 1, width)",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "strips: kept row",
        "kernels_c/src/strips.c",
        "(uint32_t)row % s->kept)",
        "(uint32_t)row % (s->kept + 1))",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "strips: handed on",
        "kernels_c/src/strips.c",
        "return i + s->kept >= s->kernel_h &&",
        "return i + s->kept > s->kernel_h &&",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "strips: traced once",
        "kernels_c/src/strips.c",
        "y > 0 && !is_new(s, i)",
        "y > 1 && !is_new(s, i)",
        "tests/test_checker_strips.py",
    ),
    Mutation("residual factor", "kernels_c/src/ref/pointwise.c", "x * op->factor", "x * (op->factor & ~1)"),
    Mutation("residual fraction", "kernels_c/src/ref/pointwise.c", "branch * 256", "branch * 255"),
    Mutation("second addend", "kernels_c/src/ref/add.c", "op->factor2", "op->factor"),
    Mutation("softmax fraction", "kernels_c/src/ref/softmax.c", "& 1023", "& 1022"),
    Mutation("oracle rounding", "converter/linnet_converter/oracle.py", "+ (1 << 30)) >> 31", "+ (1 << 29)) >> 31"),
    Mutation(
        "checker: weights",
        "kernels_c/src/check.c",
        "bytes <= data_bytes - offset",
        "offset <= data_bytes",
        "tests/test_damage.py",
    ),
    Mutation(
        "checker: sums",
        "kernels_c/src/check.c",
        "sum_fits(bias, taps, 14,",
        "sum_fits(bias, taps, 4,",
        "tests/test_checker.py",
    ),
    Mutation(
        "checker: arena",
        "kernels_c/src/check.c",
        "(uint64_t)p->rows * p->row_bytes <= arena_bytes - p->offset",
        "p->offset <= arena_bytes",
        "tests/test_checker.py",
    ),
    Mutation(
        "checker: live rows",
        "kernels_c/src/check_steps.c",
        "w->lo <= rows.first && rows.first + rows.count <= w->hi",
        "rows.first + rows.count <= w->hi",
        "tests/test_checker.py",
    ),
    Mutation(
        "checker: kept rows",
        "kernels_c/src/check_steps.c",
        "w->lo < w->hi && w->hi == t->index",
        "w->lo < w->hi",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: leading steps",
        "kernels_c/src/check_steps.c",
        "leads = step->y < lead;",
        "leads = step->y <= lead;",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: strips are lost",
        "kernels_c/src/check_steps.c",
        "overlap(write, strip_place(&s))",
        "overlap(write, (span){0, 0})",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: chains",
        "kernels_c/src/check.c",
        "computes_strips(writer) && chain_is_good(net, writer, reader) &&",
        "computes_strips(writer) &&",
        "tests/test_checker_strips.py",
    ),
    Mutation(
        "checker: kept at most",
        "kernels_c/src/check.c",
        "s.kept <= most_kept",
        "s.kept <= most_kept + 1",
        "tests/test_checker_strips.py",
    ),
    Mutation("crc", "kernels_c/src/check.c", "!= header->crc", "!= header->crc && 0", "tests/test_checker.py"),
    Mutation("crc: four bytes", "kernels_c/src/crc.c", "after[6][crc >> 4 & 15]", "after[5][crc >> 4 & 15]"),
    Mutation(
        "cut: rows",
        "kernels_c/src/cut.c",
        "cut(j->whole.n, i + 1, j->tasks) - part.y",
        "cut(j->whole.n, 1, j->tasks)",
        THREADS,
    ),
    Mutation(
        "cut: columns",
        "kernels_c/src/cut.c",
        "cut(j->whole.xn, i + 1, j->tasks) - part.x",
        "cut(j->whole.xn, 1, j->tasks)",
        THREADS,
    ),
    Mutation("cut: last channels", "kernels_c/src/cut.c", "end < j->whole.cn ? end : j->whole.cn", "end", THREADS),
    Mutation("cut: whole groups", "kernels_c/src/cut.c", "part.c = group * cut(", "part.c = cut(", THREADS),
    Mutation(
        "cut: the best axis",
        "kernels_c/src/cut.c",
        "most * best[1] < best[0] * parts",
        "most * best[1] > best[0] * parts",
        HOW_MANY,
    ),
    Mutation("cut: too little work", "kernels_c/src/cut.c", ">= hooks->least_work", "> hooks->least_work", HOW_MANY),
    Mutation("cut: work", "kernels_c/src/cut.c", "kind == LNT_OP_KIND_CONV ? p->in->channels : 1", "1", HOW_MANY),
    Mutation(
        "threads: the caller's task",
        "kernels_c/host/threads.c",
        "(UINT32_MAX >> (MOST_TASKS - count)) & ~1u",
        "UINT32_MAX >> (MOST_TASKS - count)",
        WORKERS,
    ),
    Mutation(
        "threads: more than 32 tasks",
        "kernels_c/host/threads.c",
        "t->task(t->arg, t->first + i)",
        "t->task(t->arg, i)",
        WORKERS,
    ),
    Mutation(
        "threads: all done",
        "kernels_c/host/threads.c",
        "while (atomic_load(&t->unfinished) != 0)",
        "while (false)",
        WORKERS,
    ),
    Mutation(
        "threads: waking",
        "kernels_c/host/threads.c",
        "pthread_cond_broadcast(&t->work)",
        "pthread_cond_signal(&t->done)",
        WORKERS,
    ),
    Mutation("threads: forks", "kernels_c/host/threads.c", "{ forks++; }", "{}", WORKERS),
    Mutation("threads: signals", "kernels_c/host/threads.c", "sigfillset(&all)", "sigemptyset(&all)", WORKERS),
    Mutation(
        "bias correction",
        "converter/linnet_converter/correct.py",
        "bias=constants.bias + missing",
        "bias=constants.bias - missing",
        "tests/test_corrections.py -k bias",
    ),
    Mutation(
        "learned rounding",
        "converter/linnet_converter/rounding.py",
        "step * (2 * slope",
        "step * (1 * slope",
        "tests/test_corrections.py -k rounding_",
    ),
    Mutation(
        "equalization",
        "converter/linnet_converter/equalize.py",
        "weights=read.weights / ratio",
        "weights=read.weights",
        "tests/test_corrections.py -k equalization",
    ),
    Mutation(
        "explain: clipping",
        "converter/linnet_converter/explain.py",
        "100 * self.outside[index]",
        "0 * self.outside[index]",
        "tests/test_explain.py -k range",
    ),
    Mutation(
        "clamp of quantizer",
        "converter/linnet_converter/quantize.py",
        "unlimited if math.isinf",
        "unlimited if True or math.isinf",
        "tests/test_quantize.py tests/test_qdq.py",
    ),
    Mutation(
        "input's half step",
        "converter/linnet_converter/quantize.py",
        "(128 - np.array(preprocessing.mean))",
        "(127 - np.array(preprocessing.mean))",
        "tests/test_quantize.py",
    ),
    Mutation(
        "lifetime",
        "converter/linnet_converter/schedule.py",
        "np.minimum(oldest, newest)).max()) + 1",
        "np.minimum(oldest, newest)).max())",
    ),
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
        "threads: who is waited for",
        "boards/linnet_boards/emulator.py",
        "path += alone + max(free)",
        "path += alone + min(free)",
        "tests/test_thread_counts.py -k dealt",
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
    Mutation(
        "overlap",
        "converter/linnet_converter/arena.py",
        "int((start_a - start_b).min()) - b.row_bytes",
        "int((start_a - start_b).min())",
    ),
    Mutation(
        "firmware: crc",
        "boards/firmware/frame.c",
        "crc32(reader->bytes, count) == little_endian(reader->bytes + count)",
        "little_endian(reader->bytes + count)",
        FRAMES,
    ),
    Mutation(
        "firmware: frame's room",
        "boards/firmware/frame.c",
        "reader->count == reader->capacity",
        "reader->count > reader->capacity",
        FRAMES,
    ),
    Mutation(
        "firmware: long groups",
        "boards/firmware/frame.c",
        "reader->group != 0 && reader->group != 255",
        "reader->group != 0",
        FRAMES,
    ),
    Mutation(
        "firmware: once only",
        "boards/firmware/server.c",
        "header[1] == HELLO || sequence != server.sequence)",
        "header[1] == HELLO || sequence == sequence)",
        SERVER,
    ),
    Mutation(
        "firmware: sequence",
        "boards/firmware/server.c",
        "sequence == (uint16_t)(server.sequence + 1)",
        "sequence > server.sequence",
        SERVER,
    ),
    Mutation(
        "firmware: whole rows",
        "boards/firmware/server.c",
        "count % LNT_ROW_BYTES != 0",
        "count < LNT_ROW_BYTES - 1",
        SERVER,
    ),
    Mutation(
        "firmware: end of the output",
        "boards/firmware/server.c",
        "answer == NULL || from > all",
        "answer == NULL",
        SERVER,
    ),
    Mutation("firmware: hash", "boards/firmware/server.c", "{y + i, x + j}", "{y + i, x}", SERVER),
    Mutation(
        "protocol: crc",
        "boards/linnet_boards/protocol.py",
        "len(raw) < 8 or zlib.crc32(raw[:-4])",
        "len(raw) < 8 or (0 and zlib.crc32(raw[:-4]))",
        FRAMES,
    ),
    Mutation(
        "protocol: long groups",
        "boards/linnet_boards/protocol.py",
        "group != 255 and at < len(data)",
        "at < len(data)",
        FRAMES,
    ),
    Mutation(
        "conversation: asked again",
        "boards/linnet_boards/conversation.py",
        "            self._transport.write(sent)\n            answer",
        "            self._transport.write(b'' if self.resent else sent)\n            answer",
        SERVER,
    ),
    Mutation(
        "conversation: old answers",
        "boards/linnet_boards/conversation.py",
        "request | protocol.ANSWER and frame.sequence == self._sequence",
        "request | protocol.ANSWER",
        SERVER,
    ),
    Mutation(
        "deploy: what is there",
        "boards/linnet_boards/deployment.py",
        "if present[key] != _sha256(wanted)",
        "if not present[key]",
        "tests/test_boards_remote.py -k damaged_there",
    ),
    Mutation(
        "build: over the memory",
        "boards/linnet_boards/firmware.py",
        "if taken > region.bytes:",
        "if taken > 4 * region.bytes:",
        "tests/test_firmware.py -k over_budget",
    ),
    Mutation(
        "build: unused code",
        "boards/linnet_boards/firmware.py",
        '"--specs=nano.specs", "-Wl,--gc-sections", ',
        '"--specs=nano.specs", ',
        "tests/test_firmware.py -k used_is_linked",
    ),
    Mutation(
        "budget: stack",
        "boards/linnet_boards/budgets.py",
        "(stack_bytes if target.stack == target.data else 0)",
        "0",
        f"{BUDGETS} -k of_a_microcontroller",
    ),
    Mutation(
        "budget: speeds",
        "boards/linnet_boards/budgets.py",
        "if rows.cycles_per_word > weights.cycles_per_word",
        "if rows.cycles_per_word",
        f"{BUDGETS} -k how_fast",
    ),
    Mutation(
        "budget: scratch",
        "converter/linnet_converter/budget.py",
        "kernels = kernels or budget.kernels(graph)",
        "kernels = kernels or PORTABLE",
        f"{BUDGETS} -k one_plan",
    ),
    Mutation(
        "compare: there",
        "boards/linnet_boards/commands/compare.py",
        'row["here"] != row["there"]',
        'row["here"] & 0xFF != row["there"] & 0xFF',
        "tests/test_compare.py -k difference",
    ),
    Mutation(
        "bench: ratio",
        "runtime/linnet/measure.py",
        "float(np.median(ours.seconds) / np.median(theirs.seconds))",
        "float(np.median(theirs.seconds) / np.median(ours.seconds))",
        "tests/test_bench.py",
    ),
    Mutation(
        "validate: resume",
        "converter/linnet_converter/commands/validate.py",
        "islice(paths, state.done, None)",
        "islice(paths, state.tally.images, None)",
        "tests/test_validate_files.py",
    ),
    Mutation(
        "validate: order",
        "converter/linnet_converter/validate_files.py",
        "yield waiting.popleft().result()\n            while",
        "yield waiting.pop().result()\n            while",
        "tests/test_validate_files.py",
    ),
)


LIBRARY = "runtime/linnet/liblinnet.so"
PATHS = ("runtime", "converter", "boards", "tests", "build_support")

# What changed is compiled, not all, and sooner than for use; what it computes is the same.
BUILD = f"""
import compiled, linnet_clib, pathlib
files = [*linnet_clib.sources(), *linnet_clib.host_sources()]
flags = ["-std=c11", "-O1", "-fPIC", "-fvisibility=hidden", "-pthread"]
compiled.link(linnet_clib.compiler(), flags, files, pathlib.Path({LIBRARY!r}), ["-shared"])
"""


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(cwd / part) for part in PATHS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LINNET_SEED": "1",  # what is caught today is caught tomorrow
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["(it printed nothing)"])[-1]


NOT_HERE = "not tried: its kernels, or what its tests need, are not here"


def verdict(tree: Path, mutation: Mutation) -> str:
    """What is wrong; empty where a test noticed."""
    if mutation.family not in linnet.kernel_families():
        return NOT_HERE
    path = tree / mutation.file
    original = path.read_text(encoding="utf-8")
    if original.count(mutation.old) != 1:
        return f"its text occurs {original.count(mutation.old)} times in {mutation.file}"
    try:
        path.write_text(original.replace(mutation.old, mutation.new), encoding="utf-8")
        if mutation.file.startswith("kernels_c"):
            built = run([sys.executable, "-c", BUILD], tree)
            if built.returncode:
                return f"does not compile: {last_line(built.stderr)}"
        tests = run([sys.executable, "-m", "pytest", "-x", "-q", *mutation.tests.split()], tree)
        if tests.returncode == 1:
            return ""
        # 5: a module that skips itself leaves nothing to collect
        skipped = tests.returncode == 5 and " skipped" in tests.stdout
        if skipped or (tests.returncode == 0 and " passed" not in tests.stdout):
            return NOT_HERE
        return "survived" if tests.returncode == 0 else f"pytest failed: {last_line(tests.stdout + tests.stderr)}"
    finally:
        path.write_text(original, encoding="utf-8")
        shutil.copy2(ROOT / LIBRARY, tree / LIBRARY)


def copy_tree(tree: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


def main() -> None:
    parser = argparse.ArgumentParser(description="Break the code on purpose and see that a test notices.")
    parser.add_argument("names", nargs="*", help="mutations to try (default: all)")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at a time (default: %(default)s)")
    options = parser.parse_args()
    every = (*MUTATIONS, *mutations_imports.MUTATIONS, *mutations_learning.MUTATIONS)
    chosen = [mutation for mutation in every if not options.names or mutation.name in options.names]
    survivors = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for job in range(options.jobs):
            trees.put(copy_tree(Path(folder, str(job))))

        def attempt(mutation: Mutation) -> str:
            tree = trees.get()
            try:
                return verdict(tree, mutation)
            finally:
                trees.put(tree)

        for mutation, problem in zip(chosen, pool.map(attempt, chosen), strict=True):
            survivors += problem not in {"", NOT_HERE}
            print(f"{mutation.name:24} {problem or 'caught'}", flush=True)
    if survivors:
        sys.exit(f"{survivors} of {len(chosen)} mutations were not caught")
    print(f"no mutation of {len(chosen)} survived")


if __name__ == "__main__":
    main()

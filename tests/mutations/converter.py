"""Mutations of converter and runtime; imports.py and learning.py have those of their rooms."""

from __future__ import annotations

from . import Mutation

BUDGETS = "tests/test_budgets.py"

MUTATIONS = (
    Mutation("oracle rounding", "converter/linnet_converter/oracle.py", "+ (1 << 30)) >> 31", "+ (1 << 29)) >> 31"),
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
        "overlap",
        "converter/linnet_converter/arena.py",
        "int((start_a - start_b).min()) - b.row_bytes",
        "int((start_a - start_b).min())",
    ),
    Mutation(
        "budget: scratch",
        "converter/linnet_converter/budget.py",
        "kernels = kernels or budget.kernels(graph)",
        "kernels = kernels or PORTABLE",
        f"{BUDGETS} -k one_plan",
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

"""Mutations of what surrounds the quantizer: imports, the QDQ twin, plans, boards, pictures."""

from __future__ import annotations

from . import Mutation

IMPORTS = "converter/linnet_converter/imports/"
NUMBERS = "tests/test_imports_numbers.py"
QDQ = "tests/test_imports_qdq.py"
TFLITE = "tests/test_imports_tflite.py"

MUTATIONS = (
    Mutation(
        "imports: input's zero point",
        IMPORTS + "weights.py",
        "- source.zero_point * quantized.sum(axis=1)",
        "+ source.zero_point * quantized.sum(axis=1)",
        f"{TFLITE} -k operator_by_operator",
    ),
    Mutation(
        "imports: what int8 holds",
        IMPORTS + "weights.py",
        "keep = usable & on_grid & (natural <= safe *",
        "keep = usable & on_grid & (natural <= 2 * safe *",
        f"{NUMBERS} -k kept_or_moved",
    ),
    Mutation(
        "imports: finer units",
        IMPORTS + "weights.py",
        "scale = np.maximum(own / times, lowest)",
        "scale = np.maximum(own, lowest)",
        f"{NUMBERS} -k two_roundings",
    ),
    Mutation(
        "imports: sums of weights",
        IMPORTS + "requantize.py",
        "missing = np.rint((wanted - integers).sum(axis=1))",
        "missing = 0 * np.rint((wanted - integers).sum(axis=1))",
        f"{NUMBERS} -k rounding_keeps",
    ),
    Mutation(
        "imports: two roundings",
        IMPORTS + "rounding.py",
        "np.ldexp(0.5, exponents)",
        "np.ldexp(0.25, exponents)",
        f"{NUMBERS} -k lift",
    ),
    Mutation(
        "imports: behind a ReLU",
        IMPORTS + "assemble.py",
        "clamp[0] >= grid.zero_point",
        "clamp[0] > grid.zero_point",
        f"{TFLITE} -k old_uint8",
    ),
    Mutation(
        "imports: steep channels",
        IMPORTS + "affine.py",
        "middle = value - zero_point - slope * pivot",
        "middle = value - zero_point + slope * pivot",
        f"{NUMBERS} -k steep",
    ),
    Mutation(
        "imports: pixels",
        IMPORTS + "pixels.py",
        "network.graph.input_scale * (128 - np.array",
        "network.graph.input_scale * (127 - np.array",
        f"{NUMBERS} -k pixels_land",
    ),
    Mutation(
        "imports: residual",
        IMPORTS + "assemble.py",
        "_FRACTION_BITS = 6",
        "_FRACTION_BITS = 5",
        f"{QDQ} -k pt2e",
    ),
    Mutation(
        "imports: pool",
        IMPORTS + "assemble.py",
        "offset=-height * width * source.zero_point",
        "offset=height * width * source.zero_point",
        f"{TFLITE} -k operator_by_operator",
    ),
    Mutation(
        "imports: second addend",
        IMPORTS + "sums.py",
        "addends[1].zero_point * factor2",
        "addends[1].zero_point * factor",
        f"{TFLITE} -k operator_by_operator",
    ),
    Mutation(
        "imports: second quantization",
        IMPORTS + "qdq_reader.py",
        "COARSEST_FOLD = 1.9",
        "COARSEST_FOLD = 190",
        f"{QDQ} -k between_two",
    ),
    Mutation(
        "imports: SAME",
        IMPORTS + "tflite_walk.py",
        "max(reach - length, 0) // 2 if same",
        "max(reach - length, 0) if same",
        f"{TFLITE} -k operator_by_operator",
    ),
    Mutation(
        "imports: uint8 activations",
        "converter/linnet_converter/onnx_quantized.py",
        "zero - 128 if kind == np.uint8",
        "zero - 127 if kind == np.uint8",
        f"{QDQ} -k files_own",
    ),
    Mutation(
        "imports: weights' zero point",
        "converter/linnet_converter/onnx_quantized.py",
        "(stored.astype(np.float64) - zeros) * steps",
        "(stored.astype(np.float64) + zeros) * steps",
        f"{QDQ} -k asymmetric",
    ),
    Mutation(
        "twin: zero point",
        "converter/linnet_converter/qdq.py",
        "op.bias + source.zero_point * wide.sum",
        "op.bias - source.zero_point * wide.sum",
        "tests/test_qdq.py -k one_step",
    ),
    Mutation(
        "twin: border",
        "converter/linnet_converter/qdq.py",
        'np.einsum("oihw,i->o", wide, border)',
        '0 * np.einsum("oihw,i->o", wide, border)',
        "tests/test_qdq.py -k one_step",
    ),
    Mutation(
        "plan: macs",
        "converter/linnet_converter/commands/plan.py",
        "sum(macs(graph, op) for op in graph.ops)",
        "max(macs(graph, op) for op in graph.ops)",
        "tests/test_plan_cli.py -k test_plan",
    ),
    Mutation(
        "plan: who pushes",
        "converter/linnet_converter/commands/plan.py",
        "push_rows = pushes_rows(args.input, limit)",
        "push_rows = not pushes_rows(args.input, limit)",
        "tests/test_plan_cli.py -k test_plan",
    ),
    Mutation(
        "plan: rows computed again",
        "converter/linnet_converter/planner.py",
        "* (rows - total_rows(graph, op))",
        "* rows",
        "tests/test_plan_cli.py -k test_plan",
    ),
    Mutation(
        "boards: reserve",
        "boards/linnet_boards/__init__.py",
        "return self.arena_bytes - self.reserve_bytes",
        "return self.arena_bytes",
        "tests/test_plan_cli.py -k facts",
    ),
    Mutation(
        "boards: cache",
        "boards/linnet_boards/__init__.py",
        "return self.l2_bytes or self.l1_bytes",
        "return self.l1_bytes or self.l2_bytes",
        "tests/test_plan_cli.py -k facts",
    ),
    Mutation(
        "pictures: alpha",
        "runtime/linnet/image.py",
        "255 * (255 - wide) + 127) // 255",
        "255 * (255 - wide)) // 255",
        "tests/test_runtime_image.py -k alpha",
    ),
    Mutation(
        "pictures: luminance",
        "runtime/linnet/image.py",
        "(weighted + 0x8000) >> 16",
        "weighted >> 16",
        "tests/test_runtime_image.py -k luminance",
    ),
    Mutation(
        "pictures: centre",
        "runtime/linnet/image.py",
        "round((size[1] - height) / 2)",
        "(size[1] - height) // 2",
        "tests/test_runtime_image.py -k test_fit",
    ),
    Mutation(
        "pictures: cover",
        "runtime/linnet/image.py",
        "if old_width * height >= old_height * width:",
        "if old_width * height < old_height * width:",
        "tests/test_runtime_image.py -k test_fit",
    ),
)

"""Networks quantized by others: each operator within one step of the interpreter, what cannot be is one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import converted
import hard_networks
import numpy as np
import numpy.typing as npt
import onnx
import pytest
import quantized_networks
from onnx import TensorProto, helper, numpy_helper
from quantized_networks import FOLDER, STYLES, Style, smooth
from test_bytes import assert_equal

from linnet.errors import LinnetError
from linnet.format_gen import DType, InputKind, OpKind
from linnet_converter import lnt_file, oracle, validation
from linnet_converter.graph import Clamp
from linnet_converter.imports import (
    convert,
    pixels,
    qdq_reader,
    requantize,
    rounding,
    steps,
    tflite_file,
    tflite_operators,
    weights,
)
from linnet_converter.imports.network import Grid, ImportedNetwork
from linnet_converter.imports.qdq_reference import QdqReference
from linnet_converter.qgraph import QOp
from linnet_converter.quantize import Preprocessing

TORCH = Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
PT2E = Preprocessing((127.5,) * 3, (40.0,) * 3)
TFLITE = sorted(FOLDER.glob("*.tflite"))
NARROW_SUM = ("zero_activations", "s8-channel")
"""A dead branch with scale 1 into a sum with scale 1/70: no grid holds all that the addition needs."""


def operator_steps(result: convert.Import, path: Path, count: int = 3) -> list[steps.OperatorSteps]:
    if path.suffix == ".tflite":
        pytest.importorskip("ai_edge_litert", reason="no TFLite interpreter: pip install ai-edge-litert")
    reference = steps.open_reference(path, result.graph.mean, result.graph.std)
    return steps.compare(result.graph, reference, smooth(result.graph.tensors[0].shape, count))


def refusal(path: Path, preprocessing: Preprocessing | None = None) -> str:
    with pytest.raises(LinnetError) as caught:
        convert.convert(path, preprocessing)
    message = str(caught.value)
    assert message and "\n" not in message and len(message) < 600
    return message


# onnxruntime's quantizer


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", sorted(hard_networks.NETWORKS))
def test_quantize_static_operator_by_operator(name: str, style: str, tmp_path: Path) -> None:
    path = quantized_networks.quantize(name, STYLES[style], tmp_path)
    channels = converted.read(hard_networks.NETWORKS[name]()).shapes["input"][2]
    preprocessing = Preprocessing(converted.PREPROCESSING.mean[:channels], converted.PREPROCESSING.std[:channels])
    result = convert.convert(path, preprocessing)
    compared = operator_steps(result, path)
    quantized = [node for node in onnx.load(path).graph.node if node.op_type in ("Conv", "Gemm", "Add")]
    assert len(compared) >= len(quantized)
    assert result.notes[1] == "weights: all are the file's own integers"
    allowed = 8 if (name, style) == NARROW_SUM else 1
    for operator in compared:
        assert operator.largest <= allowed, operator


@pytest.mark.parametrize("style", ["u8-channel", "s8-symmetric"])
@pytest.mark.parametrize("name", ["chained_adds", "stride_2_paddings", "zero_activations"])
def test_imports_give_the_same_bytes_in_c(name: str, style: str, tmp_path: Path) -> None:
    path = quantized_networks.quantize(name, STYLES[style], tmp_path)
    for preprocessing in (None, converted.PREPROCESSING):
        result = convert.convert(path, preprocessing)
        assert lnt_file.read(result.data)[0].input_kind == result.graph.input_kind
        assert_equal(result.graph, result.plans[-1], 1)


def test_scales_and_integers_are_the_files_own(tmp_path: Path) -> None:
    path = quantized_networks.quantize("add_then_relu", STYLES["u8-channel"], tmp_path)
    graph = convert.convert(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    checked = 0
    for node in onnx.load(path).graph.node:
        tensor = next((t for t in graph.tensors if t.name in node.output), None)
        if node.op_type != "QuantizeLinear" or tensor is None or tensor.dtype == DType.int32:
            continue
        scale, zero_point = (constants[name] for name in node.input[1:])
        assert tensor.scale == float(scale) and tensor.zero_point == int(zero_point) - 128
        checked += 1
    assert checked >= 8
    stored = {array.tobytes() for name, array in constants.items() if name.endswith("_quantized")}
    kept = 0
    for op in graph.ops:
        if op.kind in (OpKind.pointwise, OpKind.fully_connected):
            assert op.weights is not None and op.weights.tobytes() in stored
            kept += 1
    assert kept >= 3
    # additions stay additions: nothing is folded that the file keeps apart
    assert sum(op.kind == OpKind.add for op in graph.ops) == 2
    assert all(len(op.inputs) == 1 for op in graph.ops if op.kind == OpKind.pointwise)


def test_asymmetric_weights_are_requantized_and_said(tmp_path: Path) -> None:
    style = Style(signed=False, per_channel=False, signed_weights=False)
    path = quantized_networks.quantize("wide_channel_ranges", style, tmp_path)
    result = convert.convert(path, converted.PREPROCESSING)
    assert result.notes[1].startswith("weights: requantized in ")
    signal = error = 0.0
    reference = QdqReference(path, result.graph.mean, result.graph.std)
    for picture in smooth(result.graph.tensors[0].shape, 6):
        wanted = reference.logits(picture)
        scale = result.graph.tensors[result.graph.logits].scale
        logits = oracle.run(result.graph, picture)[result.graph.logits] * scale
        signal, error = signal + float(wanted @ wanted), error + float(((logits.ravel() - wanted) ** 2).sum())
    assert 10 * np.log10(signal / error) > 20


# Second quantizations


def clip_between(first: Grid, second: Grid, shared: bool = False) -> onnx.ModelProto:
    """Conv, Q on the first grid, DQ, Clip, Q on the second, Conv; shared: the unclipped values are added later."""
    rng = np.random.default_rng(3)
    constants: dict[str, npt.ArrayLike] = {}
    nodes = []

    def pair(source: str, target: str, grid: Grid) -> str:
        constants[f"{target}.s"], constants[f"{target}.z"] = np.float32(grid.scale), np.int8(grid.zero_point)
        parameters = [f"{target}.s", f"{target}.z"]
        nodes.append(helper.make_node("QuantizeLinear", [source, *parameters], [f"{target}.q"], f"{target}.Q"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{target}.q", *parameters], [target], f"{target}.DQ"))
        return target

    def conv(source: str, target: str, out: int, channels: int) -> str:
        constants[f"{target}.w"] = rng.integers(-127, 128, (out, channels, 1, 1)).astype(np.int8)
        constants[f"{target}.ws"], constants[f"{target}.wz"] = np.float32(0.01), np.int8(0)
        inputs = [f"{target}.w", f"{target}.ws", f"{target}.wz"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{target}.real"], f"{target}.W"))
        nodes.append(helper.make_node("Conv", [source, f"{target}.real"], [target], target))
        return target

    x = pair("input", "x", Grid(1 / 64, 3))
    y = pair(conv(x, "first", 6, 3), "y", first)
    constants["low"], constants["high"] = np.float32(0), np.float32(2.0)
    nodes.append(helper.make_node("Clip", [y, "low", "high"], ["clipped"], "clip"))
    z = pair("clipped", "z", second)
    if shared:
        nodes.append(helper.make_node("Add", [z, y], ["sum"], "add"))
        z = pair("sum", "total", Grid(0.05, -10))
    last = pair(conv(z, "second", 6, 6), "last", Grid(0.1, 0))
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"], "pool"))
    result = pair("mean", "answer", Grid(0.1, 0))
    graph = helper.make_graph(
        nodes,
        "clip",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, [1, 6, 1, 1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("first", "second", "shared", "extra"),
    [
        (Grid(0.03, -128), Grid(0.03, -128), False, 0),  # the same twice: a clamp
        (Grid(0.029, 0), Grid(2 / 127, 0), False, 0),  # little coarser: one rounding is within one step
        (Grid(0.1, 0), Grid(2 / 255, -128), False, 1),  # far coarser: rounded twice, as in the file
        (Grid(0.03, -10), Grid(0.03, -10), True, 1),  # the unclipped values are read too
    ],
)
def test_activation_between_two_quantizations(
    first: Grid, second: Grid, shared: bool, extra: int, tmp_path: Path
) -> None:
    path = tmp_path / "q.onnx"
    onnx.save(clip_between(first, second, shared), path)
    result = convert.convert(path, Preprocessing((128.0,), (64.0,)))
    kinds = [op.kind for op in result.graph.ops[1:]]
    assert kinds.count(OpKind.depthwise) == extra + 1  # one puts the picture on the input's grid
    for operator in operator_steps(result, path):
        assert operator.largest <= 1, operator


# PyTorch


@pytest.mark.parametrize(("name", "own"), [("pt2e_xnnpack.onnx", True), ("pt2e_x86.onnx", False)])
def test_pt2e(name: str, own: bool) -> None:
    path = FOLDER / name
    result = convert.convert(path, PT2E)
    assert (result.notes[1] == "weights: all are the file's own integers") == own
    compared = operator_steps(result, path, 6)
    assert len(compared) >= 14
    for operator in compared:  # X86's quantizer uses weights of -128, which the law does not have
        assert operator.largest <= (1 if own else 3), operator
        if operator.kind in ("conv", "depthwise", "pointwise"):
            assert operator.exact > (99 if own else 90), operator
    residuals = sum(op.kind == OpKind.pointwise and len(op.inputs) == 2 for op in result.graph.ops)
    additions = sum(op.kind == OpKind.add for op in result.graph.ops)
    assert (residuals, additions) == ((0, 2) if own else (2, 0))


# TFLite


@pytest.mark.parametrize("path", TFLITE, ids=lambda path: path.stem)
def test_tflite_operator_by_operator(path: Path) -> None:
    preprocessing = Preprocessing((0.0,), (255.0,)) if path.stem == "v1_pool_conv" else None
    result = convert.convert(path, preprocessing)
    assert result.graph.input_kind == InputKind.pixels
    assert result.notes[1] == "weights: all are the file's own integers"
    compared = operator_steps(result, path, 6)
    assert len(compared) == len(result.graph.ops)
    for operator in compared:
        assert operator.largest <= 1, operator


@pytest.mark.parametrize("path", TFLITE, ids=lambda path: path.stem)
def test_tflite_in_c(path: Path) -> None:
    result = convert.convert(path)
    assert_equal(result.graph, result.plans[-1], 2)
    assert (result.graph.input_kind == InputKind.tensor) == (path.stem == "v1_pool_conv")
    assert convert.convert(path, tensor_input=True).graph.input_kind == InputKind.tensor


def test_tflite_padding_is_folded() -> None:
    graph = convert.convert(FOLDER / "v2_mean_softmax.tflite").graph
    file = tflite_file.load(FOLDER / "v2_mean_softmax.tflite")
    assert any(operator.kind == "PAD" for operator in file.operators)
    strided = [op for op in graph.ops if op.kind == OpKind.depthwise and op.stride == (2, 2)]
    assert [op.pad for op in strided] == [(1, 1)]


@pytest.mark.parametrize("cut", [0.05, 0.3, 0.6, 0.95])
def test_a_damaged_tflite_file_is_one_line(cut: float, tmp_path: Path) -> None:
    data = (FOLDER / "v2_mean_softmax.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(data[: int(len(data) * cut)])
    assert "damaged" in refusal(path)


def test_flipped_bytes_of_a_tflite_file_never_raise_anything_else(tmp_path: Path) -> None:
    data = (FOLDER / "resnet_add_relu.tflite").read_bytes()
    rng = np.random.default_rng(0)
    lines: list[str] = []
    for _ in range(200):
        broken = bytearray(data)
        for position in rng.integers(8, len(data), 3):
            broken[position] = int(rng.integers(0, 256))
        path = tmp_path / "broken.tflite"
        path.write_bytes(broken)
        try:
            convert.convert(path)
        except LinnetError as error:
            lines.append(str(error))
    assert all("\n" not in line for line in lines)
    assert len(lines) > 10


def test_an_unsupported_operator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "linnet_converter.imports.tflite_reader.HANDLERS",
        {kind: handler for kind, handler in tflite_operators.HANDLERS.items() if kind != "MEAN"},
    )
    name = next(o.label for o in tflite_file.load(TFLITE[0]).operators if o.kind == "MEAN")
    message = refusal(TFLITE[0])
    assert message.startswith(name) and "not supported" in message


# Pixels


@pytest.mark.parametrize(
    ("grid", "preprocessing", "scaled"),
    [
        (Grid(1 / 255, -128), Preprocessing((0.0,), (255.0,)), False),
        (Grid(1 / 127.5, -1), Preprocessing((127.0,), (127.5,)), False),
        (Grid(2 / 255, 0), Preprocessing((127.5,), (127.5,)), False),  # half-way between two steps
        (Grid(0.0187, -14), Preprocessing((123.675,), (58.395,)), True),
        (Grid(2 / 254, 0), Preprocessing((127.5,), (127.5,)), True),  # symmetric
        (Grid(0.0100, 5), Preprocessing((100.0,), (30.0,)), True),  # pixels beyond the file's range
    ],
)
def test_pixels_land_where_the_file_puts_them(grid: Grid, preprocessing: Preprocessing, scaled: bool) -> None:
    network = converted_input(grid)
    stage = pixels.choose(network, preprocessing)
    assert (stage.scaler is not None) == scaled
    values = np.arange(256)
    real = ((values - preprocessing.mean[0]) / preprocessing.std[0]).astype(np.float32)
    wanted = np.clip(np.rint(real / np.float32(grid.scale)) + grid.zero_point, -128, 127)
    given = values - 128
    if stage.scaler is not None:
        made = stage.scaler
        sums = (made.weights[0].astype(np.int64) * given + made.bias[0]) << made.shift
        given = np.clip(grid.zero_point + ((sums * made.multiplier[0] + 2**30) >> 31), -128, 127)
        assert np.count_nonzero(given != wanted) == stage.wrong <= 2
    assert np.abs(given - wanted).max() <= 1


def converted_input(grid: Grid) -> Any:
    """A network of which only the input matters."""
    graph = converted.read(hard_networks.NETWORKS["odd_sizes"]())
    one = np.ones(1)
    shape = (*graph.shapes[graph.input][:2], 1)
    graph = replace(graph, shapes={**graph.shapes, graph.input: shape}, input_scale=one, input_shift=one * 0)
    return ImportedNetwork(graph, {graph.input: grid}, {}, integer_input=False)


def test_without_preprocessing_a_float_input_stays_a_tensor(tmp_path: Path) -> None:
    path = quantized_networks.quantize("odd_sizes", STYLES["u8-channel"], tmp_path)
    result = convert.convert(path)
    assert result.graph.input_kind == InputKind.tensor
    assert "with --preprocess" in result.notes[0]
    assert convert.convert(path, TORCH).graph.input_kind == InputKind.pixels


# Weights and roundings


def test_weights_are_kept_or_moved_with_little_error() -> None:
    rng = np.random.default_rng(2)
    own = rng.integers(-127, 128, (4, 9)).astype(np.float64)
    own[1, 0], own[2, :2], own[3] = -128, (200, -150), 0
    step = np.full(4, 0.02)
    scales, anew = weights.channel_scales(own * 0.02, step, 4.0)
    assert list(anew) == [False, True, True, False]
    assert scales[0] == 0.02 and scales[3] > 0
    for row in (1, 2):
        integers = requantize.rounded(own[row : row + 1] * 0.02, scales[row : row + 1, None])
        assert np.abs(integers).max() <= 127
        errors = integers[0] * scales[row] / 0.02 - own[row]
        assert np.sqrt((errors**2).sum()) < 2.5 and abs(errors.sum()) < 1


def test_rounding_keeps_sums() -> None:
    rng = np.random.default_rng(4)
    real = rng.normal(0, 30, (50, 16))
    plain, kept = np.rint(real), requantize.rounded(real, np.ones((50, 1)))
    assert np.abs(kept - real).max() <= 1
    assert np.abs((kept - real).sum(axis=1)).max() <= 0.5 < np.abs((plain - real).sum(axis=1)).max()


def test_tflite_rounds_twice_as_stated() -> None:
    """Against the definition: halves up at 31 bits, then halves away from zero at the power of two."""
    sums = np.arange(-5000, 5000)
    for ratio in (0.3436, 0.0625, 0.011, 0.75, 1.5):
        fraction, exponent = np.frexp(ratio)
        high = sums * fraction * (2.0**exponent if exponent > 0 else 1)
        high = np.floor(high + 0.5)
        wanted = high / 2.0 ** max(-exponent, 0)
        wanted = np.sign(wanted) * np.floor(np.abs(wanted) + 0.5)
        assert np.count_nonzero(rounding.twice(sums, ratio) != wanted) <= 2  # float64 ties


def test_bias_follows_two_roundings() -> None:
    graph = convert.convert(FOLDER / "v2_mean_softmax.tflite").graph
    op = next(op for op in graph.ops if op.kind == OpKind.depthwise)

    def rounded(op: QOp, zero_point: int) -> npt.NDArray[np.int32]:
        bias = rounding.followed(op, zero_point).bias
        assert bias is not None
        return bias

    assert op.multiplier is not None and op.bias is not None
    coarse = replace(op, multiplier=np.full_like(op.multiplier, int(0.34 * 2**31)), shift=0, clamp=(-128, 127))
    assert np.array_equal(rounded(coarse, -128), op.bias + 1)  # behind a ReLU
    assert np.array_equal(rounded(coarse, 0), op.bias)  # as many values below zero as above


def test_grid() -> None:
    grid = Grid(0.5, -10)
    assert grid.range == Clamp(-59.0, 68.5)
    assert grid.quantize([0.25, 0.75, 1e9, -1e9]).tolist() == [-10, -8, 127, -128]
    assert grid.clamp(Clamp(0.0, 6.0)) == (-10, 2) and grid.clamp(Clamp()) == (-128, 127)
    assert not Grid(0.0, 0).is_valid and not Grid(float("nan"), 0).is_valid


# What is refused


def edit(tmp_path: Path, change: Callable[[onnx.ModelProto], None], name: str = "odd_sizes") -> Path:
    path = quantized_networks.quantize(name, STYLES["u8-channel"], tmp_path)
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def replace_constant(model: onnx.ModelProto, name: str, value: npt.ArrayLike) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))


def test_other_scale_in_dequantize(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        node = next(n for n in model.graph.node if n.output[0] == "input_DequantizeLinear_Output")
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(np.float32(3.0)), "other"))
        node.input[1] = "other"

    message = refusal(edit(tmp_path, change))
    assert message.startswith("DequantizeLinear 'input_DequantizeLinear'") and "not that of" in message


def test_sixteen_bits(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        replace_constant(model, "input_zero_point", np.uint16(7))
        model.opset_import[0].version = 21

    assert "8-bit" in refusal(edit(tmp_path, change))


def test_an_unquantized_tensor_is_named(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        reads = [node for node in model.graph.node if node.op_type == "Conv"][1]
        quantize = next(n for n in model.graph.node if reads.input[0] in n.output)
        source = next(n for n in model.graph.node if quantize.input[0] in n.output)
        reads.input[0] = source.input[0]

    message = refusal(edit(tmp_path, change, "full_convolutions"))
    assert "is not quantized" in message and "--calibrate" in message


def test_a_scale_of_zero(tmp_path: Path) -> None:
    path = edit(tmp_path, lambda model: replace_constant(model, "input_scale", np.float32(0.0)))
    assert "scale is 0" in refusal(path)


# Real networks


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "within"),
    [("tf2_mobilenet_v2_1.0_224_ptq", 1), ("vww_96_int8", 1), ("mobilenet_v2_1.0_224_quant", 12)],
)
def test_real_tflite_operator_by_operator(name: str, within: int, assets: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="no TFLite interpreter: pip install ai-edge-litert")
    path = assets / "models" / f"{name}.tflite"
    result = convert.convert(path)
    compared = operator_steps(result, path, 1)
    assert len(compared) == len(result.graph.ops)
    for operator in compared:
        assert operator.largest <= within, operator


@pytest.mark.assets
@pytest.mark.parametrize("name", ["tf2_mobilenet_v2_1.0_224_ptq", "mobilenet_v2_1.0_224_quant", "vww_96_int8"])
def test_real_tflite_agrees_on_pictures(name: str, assets: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="no TFLite interpreter: pip install ai-edge-litert")
    import linnet
    from linnet_converter import pictures

    path = assets / "models" / f"{name}.tflite"
    model = linnet.load(convert.convert(path).data)
    files = pictures.find(assets / "imagenet/eval", 100)
    result = validation.compare(model, path, pictures.read(files, model.input_details.shape))
    assert result.images == 100 and result.agreement >= 97
    assert result.sqnr_db > 20


def test_reader_needs_no_interpreter() -> None:
    """Only comparing does."""
    network = qdq_reader.read(FOLDER / "pt2e_x86.onnx")
    assert network.grids[network.graph.input].scale > 0

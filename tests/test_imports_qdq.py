"""QDQ ONNX files: each operator within one step of onnxruntime, what cannot be is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import converted
import hard_networks
import numpy as np
import numpy.typing as npt
import onnx
import pytest
import quantized_networks
from onnx import TensorProto, helper, numpy_helper
from quantized_networks import FOLDER, STYLES, Style, operator_steps, refusal, smooth
from test_bytes import assert_equal

from linnet.format_gen import DType, OpKind
from linnet_converter import lnt_file, oracle
from linnet_converter.imports import (
    convert,
    qdq_reader,
)
from linnet_converter.imports.network import Grid
from linnet_converter.imports.qdq_reference import QdqReference
from linnet_converter.quantize import Preprocessing

PT2E = Preprocessing((127.5,) * 3, (40.0,) * 3)
NARROW_SUM = ("zero_activations", "s8-channel")
"""A dead branch with scale 1 into a sum with scale 1/70: no grid holds all that the addition needs."""


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


def test_reader_needs_no_interpreter() -> None:
    """Only comparing does."""
    network = qdq_reader.read(FOLDER / "pt2e_x86.onnx")
    assert network.grids[network.graph.input].scale > 0


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

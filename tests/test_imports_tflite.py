"""TFLite files: each operator within one step of LiteRT, what cannot be is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from legacy_tflite import as_uint8
from quantized_networks import FOLDER, operator_steps, refusal
from test_bytes import assert_equal

from linnet.errors import LinnetError
from linnet.format_gen import InputKind, OpKind
from linnet_converter import validation
from linnet_converter.imports import (
    convert,
    tflite_file,
    tflite_operators,
)
from linnet_converter.quantize import Preprocessing

TFLITE = sorted(FOLDER.glob("*.tflite"))


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


def test_old_uint8_files(tmp_path: Path) -> None:
    """Weights with a zero point: kept where they fit, and behind a ReLU rounded as often alike as weights allow."""
    path = as_uint8(FOLDER / "v2_mean_softmax.tflite", tmp_path / "old.tflite", widen=4.0)
    result = convert.convert(path)
    assert result.notes[0] == "input: pixels, which are the file's own input values"
    assert result.notes[1].startswith("weights: requantized in 12 of 266 channels")
    compared = operator_steps(result, path, 6)
    assert len(compared) == len(result.graph.ops)
    assert min(operator.exact for operator in compared) > 97
    coarse = [
        operator.exact
        for operator, op in zip(compared, result.graph.ops, strict=True)
        if op.kind == OpKind.pointwise and "Relu6" in op.name
    ]
    assert len(coarse) == 4 and min(coarse) > 99.5  # 96.6 with the file's own biases
    assert_equal(result.graph, result.plans[-1], 2)


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

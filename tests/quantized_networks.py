"""What the import tests share: the hard networks quantized by onnxruntime, and comparisons with interpreters."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import converted
import hard_networks
import numpy as np
import numpy.typing as npt
import onnx
import pytest

from linnet.errors import LinnetError
from linnet_converter.imports import convert, steps
from linnet_converter.quantize import Preprocessing

FOLDER = Path(__file__).parent / "quantized"


@dataclass(frozen=True)
class Style:
    """How quantize_static is asked to quantize."""

    signed: bool
    per_channel: bool
    symmetric: bool = False
    keep_activations: bool = False
    signed_weights: bool = True


STYLES = {
    "u8-channel": Style(signed=False, per_channel=True),
    "u8-tensor": Style(signed=False, per_channel=False),
    "s8-channel": Style(signed=True, per_channel=True),
    "s8-symmetric": Style(signed=True, per_channel=True, symmetric=True),
    "u8-keep": Style(signed=False, per_channel=True, keep_activations=True),
}


class _Feeds:
    """A CalibrationDataReader."""

    def __init__(self, name: str, feeds: Iterator[npt.NDArray[np.float32]]) -> None:
        self.name, self.feeds = name, feeds

    def get_next(self) -> dict[str, Any] | None:
        feed = next(self.feeds, None)
        return None if feed is None else {self.name: feed}


def quantize(name: str, style: Style, folder: Path) -> Path:
    """The hard network `name`, quantized by onnxruntime, as a file in the folder."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    model = hard_networks.NETWORKS[name]()
    graph = converted.read(model)
    preprocessing = converted.preprocessing(graph)
    feeds = (preprocessing.apply(picture).transpose(2, 0, 1)[None] for picture in converted.pictures(graph, 16))
    onnx.save(model, folder / "float.onnx")
    reader = type("Reader", (_Feeds, CalibrationDataReader), {})
    logging.disable(logging.WARNING)  # it recommends its own preprocessing
    quantize_static(
        folder / "float.onnx",
        folder / "q.onnx",
        reader(model.graph.input[0].name, feeds),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8 if style.signed else QuantType.QUInt8,
        weight_type=QuantType.QInt8 if style.signed_weights else QuantType.QUInt8,
        per_channel=style.per_channel,
        extra_options={
            "ActivationSymmetric": style.symmetric,
            "QDQKeepRemovableActivations": style.keep_activations,
        },
    )
    logging.disable(logging.NOTSET)
    return folder / "q.onnx"


def smooth(shape: tuple[int, int, int], count: int, seed: int = 5) -> npt.NDArray[np.uint8]:
    """(count, *shape) pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 4, 4, shape[2]))
    rows, columns = (np.minimum(np.arange(n) * 4 // n, 3) for n in shape[:2])
    return np.clip(coarse[:, rows][:, :, columns] + rng.normal(0, 20, (count, *shape)), 0, 255).astype(np.uint8)


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

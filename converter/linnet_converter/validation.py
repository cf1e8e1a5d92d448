"""The int8 network held against its original, float or quantized by others, on real pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from linnet.errors import LinnetError
from linnet.format_gen import OpKind
from linnet.model import Model

from . import onnx_reader
from .graph import Shape
from .imports.qdq_reference import QdqReference
from .imports.tflite_file import is_tflite
from .imports.tflite_reference import TfliteReference
from .onnx_file import is_quantized, load_model

Logits = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Validation:
    """How close the int8 network is to the float one. Percentages are 0 to 100.

    top1_*, top5_*: pictures whose label is the most probable class, or one of five; None without labels.
    agreement: pictures whose most probable class is the same in both.
    sqnr_db: of the logits ahead of any softmax; 10 log10 of the sum of float^2 over the sum of (int8 - float)^2, both
    over all classes of all pictures. Infinite where there is no difference.
    cosine: of the two logit vectors of a picture, the mean over pictures.
    arena_bytes: of the smallest plan in the file.
    reference: what "float" is here: "float", or "quantized" where the original is a quantized network itself.
    """

    images: int
    top1_float: float | None
    top1_int8: float | None
    top5_float: float | None
    top5_int8: float | None
    agreement: float
    sqnr_db: float
    cosine: float
    arena_bytes: int
    reference: str = "float"


class FloatReference:
    """The original ONNX file in onnxruntime, asked for the logits ahead of its final softmax."""

    kind = "float"

    def __init__(self, path: str | Path, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """mean, std: per channel; the network is fed (pixel - mean) / std.

        Raises LinnetError where onnx_reader or onnxruntime does not take the file.
        """
        graph = onnx_reader.read(path)
        proto = onnx.load(str(path))
        if graph.source_logits not in [output.name for output in proto.graph.output]:
            proto.graph.output.append(onnx.ValueInfoProto(name=graph.source_logits))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise LinnetError(f"{path}: onnxruntime cannot open it: {' '.join(str(error).split())[:300]}") from error
        fed = next(i for i in self._session.get_inputs() if i.name == graph.source_input)
        self._type = {"tensor(double)": np.float64, "tensor(float16)": np.float16}.get(fed.type, np.float32)
        self._input, self._logits = graph.source_input, graph.source_logits
        self._channels_first = graph.source_layout == "NCHW"
        self._mean, self._std = np.array(mean, np.float64), np.array(std, np.float64)
        self.shape = graph.shapes[graph.input]
        self.classes = math.prod(graph.shapes[graph.logits])

    def logits(self, pixels: Pixels) -> Logits:
        """(classes,) of uint8 (height, width, channels)."""
        fed = (pixels.astype(np.float64) - self._mean) / self._std
        if self._channels_first:
            fed = fed.transpose(2, 0, 1)
        batch = np.ascontiguousarray(fed[None], dtype=self._type)
        (answer,) = self._session.run([self._logits], {self._input: batch})
        return np.asarray(answer, np.float64).ravel()


class Reference(Protocol):
    """What a model is compared with: kind is "float" or "quantized", shape (height, width, channels)."""

    kind: str
    shape: Shape
    classes: int

    def logits(self, pixels: Pixels) -> Logits: ...


def open_reference(path: str | Path, mean: tuple[float, ...], std: tuple[float, ...]) -> Reference:
    """A float ONNX network, or a quantized one (QDQ ONNX, TFLite), in its own interpreter. Raises LinnetError."""
    if is_tflite(path):
        return TfliteReference(path, mean, std)
    if is_quantized(load_model(path)):
        return QdqReference(path, mean, std)
    return FloatReference(path, mean, std)


class IntegerLogits:
    """A Linnet model asked for its logits, also where it ends in a softmax."""

    def __init__(self, model: Model) -> None:
        file = model.file
        last = len(file.ops) - 1
        self._model = model
        self._operator: int | None = None
        if file.op_kind(last) == OpKind.softmax:
            tensor = int(file.ops[last]["input"])
            self._operator = next(i for i in range(last) if file.ops[i]["output"] == tensor)
            self._scale = float(file.tensors[tensor]["scale"])
            self._zero_point = int(file.tensors[tensor]["zero_point"])

    def logits(self, pixels: Pixels) -> Logits:
        """(classes,) of uint8 (height, width, channels)."""
        if self._operator is None:
            return self._model.run(pixels).astype(np.float64).ravel()
        (traced,) = self._model.trace(pixels, [self._operator])
        return self._scale * (traced.values.astype(np.float64) - self._zero_point).ravel()


class _Tally:
    """Sums over pictures."""

    def __init__(self) -> None:
        self.images = self.same = 0
        self.signal = self.error = self.cosine = 0.0
        self.ranks: list[tuple[int, int]] = []

    def add(self, wanted: Logits, got: Logits, label: int | None) -> None:
        self.images += 1
        self.same += int(wanted.argmax() == got.argmax())
        self.signal += float(wanted @ wanted)
        self.error += float((got - wanted) @ (got - wanted))
        norms = float(np.linalg.norm(wanted) * np.linalg.norm(got))
        # two zero vectors point the same way for our purpose; one alone does not
        self.cosine += float(wanted @ got) / norms if norms else float(not wanted.any() and not got.any())
        if label is not None:
            self.ranks.append((_rank(wanted, label), _rank(got, label)))

    def result(self, arena_bytes: int) -> Validation:
        def top(which: int, k: int) -> float | None:
            return 100 * sum(rank[which] < k for rank in self.ranks) / self.images if self.ranks else None

        return Validation(
            images=self.images,
            top1_float=top(0, 1),
            top1_int8=top(1, 1),
            top5_float=top(0, 5),
            top5_int8=top(1, 5),
            agreement=100 * self.same / self.images,
            sqnr_db=_decibels(self.signal, self.error),
            cosine=self.cosine / self.images,
            arena_bytes=arena_bytes,
        )


def compare(
    model: Model,
    onnx_path: str | Path,
    pictures: Iterable[tuple[str, Pixels]],
    labels: Mapping[str, int] | None = None,
) -> Validation:
    """Run both networks on every picture.

    pictures: (name, uint8 (height, width, channels) as the model's input_details).  labels: name -> class, for all of
    them. Raises LinnetError where the two networks do not fit together, a label is missing or no class, or there is no
    picture.
    """
    if not model.is_picture:
        raise LinnetError("the model's input is no picture: validate needs a network that takes pixels")
    details = model.input_details
    reference = open_reference(onnx_path, details.mean, details.std)
    integer = IntegerLogits(model)
    if reference.shape != details.shape:
        raise LinnetError(f"{onnx_path}: its input is {reference.shape}, the model's is {details.shape}")
    classes = model.output_details.shape[2]
    if reference.classes != classes:
        raise LinnetError(f"{onnx_path}: it has {reference.classes} classes, the model has {classes}")
    tally = _Tally()
    for name, pixels in pictures:
        label = None
        if labels is not None:
            if name not in labels:
                raise LinnetError(f"{name}: it has no label")
            label = labels[name]
            if not 0 <= label < classes:
                raise LinnetError(f"{name}: class {label} of 0 to {classes - 1}; is the label offset right?")
        tally.add(reference.logits(pixels), integer.logits(pixels), label)
    if not tally.images:
        raise LinnetError("no picture to validate with")
    return replace(tally.result(model.least_arena_bytes), reference=reference.kind)


def _decibels(signal: float, error: float) -> float:
    if not error:
        return math.inf
    return 10 * math.log10(signal / error) if signal else -math.inf


def _rank(logits: Logits, label: int) -> int:
    """How many classes come before this one; equals by index, as argmax."""
    return int((logits > logits[label]).sum() + (logits[:label] == logits[label]).sum())

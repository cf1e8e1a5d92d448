"""The int8 network held against its original, float or quantized by others, on real pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from linnet.errors import LinnetError
from linnet.format_gen import OpKind
from linnet.model import IntArray, Model

from . import onnx_reader
from .graph import Shape
from .imports.qdq_reference import QdqReference
from .imports.tflite_file import is_tflite
from .imports.tflite_reference import TfliteReference
from .onnx_file import is_quantized, load_model
from .tally import Compared, Logits, Tally, Validation, compared

Pixels = npt.NDArray[np.uint8]


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
        options.intra_op_num_threads = 1  # pictures are what runs at the same time
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
        self.operator: int | None = None
        """Whose output the logits are, where they are not the answer."""
        if file.op_kind(last) == OpKind.softmax:
            tensor = int(file.ops[last]["input"])
            self.operator = next(i for i in range(last) if file.ops[i]["output"] == tensor)
            self._scale = float(file.tensors[tensor]["scale"])
            self._zero_point = int(file.tensors[tensor]["zero_point"])

    def logits(self, pixels: Pixels) -> Logits:
        """(classes,) of uint8 (height, width, channels)."""
        if self.operator is None:
            return self.real(self._model.run_quantized(pixels))
        (traced,) = self._model.trace(pixels, [self.operator])
        return self.real(traced.values)

    def real(self, values: IntArray) -> Logits:
        """(classes,) of the integers, wherever they have been computed."""
        if self.operator is None:
            return self._model.real(values).astype(np.float64).ravel()
        return self._scale * (values.astype(np.float64) - self._zero_point).ravel()


class Comparer:
    """A model and the network it was made from, side by side. One thread at a time."""

    def __init__(self, model: Model, reference: Reference, name: str | Path) -> None:
        """name: what errors call the reference. Raises LinnetError where the two do not fit together."""
        if not model.is_picture:
            raise LinnetError("the model's input is no picture: validate needs a network that takes pixels")
        details = model.input_details
        if reference.shape != details.shape:
            raise LinnetError(f"{name}: its input is {reference.shape}, the model's is {details.shape}")
        self.classes = model.output_details.shape[2]
        if reference.classes != self.classes:
            raise LinnetError(f"{name}: it has {reference.classes} classes, the model has {self.classes}")
        self.model = model
        self.reference = reference
        self.integer = IntegerLogits(model)

    def compare(
        self, name: str, pixels: Pixels, labels: Mapping[str, int] | None, logits: Logits | None = None
    ) -> Compared:
        """pixels: uint8 (height, width, channels) as the model's input_details.  labels: file name -> class.
        logits: the model's, where they are known already.

        Raises LinnetError where the label is missing or no class.
        """
        label = None
        if labels is not None:
            if name not in labels:
                raise LinnetError(f"{name}: it has no label")
            label = labels[name]
            if not 0 <= label < self.classes:
                raise LinnetError(f"{name}: class {label} of 0 to {self.classes - 1}; is the label offset right?")
        wanted = self.reference.logits(pixels)
        return compared(wanted, self.integer.logits(pixels) if logits is None else logits, label)


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
    comparer = Comparer(model, open_reference(onnx_path, details.mean, details.std), onnx_path)
    tally = Tally()
    for name, pixels in pictures:
        tally.add(comparer.compare(name, pixels, labels))
    if not tally.images:
        raise LinnetError("no picture to validate with")
    return tally.result(model.least_arena_bytes, comparer.reference.kind)

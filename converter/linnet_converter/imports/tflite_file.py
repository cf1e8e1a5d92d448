"""Open a TFLite file: its one graph as plain data. What the operators mean is for tflite_reader.py.

The schema comes from the package `tflite` on PyPI, which is generated from TensorFlow's schema.fbs. Such readers
believe every offset, so whatever goes wrong in a damaged file is caught here and becomes a LinnetError of one line.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError

IDENTIFIER = b"TFL3"
INSTALL = "pip install 'linnet[convert]'"

Array = npt.NDArray[Any]

_DTYPES: dict[str, np.dtype[Any]] = {
    "FLOAT32": np.dtype("<f4"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
}


@dataclass(frozen=True)
class TfliteTensor:
    """type: the schema's name.  scales, zero_points: empty where it is not quantized.  data: None unless constant."""

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    scales: npt.NDArray[np.float64]
    zero_points: npt.NDArray[np.int64]
    axis: int
    data: Array | None

    def fail(self, why: str, remedy: str) -> NoReturn:
        """Raise LinnetError: which tensor, why not, what to do."""
        raise LinnetError(f"tensor '{self.name}': {why}; {remedy}")


@dataclass(frozen=True)
class TfliteOperator:
    """inputs, outputs: indices of tensors, -1 for an absent one.  options: fields of the operator's options table."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]
    label: str

    def fail(self, why: str, remedy: str) -> NoReturn:
        """Raise LinnetError: which operator, why not, what to do."""
        raise LinnetError(f"{self.label}: {why}; {remedy}")


@dataclass(frozen=True)
class TfliteFile:
    """One subgraph with one input and one output."""

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    input: int
    output: int


def is_tflite(path: str | Path) -> bool:
    """Whether a file calls itself TFLite, by its name or its first bytes."""
    if Path(path).suffix.lower() == ".tflite":
        return True
    try:
        with Path(path).open("rb") as stream:
            return stream.read(8)[4:] == IDENTIFIER
    except OSError:
        return False


def load(path: str | Path) -> TfliteFile:
    """Read a file. Raises LinnetError where it is damaged or has not one input and one output."""
    try:
        import tflite
    except ImportError as error:
        raise LinnetError(f"reading TFLite needs the package tflite: {INSTALL}") from error
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise LinnetError(f"{path}: {error.strerror or error}") from error
    if data[4:8] != IDENTIFIER:
        raise LinnetError(f"{path}: not a TFLite file, or damaged; convert it again")
    try:
        model = tflite.Model.GetRootAs(data, 0)
        if model.SubgraphsLength() != 1:
            raise LinnetError(f"{path}: {model.SubgraphsLength()} subgraphs; Linnet takes one, without control flow")
        return _graph(path, tflite, model, model.Subgraphs(0))
    except (struct.error, ValueError, IndexError, TypeError, OverflowError, AttributeError, MemoryError) as error:
        # what the generated readers say to offsets that point nowhere
        raise LinnetError(f"{path}: a damaged TFLite file ({type(error).__name__}); convert it again") from error


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _graph(path: str | Path, tflite: Any, model: Any, graph: Any) -> TfliteFile:
    ends = [tuple(int(i) for i in found) if length else () for found, length in (
        (graph.InputsAsNumpy(), graph.InputsLength()),
        (graph.OutputsAsNumpy(), graph.OutputsLength()),
    )]  # fmt: skip
    if len(ends[0]) != 1 or len(ends[1]) != 1:
        raise LinnetError(
            f"{path}: {len(ends[0])} inputs and {len(ends[1])} outputs; Linnet takes one picture, one answer"
        )
    types = _names(tflite.TensorType)
    tensors = tuple(_tensor(types, model, graph.Tensors(i), i) for i in range(graph.TensorsLength()))
    kinds = _names(tflite.BuiltinOperator)
    operators = tuple(
        _operator(tflite, kinds, model, graph.Operators(i), tensors) for i in range(graph.OperatorsLength())
    )
    return TfliteFile(tensors, operators, ends[0][0], ends[1][0])


def _tensor(types: Mapping[int, str], model: Any, tensor: Any, index: int) -> TfliteTensor:
    name = (tensor.Name() or b"").decode("utf-8", "replace") or f"tensor {index}"
    shape = tuple(int(n) for n in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    kind = types.get(tensor.Type(), f"type {tensor.Type()}")
    quantization = tensor.Quantization()
    scaled = quantization is not None and quantization.ScaleLength() > 0
    scales = np.array(quantization.ScaleAsNumpy(), np.float64) if scaled else np.zeros(0)
    zeros = np.zeros(len(scales), np.int64)
    if scaled and quantization.ZeroPointLength():
        zeros = np.broadcast_to(np.array(quantization.ZeroPointAsNumpy(), np.int64), scales.shape)
    buffer = model.Buffers(tensor.Buffer())
    data: Array | None = None
    if buffer is not None and buffer.DataLength():
        if kind not in _DTYPES:
            raise LinnetError(f"tensor '{name}': constants of {kind} are not read; convert to plain int8")
        data = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[kind]).reshape(shape)
    axis = int(quantization.QuantizedDimension()) if scaled else 0
    return TfliteTensor(index, name, shape, kind, scales, zeros, axis, data)


_OPTIONS = {
    "ADD": ("AddOptions", ("FusedActivationFunction",)),
    "AVERAGE_POOL_2D": (
        "Pool2DOptions",
        ("Padding", "StrideW", "StrideH", "FilterWidth", "FilterHeight", "FusedActivationFunction"),
    ),
    "CONV_2D": (
        "Conv2DOptions",
        ("Padding", "StrideW", "StrideH", "DilationWFactor", "DilationHFactor", "FusedActivationFunction"),
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        ("Padding", "StrideW", "StrideH", "DilationWFactor", "DilationHFactor", "FusedActivationFunction"),
    ),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("FusedActivationFunction", "WeightsFormat")),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
}


def _operator(
    tflite: Any, kinds: Mapping[int, str], model: Any, operator: Any, tensors: tuple[TfliteTensor, ...]
) -> TfliteOperator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # old files know only the narrow field, new ones keep it at 127 for what does not fit
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = kinds.get(number, f"operator {number}")
    if kind == "CUSTOM":
        kind = f"custom operator {(code.CustomCode() or b'').decode('utf-8', 'replace')}"
    inputs = tuple(int(i) for i in operator.InputsAsNumpy()) if operator.InputsLength() else ()
    outputs = tuple(int(i) for i in operator.OutputsAsNumpy()) if operator.OutputsLength() else ()
    if not outputs or max((*inputs, *outputs)) >= len(tensors) or min(outputs) < 0 or min(inputs, default=0) < -1:
        raise ValueError("tensor indices")
    options: dict[str, int] = {}
    table = operator.BuiltinOptions()
    if kind in _OPTIONS and table is not None:
        name, fields = _OPTIONS[kind]
        reader = getattr(tflite, name)()
        reader.Init(table.Bytes, table.Pos)
        options = {field: getattr(reader, field)() for field in fields}
    return TfliteOperator(kind, inputs, outputs, options, f"{kind} '{tensors[outputs[0]].name}'")

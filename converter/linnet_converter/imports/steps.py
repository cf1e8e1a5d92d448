"""An imported network held against its interpreter operator by operator: each on the same input, in output steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.format_gen import DType, InputKind, OpKind
from linnet_converter import oracle
from linnet_converter.onnx_file import is_quantized, load_model
from linnet_converter.qgraph import QGraph, QOp, QTensor

from .network import Grid, ImportedNetwork
from .qdq_reference import QdqReference
from .tflite_file import is_tflite
from .tflite_reference import TfliteReference

Pixels = npt.NDArray[np.uint8]

PROBABILITY_STEP = 1 / 256
"""What TFLite's int8 softmax counts in."""


class Reference(Protocol):
    """TfliteReference or QdqReference."""

    network: ImportedNetwork

    def tensors(self, pixels: Pixels) -> dict[str, npt.NDArray[np.generic]]: ...


def open_reference(path: str | Path, mean: tuple[float, ...], std: tuple[float, ...]) -> Reference:
    """A quantized file in its interpreter: LiteRT's reference kernels, or onnxruntime without its optimizer."""
    if is_tflite(path):
        return TfliteReference(path, mean, std, reference_kernels=True)
    if not is_quantized(load_model(path)):
        raise LinnetError(f"{path}: is a float network; operator by operator only quantized ones can be compared")
    return QdqReference(path, mean, std, all_tensors=True)


@dataclass(frozen=True)
class OperatorSteps:
    """largest: difference from the interpreter in steps of the output.  exact: share of equal values, percent."""

    name: str
    kind: str
    largest: float
    exact: float


def compare(graph: QGraph, reference: Reference, pictures: Iterable[Pixels]) -> list[OperatorSteps]:
    """Every operator whose output the file has too, over all pictures; the operators run in the oracle.

    Raises LinnetError where the graph was not made from the reference's file.
    """
    largest = dict.fromkeys(range(len(graph.ops)), -1.0)
    equal = np.zeros(len(graph.ops), np.int64)
    counted = np.zeros(len(graph.ops), np.int64)
    for pixels in pictures:
        for index, difference in _one_picture(graph, reference, pixels):
            largest[index] = max(largest[index], float(difference.max()))
            equal[index] += np.count_nonzero(difference < 0.5)
            counted[index] += difference.size
    results = [
        OperatorSteps(op.name, op.kind.name, largest[i], 100 * float(equal[i] / counted[i]))
        for i, op in enumerate(graph.ops)
        if counted[i]
    ]
    if len(results) < 2:
        raise LinnetError("the two networks have no tensors in common: was the .lnt file made from this file?")
    return results


def _one_picture(graph: QGraph, reference: Reference, pixels: Pixels) -> Iterable[tuple[int, npt.NDArray[np.float64]]]:
    theirs = reference.tensors(pixels)
    values: dict[int, oracle.IntArray] = {}
    for index, op in enumerate(graph.ops):
        out = graph.tensors[op.output]
        if op.kind == OpKind.input:
            ours: oracle.IntArray = (pixels.astype(np.int16) - 128).astype(np.int8)
            if graph.input_kind != InputKind.pixels:  # what Model.run makes of real values
                ours = _stored(theirs[out.name], out)
        else:
            ours = oracle.apply(graph, op, [values[i] for i in op.inputs])
        values[op.output] = ours
        if out.name not in theirs:
            continue
        wanted = theirs[out.name]
        if out.dtype == DType.int8:
            # what follows is given the interpreter's values
            values[op.output] = _stored(wanted, out)
            yield index, np.abs(ours.astype(np.float64) - values[op.output])
        else:
            real, step, grid = _real(reference.network, op, out, wanted)
            values[op.output] = np.rint(real / out.scale).astype(np.int32)
            mine = ours * out.scale
            if grid is not None:
                yield index, np.abs(grid.quantize(mine) - grid.quantize(real)).astype(np.float64)
            else:
                yield index, np.abs(mine - real) / step


def _stored(values: npt.NDArray[np.generic], tensor: QTensor) -> npt.NDArray[np.int8]:
    if values.dtype == np.uint8:
        return (values.astype(np.int16) - 128).astype(np.int8)
    if values.dtype == np.int8:
        return values.astype(np.int8)
    return Grid(tensor.scale, tensor.zero_point).quantize(values.astype(np.float64)).astype(np.int8)


def _real(
    network: ImportedNetwork, op: QOp, out: QTensor, values: npt.NDArray[np.generic]
) -> tuple[npt.NDArray[np.float64], float, Grid | None]:
    """Real scores or probabilities of the file, the step they are compared in, and the file's grid where it has one."""
    real = values.astype(np.float64)
    if op.kind == OpKind.softmax:
        if values.dtype != np.float32:
            real = (real - (0 if values.dtype == np.uint8 else -128)) * PROBABILITY_STEP
        return real, PROBABILITY_STEP, None
    grid = network.grids.get(out.name)
    if grid is not None and values.dtype != np.float32:
        real = (real - (128 if values.dtype == np.uint8 else 0) - grid.zero_point) * grid.scale
        return real, grid.scale, grid
    return real, max(float(np.abs(real).max()) / 127, 1e-30), None

"""The arithmetic of docs/numerics.md in numpy: slow, obvious, and what every kernel is held to byte for byte.

All sums and products are int64, so that nothing can wrap here; that nothing needs more than int32 where the law says so
is asserted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linnet.format_gen import DType, InputKind, OpKind

from .qgraph import QGraph, QOp, QTensor

Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.signedinteger]


def mulr(acc: Int64Array, shift: int, multiplier: npt.ArrayLike) -> Int64Array:
    """((acc << shift) * multiplier + 2^30) >> 31, rounding halves up."""
    shifted = acc << shift
    assert np.all(np.abs(shifted) < 2**31), "acc << shift leaves int32"
    result: Int64Array = (shifted * np.asarray(multiplier, np.int64) + (1 << 30)) >> 31
    return result


def _clamp(values: Int64Array, op: QOp) -> npt.NDArray[np.int8]:
    return np.clip(values, *op.clamp).astype(np.int8)


def _padded(x: Int64Array, op: QOp, out_shape: tuple[int, int, int], pad: npt.ArrayLike) -> Int64Array:
    """x with its border: every tap of every output lies inside. pad: one value, or one per channel."""
    height, width, channels = x.shape
    rows = max((out_shape[0] - 1) * op.stride[0] + op.kernel[0], op.pad[0] + height)
    columns = max((out_shape[1] - 1) * op.stride[1] + op.kernel[1], op.pad[1] + width)
    padded = np.empty((rows, columns, channels), np.int64)
    padded[:] = pad
    padded[op.pad[0] : op.pad[0] + height, op.pad[1] : op.pad[1] + width] = x
    return padded


def _convolve(x: Int64Array, op: QOp, out: QTensor, zero_in: int) -> Int64Array:
    """Sums of bias and all taps, (height, width, channels)."""
    assert op.weights is not None and op.bias is not None
    weights = op.weights.astype(np.int64)
    height, width, _ = out.shape
    acc = np.empty(out.shape, np.int64)
    acc[:] = op.bias
    if op.kind in (OpKind.pointwise, OpKind.fully_connected):
        return acc + x @ weights.T
    padded = _padded(x, op, out.shape, zero_in if op.pad_values is None else op.pad_values)
    for i in range(op.kernel[0]):
        for j in range(op.kernel[1]):
            taps = padded[i : i + (height - 1) * op.stride[0] + 1 : op.stride[0]]
            taps = taps[:, j : j + (width - 1) * op.stride[1] + 1 : op.stride[1]]
            acc += taps * weights[i, j] if op.kind == OpKind.depthwise else taps @ weights[:, i, j].T
    return acc


def _weighted(op: QOp, inputs: list[Int64Array], acc: Int64Array, out: QTensor) -> IntArray:
    """Requantize a convolution's sums."""
    assert op.multiplier is not None
    scaled = mulr(acc, op.shift, op.multiplier)
    if op.kind == OpKind.fully_connected:
        return scaled.astype(np.int32)
    if len(inputs) == 1:
        return _clamp(out.zero_point + scaled, op)
    branch = np.clip(scaled, -(2**15), 2**15 - 1)
    return _clamp((branch * 2**8 + inputs[1] * op.factor + op.offset) >> 14, op)


def _softmax(logits: Int64Array, op: QOp) -> npt.NDArray[np.int32]:
    assert op.table is not None
    table = op.table.astype(np.int64)
    distance = logits.max() - logits
    octaves = np.array([int(d) * op.factor >> op.shift for d in distance.ravel()], object)
    octaves = np.minimum(octaves, 32 << 16).astype(np.int64).reshape(logits.shape)
    index = (octaves >> 10) & 63
    falling = table[index] - (((table[index] - table[index + 1]) * (octaves & 1023)) >> 10)
    exponentials = np.where(octaves >= 32 << 16, 0, falling >> (octaves >> 16))
    reciprocal = (1 << 62) // int(exponentials.sum())
    return np.array([int(e) * reciprocal >> 32 for e in exponentials.ravel()], np.int32).reshape(logits.shape)


def apply(graph: QGraph, op: QOp, inputs: list[IntArray]) -> IntArray:
    """One operator on whole tensors (height, width, channels): its output, int8 or int32."""
    out = graph.tensors[op.output]
    wide = [tensor.astype(np.int64) for tensor in inputs]
    if op.kind == OpKind.softmax:
        return _softmax(wide[0], op)
    if op.kind == OpKind.add:
        return _clamp((wide[0] * op.factor + wide[1] * op.factor2 + op.offset) >> 14, op)
    if op.kind == OpKind.avg_pool:
        acc = wide[0].sum(axis=(0, 1), keepdims=True) + op.offset
        return _clamp(out.zero_point + mulr(acc, op.shift, op.factor), op)
    acc = _convolve(wide[0], op, out, graph.tensors[op.inputs[0]].zero_point)
    return _weighted(op, wide, acc, out)


def run(graph: QGraph, picture: npt.NDArray[np.uint8] | npt.NDArray[np.int8]) -> dict[int, IntArray]:
    """All tensors by index for one input: uint8 pixels of a picture network, else int8, (height, width, channels)."""
    source = graph.tensors[graph.ops[0].output]
    assert picture.shape == source.shape
    pixels = graph.input_kind == InputKind.pixels
    assert picture.dtype == (np.uint8 if pixels else np.int8)
    values: dict[int, IntArray] = {
        graph.ops[0].output: (picture.astype(np.int16) - 128).astype(np.int8) if pixels else picture.astype(np.int8)
    }
    for op in graph.ops[1:]:
        result = apply(graph, op, [values[i] for i in op.inputs])
        assert result.shape == graph.tensors[op.output].shape
        assert result.dtype == (np.int32 if graph.tensors[op.output].dtype == DType.int32 else np.int8)
        values[op.output] = result
    return values

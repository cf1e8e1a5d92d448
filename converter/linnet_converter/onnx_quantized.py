"""QuantizeLinear and DequantizeLinear as numbers: grids of activations, and constants with the step at each element."""

from __future__ import annotations

import numpy as np

from linnet_converter.graph import FloatArray
from linnet_converter.imports.network import Grid
from linnet_converter.onnx_file import Array, SourceNode

CONTRIB = "com.microsoft."
QUANTIZE = ("QuantizeLinear", CONTRIB + "QuantizeLinear")
DEQUANTIZE = ("DequantizeLinear", CONTRIB + "DequantizeLinear")

EIGHT_BITS = "Linnet runs 8-bit networks: quantize with uint8 or int8"
QDQ = "quantize in the QDQ format, with one scale per activation tensor"


def grid(node: SourceNode, scale: Array | None, zero_point: Array | None) -> Grid:
    """The int8 grid of an activation that a node quantizes or dequantizes."""
    if scale is None or scale.size != 1 or (zero_point is not None and zero_point.size != 1):
        node.fail("quantizes an activation by more than one scale", QDQ)
    kind = np.dtype(np.uint8) if zero_point is None else zero_point.dtype
    if kind not in (np.dtype(np.uint8), np.dtype(np.int8)):
        node.fail(f"quantizes to {kind}", EIGHT_BITS)
    zero = 0 if zero_point is None else int(zero_point.ravel()[0])
    made = Grid(float(np.float32(scale.ravel()[0])), zero - 128 if kind == np.uint8 else zero)
    if not made.is_valid:
        node.fail(f"its scale is {made.scale:g}", "quantize the network again")
    return made


def _along(node: SourceNode, parameter: Array, shape: tuple[int, ...]) -> Array:
    """A scale or zero point, one or one per channel, spread over the tensor."""
    if parameter.size == 1:
        return np.broadcast_to(parameter.ravel()[0], shape)
    axis = node.integer("axis", 1)
    if node.integer("block_size", 0) or parameter.ndim != 1 or not -len(shape) <= axis < len(shape):
        node.fail(f"its scale has the shape {parameter.shape}", "quantize weights per tensor or per channel")
    if parameter.size != shape[axis]:
        node.fail(f"{parameter.size} scales for {shape[axis]} channels", "export the file again")
    return np.broadcast_to(parameter.reshape(-1, *(1,) * (len(shape) - 1 - axis % len(shape))), shape)


def dequantize_constant(
    node: SourceNode, stored: Array, scale: Array, zero_point: Array | None
) -> tuple[FloatArray, FloatArray]:
    """Real values of a quantized constant, and the size of one step at each element."""
    steps = _along(node, scale, stored.shape).astype(np.float64)
    zeros = 0.0 if zero_point is None else _along(node, zero_point, stored.shape).astype(np.float64)
    return (stored.astype(np.float64) - zeros) * steps, steps


def quantize_constant(node: SourceNode, real: Array, scale: Array, zero_point: Array | None) -> Array:
    """A constant that the file quantizes when it runs (weights kept as floats)."""
    kind = np.dtype(np.uint8) if zero_point is None else zero_point.dtype
    if kind.kind not in "iu" or kind.itemsize > 4:
        node.fail(f"quantizes to {kind}", EIGHT_BITS)
    steps = np.rint((real / _along(node, scale, real.shape)).astype(np.float64))
    zeros = 0 if zero_point is None else _along(node, zero_point, real.shape).astype(np.int64)
    limits = np.iinfo(kind)
    return np.clip(steps + zeros, limits.min, limits.max).astype(kind)

"""Weights and geometry of the ONNX operators that multiply: Conv, Gemm, MatMul, BatchNormalization, pooling windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet_converter.graph import FloatArray, Shape
from linnet_converter.onnx_file import SourceNode
from linnet_converter.onnx_views import PADDING, Affine, IndexArray

MAX_STRIDE = 4
MAX_ELEMENTS = 2**27  # of one tensor: far above what any board holds, and a damaged file asks for more

Pads = tuple[int, int, int, int]


def check_size(node: SourceNode, shape: Sequence[int]) -> None:
    """Refuse a tensor that no memory would hold."""
    if math.prod(shape) > MAX_ELEMENTS:
        node.fail(f"a tensor of shape {tuple(shape)} is too large", "use a smaller network")


def window_pads(node: SourceNode, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> Pads:
    """Padding (top, left, bottom, right) of a Conv or AveragePool over a map of `size` (h, w), auto_pad worked out."""
    mode = node.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = node.ints("pads", (0, 0, 0, 0))
        if len(pads) != 4 or min(pads) < 0:
            node.fail(f"pads {pads} are not four numbers of 0 or more", "export a 2-D network")
        return pads[0], pads[1], pads[2], pads[3]
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        node.fail(f"auto_pad '{mode}' is unknown", "export with explicit pads")
    before, after = [], []
    for length, taps, step in zip(size, kernel, stride, strict=True):
        total = max((-(-length // step) - 1) * step + taps - length, 0)
        smaller, larger = total // 2, total - total // 2
        before.append(smaller if mode == "SAME_UPPER" else larger)
        after.append(larger if mode == "SAME_UPPER" else smaller)
    return before[0], before[1], after[0], after[1]


def window_stride(node: SourceNode, kernel: tuple[int, int]) -> tuple[int, int]:
    """Stride (h, w), 1 to MAX_STRIDE; dilation is refused where it means something."""
    stride, dilations = node.ints("strides", (1, 1)), node.ints("dilations", (1, 1))
    if len(stride) != 2 or min(stride) < 1 or max(stride) > MAX_STRIDE:
        node.fail(f"stride {stride} is not two numbers of 1 to {MAX_STRIDE}", "use a smaller stride")
    if any(dilation != 1 for dilation in dilations) and kernel != (1, 1):
        node.fail(f"dilations {dilations} are not supported", "use a convolution without dilation")
    return stride[0], stride[1]


def output_geometry(
    node: SourceNode, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], pads: Pads
) -> tuple[tuple[int, int], Pads]:
    """Output (h, w), and the pads without the rows and columns that no window reads."""
    out, after = [], []
    for axis in (0, 1):
        room = size[axis] + pads[axis] + pads[axis + 2] - kernel[axis]
        if room < 0:
            node.fail(f"its kernel {kernel} is larger than its padded input {size}", "use a larger input size")
        out.append(room // stride[axis] + 1)
        after.append(max((out[axis] - 1) * stride[axis] + kernel[axis] - size[axis] - pads[axis], 0))
    return (out[0], out[1]), (pads[0], pads[1], after[0], after[1])


def conv_weights(node: SourceNode, weights: npt.NDArray[Any], channels: int) -> tuple[FloatArray, bool]:
    """Conv weights as graph.Conv holds them, float64, and whether they are depthwise; `channels` is the input's."""
    if weights.ndim != 4 or not weights.size:
        node.fail(f"its weights have the shape {weights.shape}", "only 2-D convolutions are supported")
    if node.ints("kernel_shape", weights.shape[2:]) != weights.shape[2:]:
        node.fail("kernel_shape does not agree with its weights", "export the file again")
    group, outputs = node.integer("group", 1), weights.shape[0]
    if weights.shape[1] * group != channels:
        node.fail(f"its weights {weights.shape} do not fit {channels} input channels", "export the file again")
    real = weights.astype(np.float64)
    if group == 1:
        return np.ascontiguousarray(real.transpose(0, 2, 3, 1)), False
    if group != channels:
        node.fail(f"{group} groups over {channels} channels", "use an ordinary or a depthwise convolution")
    if outputs != channels:
        node.fail(
            f"depth multiplier {outputs / channels:g}", "only depthwise convolutions with multiplier 1 are supported"
        )
    return np.ascontiguousarray(real.transpose(1, 2, 3, 0)), True


def one_step(steps: FloatArray | None, depthwise: bool) -> FloatArray | None:
    """Steps of a quantized file's weights, laid out as the weights, as one per output channel, (out,).

    0 where a channel has several (it is then quantized anew).
    """
    if steps is None:
        return None
    channels = np.moveaxis(steps, -1, 0) if depthwise else steps
    flat = channels.reshape(channels.shape[0], -1)
    return np.where((flat == flat[:, :1]).all(axis=1), flat[:, 0], 0.0)


def dense_weights(
    matrix: FloatArray, index: IndexArray, shape: Shape, affine: Affine | None
) -> tuple[FloatArray, FloatArray]:
    """A dense layer as a convolution over the whole (h, w, c) map: weights (out, h, w, c) and what it adds to the bias.

    matrix: (features, out).  index: (features,) positions in the map, in whatever order the file flattened it.
    """
    outputs = matrix.shape[1]
    by_position = np.zeros((int(np.prod(shape)), outputs))
    read = index != PADDING
    np.add.at(by_position, index[read], matrix[read])
    bias = np.zeros(outputs)
    if affine is not None:
        bias = affine.shift @ by_position
        by_position *= affine.scale[:, None]
    return np.ascontiguousarray(by_position.T.reshape(outputs, *shape)), bias


def batch_norm(
    node: SourceNode, gamma: FloatArray, beta: FloatArray, mean: FloatArray, var: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Scale and shift, (channels,) each, of a BatchNormalization in inference."""
    if not gamma.shape == beta.shape == mean.shape == var.shape or gamma.ndim != 1:
        node.fail("its four parameters differ in shape", "export the file again")
    variance = var + node.number("epsilon", 1e-5)
    if not np.all(variance > 0):
        node.fail("a variance is negative or not a number", "train or export the network again")
    scale = gamma / np.sqrt(variance)
    return scale, beta - mean * scale

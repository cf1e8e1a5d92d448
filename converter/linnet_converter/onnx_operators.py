"""ONNX operators that become operators of the graph: convolution, dense layer, average pool, final softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from linnet_converter.graph import Conv, FloatArray, GlobalAveragePool, Softmax
from linnet_converter.onnx_file import SourceNode
from linnet_converter.onnx_folding import Handler
from linnet_converter.onnx_layers import (
    check_size,
    conv_weights,
    dense_weights,
    one_step,
    output_geometry,
    window_pads,
    window_stride,
)
from linnet_converter.onnx_views import View, channel_order, chw_index, per_channel, strip_padding
from linnet_converter.onnx_walk import READS, Walk


def _conv(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node)
    if view.index.ndim != 4:
        node.fail(f"its input has {view.index.ndim} dimensions, not 4", "only 2-D convolutions are supported")
    if view.draft is walk.input and not walk.layout:
        walk.find_layout(node, strip_padding(view.index[0])[0])
    view = walk.logical(node, view)
    shape = view.draft.shape
    inner, before = strip_padding(view.index[0])
    order = channel_order(inner, shape)
    if order is None:
        last = view.moves[-1] if view.moves else view.draft.label
        node.fail(f"its input was rearranged by {last}", "only changes of layout, and padding, are supported")
    weights, depthwise = conv_weights(node, walk.floats(node, 1), shape[2])
    steps = walk.weight_steps(node, 1, lambda constant: conv_weights(node, constant, shape[2])[0])
    if not depthwise:
        weights = weights[..., np.argsort(order)]
    elif not np.array_equal(order, np.arange(shape[2])):
        node.fail("its input channels were reordered", "reorder channels ahead of an ordinary convolution only")
    channels = shape[2] if depthwise else weights.shape[0]
    bias = np.zeros(channels) if walk.constant(node, 2) is None else walk.floats(node, 2)
    if bias.shape != (channels,):
        node.fail(f"its bias {bias.shape} does not fit {channels} channels", "export the file again")
    kernel = weights.shape[1], weights.shape[2]
    stride = window_stride(node, kernel)
    own = window_pads(node, (view.index.shape[2], view.index.shape[3]), kernel, stride)
    total = (own[0] + before[0], own[1] + before[1], own[2] + before[2], own[3] + before[3])
    out, pads = output_geometry(node, (shape[0], shape[1]), kernel, stride, total)
    if view.affine is not None:
        weights, bias = _fold_forward(walk, node, view, weights, bias, depthwise, any(pads))
        steps = None
    out_shape = (*out, channels)
    check_size(node, out_shape)
    made = Conv(node.name, "", "", weights, bias, stride, pads, depthwise)
    walk.emit(node, made, (view.draft,), out_shape, chw_index(out_shape), one_step(steps, depthwise))


def _fold_forward(
    walk: Walk, node: SourceNode, view: View, weights: FloatArray, bias: FloatArray, depthwise: bool, padded: bool
) -> tuple[FloatArray, FloatArray]:
    """Fold a scale and shift ahead of a convolution into it; refused where padding would have to be shifted."""
    assert view.affine is not None
    scale, shift = (per_channel(values, view.draft.shape) for values in (view.affine.scale, view.affine.shift))
    if scale is None or shift is None or (padded and np.any(shift != 0)):
        walk.refuse_affine(node, view)
    added = (weights * shift).sum(axis=(0, 1, 2) if depthwise else (1, 2, 3))
    return weights * scale, bias + added


def _gemm(walk: Walk, node: SourceNode) -> None:
    matrix = walk.floats(node, 1)
    if matrix.ndim != 2 or node.integer("transA", 0):
        node.fail("is not a dense layer (vector by constant matrix)", READS)

    def oriented(given: FloatArray) -> FloatArray:
        return (given.T if node.integer("transB", 0) else given) * node.number("alpha", 1.0)

    matrix, steps = oriented(matrix), walk.weight_steps(node, 1, oriented)
    bias = np.zeros(matrix.shape[1])
    if walk.constant(node, 2) is not None:
        given = walk.floats(node, 2) * node.number("beta", 1.0)
        if given.size not in (1, matrix.shape[1]):
            node.fail(f"its bias {given.shape} does not fit {matrix.shape[1]} outputs", "export the file again")
        bias = bias + given.ravel()
    _dense(walk, node, matrix, bias, steps)


def _matmul(walk: Walk, node: SourceNode) -> None:
    matrix = walk.floats(node, 1)
    if matrix.ndim != 2:
        node.fail(f"its constant {matrix.shape} is not a matrix", READS)
    _dense(walk, node, matrix, np.zeros(matrix.shape[1]), walk.weight_steps(node, 1, lambda constant: constant))


def _dense(walk: Walk, node: SourceNode, matrix: FloatArray, bias: FloatArray, steps: FloatArray | None) -> None:
    """matrix, steps: (in, out). A vector, however it was flattened, or each pixel of an NHWC map by itself."""
    view = walk.logical(node, walk.view(node))
    features, outputs = matrix.shape
    shape, index = view.draft.shape, view.index
    if not index.ndim or index.shape[-1] != features:
        node.fail(f"its matrix {matrix.shape} does not fit a tensor {index.shape}", "export the file again")
    if index.size == features:
        weights, added = dense_weights(matrix, index.ravel(), shape, view.affine)
        bias, out_shape = bias + added, (1, 1, outputs)
    elif features == shape[2] and np.array_equal(index.ravel(), np.arange(view.draft.size)):
        weights, out_shape = np.ascontiguousarray(matrix.T)[:, None, None, :], (shape[0], shape[1], outputs)
        if view.affine is not None:
            weights, bias = _fold_forward(walk, node, view, weights, bias, False, False)
    else:
        node.fail(f"multiplies a tensor {index.shape} that is neither a vector nor a picture", READS)
    check_size(node, out_shape)
    positions = np.arange(np.prod(out_shape), dtype=np.int32).reshape(*index.shape[:-1], outputs)
    kept = None if steps is None or view.affine is not None else one_step(steps.T[:, None, None, :], False)
    walk.emit(node, Conv(node.name, "", "", weights, bias), (view.draft,), out_shape, positions, kept)


def _average_pool(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node)
    kernel = node.ints("kernel_shape", ())
    size = view.index.shape[2:]
    if len(kernel) != 2 or kernel != size or any(window_pads(node, kernel, kernel, kernel)):
        node.fail(f"its window {kernel} is not the whole map {size}", "only global average pooling is supported")
    _mean(walk, node, view, (2, 3), keep=True)


def _global_pool(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node)
    _mean(walk, node, view, range(2, view.index.ndim), keep=True)


def _reduce_mean(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node, allow_partial=True)
    rank = view.index.ndim - bool(view.partial_mean)
    given = walk.constant(node, 1)
    axes = node.ints("axes", ()) if given is None else tuple(int(axis) for axis in given.ravel())
    if not axes and node.integer("noop_with_empty_axes", 0):
        walk.set_view(node, view)
        return
    if any(not -rank <= axis < rank for axis in axes):
        node.fail(f"axes {axes} of a tensor with {rank} dimensions", "export the file again")
    _mean(walk, node, view, [axis % rank for axis in axes or range(rank)], keep=bool(node.integer("keepdims", 1)))


def _mean(walk: Walk, node: SourceNode, view: View, axes: Sequence[int], keep: bool) -> None:
    """The mean over axes of the ONNX tensor: the whole map of each channel, or a part that a later mean completes."""
    view = walk.settled(node, view)
    rank = view.index.ndim - bool(view.partial_mean)
    shape = view.index.shape[:rank]
    kept = [axis for axis in range(rank) if axis not in axes]
    order = [*kept, *axes, *range(rank, view.index.ndim)]
    out_shape = [1 if axis in axes else shape[axis] for axis in range(rank) if keep or axis not in axes]
    groups = view.index.transpose(order).reshape(*out_shape, -1)
    height, width, channels = view.draft.shape
    members = groups.shape[-1]
    if members == 1:
        walk.set_view(node, view.moved(groups[..., 0], node.label))
    elif members < height * width:
        walk.set_view(node, replace(view, index=groups, partial_mean=node.label))
    else:
        owner = groups[..., 0] % channels
        pixels = np.sort(groups, axis=-1) - owner[..., None]
        if members != height * width or np.any(pixels != np.arange(height * width) * channels):
            node.fail("averages over other than height and width", READS)
        made = GlobalAveragePool(node.name, "", "")
        walk.emit(node, made, (view.draft,), (1, 1, channels), owner.astype(np.int32))


def _softmax(walk: Walk, node: SourceNode) -> None:
    view = walk.settled(node, walk.view(node))
    old = walk.source.opset < 13  # it flattens the tensor to two dimensions at the axis
    rank = view.index.ndim
    axis = node.integer("axis", 1 if old else -1)
    if not -rank <= axis < rank:
        node.fail(f"axis {axis} of a tensor with {rank} dimensions", "export the file again")
    axis %= rank
    classes = int(np.prod(view.index.shape[axis:])) if old else view.index.shape[axis]
    shape = view.draft.shape
    if (
        classes != view.index.size
        or shape != (1, 1, classes)
        or not np.array_equal(view.index.ravel(), np.arange(classes))
    ):
        node.fail(
            f"is not over the classes: axis {axis} of {view.index.shape}", "Softmax must be over the class scores"
        )
    walk.logits = node.inputs[0]
    walk.emit(node, Softmax(node.name, "", ""), (view.draft,), shape, view.index)


HANDLERS: dict[str, Handler] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "MatMul": _matmul,
    "ReduceMean": _reduce_mean,
    "Softmax": _softmax,
}

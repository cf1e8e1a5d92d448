"""ONNX operators that leave no operator in the graph: they move elements, or fold into a neighbour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from linnet_converter.graph import Add, Clamp, FloatArray
from linnet_converter.onnx_file import FLOAT_TYPES, Array, SourceNode
from linnet_converter.onnx_layers import batch_norm, check_size
from linnet_converter.onnx_views import PADDING, Affine, View, compose, fold_affine, fold_clamp, per_position
from linnet_converter.onnx_walk import READS, Walk, clamp_changes

Handler = Callable[[Walk, SourceNode], None]

IN_TRAINING = "the network was exported in training mode"


def _identity(walk: Walk, node: SourceNode) -> None:
    walk.set_view(node, walk.view(node))


def _move(walk: Walk, node: SourceNode) -> None:
    """Do to the positions what the node does to the values."""
    view = walk.view(node)
    feeds: dict[str, Array] = {node.inputs[0]: view.index}
    for position, name in enumerate(node.inputs[1:], start=1):
        if (value := walk.constant(node, position)) is not None:
            feeds[name] = value
    walk.set_view(node, view.moved(walk.source.evaluate(node, feeds)[0].astype(np.int32, copy=False), node.label))


def _pad(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node)
    if (mode := node.text("mode", "constant")) != "constant":
        node.fail(f"mode '{mode}' is not supported", "pad with constant zeros")
    if (value := walk.scalar(node, 2, node.number("value", 0.0))) != 0:
        node.fail(f"pads with {value:g}", "pad with zeros, behind the normalization if there is one")
    given, chosen = walk.constant(node, 1), walk.constant(node, 3)
    pads = node.ints("pads", ()) if given is None else tuple(int(pad) for pad in given.ravel())
    rank = view.index.ndim
    axes = list(range(rank)) if chosen is None else [int(axis) % rank for axis in chosen.ravel()]
    if len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        node.fail(f"pads {pads}", "pad with two numbers of 0 or more for each axis")
    widths = [(0, 0)] * rank
    for position, axis in enumerate(axes):
        widths[axis] = pads[position], pads[position + len(axes)]
    check_size(node, [sum(width, length) for width, length in zip(widths, view.index.shape, strict=True)])
    walk.set_view(node, view.moved(np.pad(view.index, widths, constant_values=PADDING), node.label))


def _cast(walk: Walk, node: SourceNode) -> None:
    if node.integer("to", 0) not in FLOAT_TYPES:
        node.fail("casts to something other than float", "give the float network")
    _identity(walk, node)


def _dropout(walk: Walk, node: SourceNode) -> None:
    training = walk.constant(node, 2)
    if training is not None and bool(training.any()):
        node.fail(IN_TRAINING, "export it in evaluation mode")
    _identity(walk, node)


def _clamp(walk: Walk, node: SourceNode, view: View, clamp: Clamp) -> None:
    draft = view.draft
    if view.has_padding and not clamp.low <= 0 <= clamp.high:
        node.fail("changes the zeros of a Pad ahead of it", "put the activation ahead of the padding")
    if draft.grid is not None:  # its values are rounded already: what comes of it is for the next QuantizeLinear
        walk.set_view(node, replace(view, clamp=compose(view.clamp or Clamp(), clamp)))
        return
    if view.affine is not None:
        walk.refuse_affine(node, view)
    if not clamp_changes(view, clamp):
        walk.set_view(node, view)
        return
    if view.shared:
        node.fail(f"{draft.label} ahead of it is read elsewhere too", "let everything read the activation's output")
    if not fold_clamp(draft, clamp):
        node.fail(f"it is an activation of {draft.label}", "put activations behind convolutions, additions or the pool")
    walk.set_folded(node, view)


def _relu(walk: Walk, node: SourceNode) -> None:
    _clamp(walk, node, walk.view(node), Clamp(low=0.0))


def _clip(walk: Walk, node: SourceNode) -> None:
    free = Clamp()
    low = walk.scalar(node, 1, node.number("min", free.low))
    high = walk.scalar(node, 2, node.number("max", free.high))
    if np.isnan(low) or np.isnan(high):
        node.fail("a bound is not a number", "export the file again")
    _clamp(walk, node, walk.view(node), compose(free, Clamp(low, high)))


def _min_max(walk: Walk, node: SourceNode) -> None:
    if len(node.inputs) != 2:
        node.fail(f"it has {len(node.inputs)} operands", "use Clip")
    position = 0 if isinstance(walk.operand(node, 0), View) else 1
    bound = walk.scalar(node, 1 - position, 0.0)
    _clamp(walk, node, walk.view(node, position), Clamp(low=bound) if node.op == "Max" else Clamp(high=bound))


def _arithmetic(walk: Walk, node: SourceNode) -> None:
    """Add, Sub, Mul, Div, Sum: with a constant a scale or shift, of two tensors a residual addition."""
    if len(node.inputs) != 2:
        node.fail(f"it has {len(node.inputs)} operands", "combine two tensors at a time")
    position = 0 if isinstance(walk.operand(node, 0), View) else 1
    constant, view = walk.operand(node, 1 - position), walk.view(node, position)
    if isinstance(constant, View):
        _add(walk, node, view, walk.view(node, 1))
        return
    other = walk.floats(node, 1 - position)
    one, zero = np.ones_like(other), np.zeros_like(other)
    if node.op in ("Add", "Sum"):
        scale, shift = one, other
    elif node.op == "Sub":
        scale, shift = (one, -other) if position == 0 else (-one, other)
    elif node.op == "Mul":
        scale, shift = other, zero
    elif position == 0 and np.all(other != 0):
        scale, shift = 1.0 / other, zero
    else:
        node.fail("divides by zero or by a computed tensor", READS)
    _affine(walk, node, view, scale, shift)


def _add(walk: Walk, node: SourceNode, first: View, second: View) -> None:
    if node.op not in ("Add", "Sum"):
        node.fail("combines two computed tensors", READS)
    first, second = walk.settled(node, first), walk.settled(node, second)
    if first.draft.shape != second.draft.shape or not np.array_equal(first.index, second.index):
        shapes = f"{first.index.shape} and {second.index.shape}"
        node.fail(
            f"its operands {shapes} differ in shape or in the order of their elements", "add tensors of the same shape"
        )
    if first.has_padding or first.index.size != first.draft.size:
        node.fail("adds padded or cut tensors", "pad only ahead of convolutions")
    walk.emit(node, Add(node.name, ("", ""), ""), (first.draft, second.draft), first.draft.shape, first.index)


def _batch_norm(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node)
    if node.integer("training_mode", 0) or any(node.outputs[1:]):
        node.fail(IN_TRAINING, "export it in evaluation mode")
    gamma, beta, mean, var = (walk.floats(node, position) for position in range(1, 5))
    scale, shift = batch_norm(node, gamma, beta, mean, var)
    if view.index.ndim < 2 or view.index.shape[1] != scale.size:
        node.fail(f"its {scale.size} channels do not fit a tensor {view.index.shape}", "export the file again")
    rest = (1,) * (view.index.ndim - 2)
    _affine(walk, node, view, scale.reshape(-1, *rest), shift.reshape(-1, *rest))


def _affine(walk: Walk, node: SourceNode, view: View, scale: FloatArray, shift: FloatArray) -> None:
    """Scale and shift, broadcast as ONNX does: into the convolution before, or kept for the one after."""
    try:
        shape = np.broadcast_shapes(view.index.shape, scale.shape)
    except ValueError:
        shape = ()
    if not shape or np.prod(shape) != view.index.size:
        node.fail(
            f"a constant of shape {scale.shape} does not fit a tensor {view.index.shape}", "use one value per channel"
        )
    if view.clamp is not None:
        view = walk.clamped(node, view)
    draft, index = view.draft, view.index.reshape(shape)
    whole_scale = per_position(np.broadcast_to(scale, shape), index, draft.size, 1.0)
    whole_shift = per_position(np.broadcast_to(shift, shape), index, draft.size, 0.0)
    if whole_scale is None or whole_shift is None:
        node.fail("treats copies of one value differently", READS)
    if view.has_padding and np.any(np.broadcast_to(shift, shape)[index == PADDING]):
        node.fail("shifts the zeros of a Pad ahead of it", "normalize ahead of the padding")
    view = replace(view, index=index)
    if view.affine is None and not view.shared and fold_affine(draft, whole_scale, whole_shift):
        walk.set_folded(node, view)
        return
    if view.affine is not None:
        whole_shift = view.affine.shift * whole_scale + whole_shift
        whole_scale = view.affine.scale * whole_scale
    if view.affine is not None or np.any(whole_scale != 1) or np.any(whole_shift != 0):
        view = replace(view, affine=Affine(whole_scale, whole_shift, node.label))
    walk.set_view(node, view)


_MOVES = ("Expand", "Flatten", "Gather", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_MOVES, _move),
    "Add": _arithmetic,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "CastLike": _identity,
    "Clip": _clip,
    "Div": _arithmetic,
    "Dropout": _dropout,
    "Identity": _identity,
    "Max": _min_max,
    "Min": _min_max,
    "Mul": _arithmetic,
    "Pad": _pad,
    "Relu": _relu,
    "Sub": _arithmetic,
    "Sum": _arithmetic,
}

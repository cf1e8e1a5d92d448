"""What an ONNX tensor is in terms of Linnet's graph, while the graph is being built.

Layout is not guessed from node types. A `View` carries, for each element of an ONNX tensor, the position of that
element in (height, width, channels) order; whatever only moves elements (Transpose, Reshape, Squeeze, Gather, Pad...)
is run on these positions. Where an operator needs a picture or a vector, the positions say exactly what it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from linnet_converter.graph import Add, Clamp, Conv, FloatArray, GlobalAveragePool, Node, Shape, Softmax
from linnet_converter.imports.network import Grid

IndexArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

PADDING = -1  # the position of a zero that a Pad node added


@dataclass(eq=False)
class Draft:
    """An operator of the graph to be (node is None: the network's input), changed as later nodes fold into it.

    tensor: name of the file's tensor that it computes, after the last folded node.
    shape: (height, width, channels); of the input, as the file lies until its layout is known.
    grid: of a quantized file, where the values of the tensor lie, once a QuantizeLinear has said it.
    steps: of a convolution in a quantized file, (out,): the scale of each channel's weights, 0 where there is none.
    """

    tensor: str
    shape: Shape
    inputs: tuple[Draft, ...] = ()
    node: Node | None = None
    grid: Grid | None = None
    steps: FloatArray | None = None

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def label(self) -> str:
        return f"{type(self.node).__name__} '{self.node.name}'" if self.node else f"the input '{self.tensor}'"

    @property
    def activation(self) -> Clamp:
        return Clamp() if self.node is None or isinstance(self.node, Softmax) else self.node.activation


@dataclass(frozen=True)
class Affine:
    """x * scale + shift with one value per position of the tensor; label: the node that it comes from."""

    scale: FloatArray
    shift: FloatArray
    label: str


@dataclass(frozen=True)
class View:
    """An ONNX tensor as positions in a draft's output.

    index: shape of the ONNX tensor, batch 1; PADDING where a Pad node put a zero.
    shared: a tensor between the draft and this one is read by someone else, so that nothing may fold into the draft.
    affine: per-position scale and shift still to be applied, when they could not fold into the draft.
    clamp: of a quantized draft, an activation behind its QuantizeLinear, still to be applied after affine.
    moves: labels of the nodes that moved elements.
    partial_mean: label of a ReduceMean that covers a part of the map; the mean over the last axis of index is meant.
    """

    draft: Draft
    index: IndexArray
    shared: bool = False
    affine: Affine | None = None
    clamp: Clamp | None = None
    moves: tuple[str, ...] = field(default=())
    partial_mean: str = ""

    @property
    def has_padding(self) -> bool:
        return bool(self.index.size) and bool(np.min(self.index) == PADDING)

    def moved(self, index: IndexArray, label: str) -> View:
        return replace(self, index=index, moves=(*self.moves, label))


def chw_index(shape: Shape) -> IndexArray:
    """Positions of a (h, w, c) tensor lying as (1, c, h, w)."""
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape).transpose(2, 0, 1)[np.newaxis]


def channel_order(index: IndexArray, shape: Shape) -> npt.NDArray[np.int32] | None:
    """The channels that index, (c, h, w), reads in order; None unless it is a whole (h, w, c) tensor pixel by pixel."""
    height, width, channels = shape
    if index.shape != (channels, height, width):
        return None
    order = index[:, 0, 0]
    pixels = np.arange(height * width, dtype=np.int32).reshape(1, height, width) * channels
    if not np.array_equal(np.sort(order), np.arange(channels)) or not np.array_equal(
        index, order[:, None, None] + pixels
    ):
        return None
    return np.asarray(order)


def strip_padding(index: IndexArray) -> tuple[IndexArray, tuple[int, int, int, int]]:
    """Split (c, h, w) positions into the part without PADDING around it and the pads (top, left, bottom, right)."""
    inside: BoolArray = index[0] != PADDING
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        return index, (0, 0, 0, 0)
    top, left = int(rows[0]), int(columns[0])
    bottom, right = index.shape[1] - 1 - int(rows[-1]), index.shape[2] - 1 - int(columns[-1])
    inner = index[:, top : index.shape[1] - bottom, left : index.shape[2] - right]
    return inner, (top, left, bottom, right)


def per_channel(values: FloatArray, shape: Shape) -> FloatArray | None:
    """One value per channel, (c,), of values per position, or None where they differ within a channel."""
    table = values.reshape(-1, shape[2])
    return table[0] if bool((table == table[0]).all()) else None


def per_position(values: FloatArray, index: IndexArray, size: int, default: float) -> FloatArray | None:
    """Values over an ONNX tensor brought to (size,) positions; None where one position is given two values."""
    result = np.full(size, default)
    read = index != PADDING
    result[index[read]] = values[read]
    return result if np.array_equal(result[index[read]], values[read]) else None


def fold_affine(draft: Draft, scale: FloatArray, shift: FloatArray) -> bool:
    """Fold scale and shift, (positions,) each, into a convolution without activation; False where it cannot be."""
    conv = draft.node
    if not isinstance(conv, Conv) or not conv.activation.is_identity or draft.grid is not None:
        return False
    factor, offset = per_channel(scale, draft.shape), per_channel(shift, draft.shape)
    if factor is None or offset is None:
        return False
    weights = conv.weights * (factor if conv.depthwise else factor[:, None, None, None])
    draft.node = replace(conv, weights=weights, bias=conv.bias * factor + offset)
    if draft.steps is not None:
        draft.steps = draft.steps * np.abs(factor)
    return True


def compose(first: Clamp, second: Clamp) -> Clamp:
    """The clamp that does first, then second."""
    low = min(max(first.low, second.low), second.high)
    high = min(max(first.high, second.low), second.high)
    return Clamp(low, high)


def fold_clamp(draft: Draft, clamp: Clamp) -> bool:
    """Fold an activation into a draft; False where it has none to set."""
    if not isinstance(draft.node, Conv | Add | GlobalAveragePool):
        return False
    draft.node = replace(draft.node, activation=compose(draft.node.activation, clamp))
    return True

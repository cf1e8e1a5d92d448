"""The float network and its integer twin on the same pictures, one operator at a time.

Only tensors that are still to be read are kept, so that a hundred pictures fit memory. The integer side is computed in
float32 by onnxruntime on integers that float32 holds; single values may round the other way than the law's, which
statistics do not notice. What must be exact is the oracle's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from linnet.format_gen import DType, OpKind

from . import float_model, qdq, quantize
from .graph import Add, Conv, FloatArray, GlobalAveragePool, Graph, Node, Softmax
from .qgraph import QGraph, QOp
from .quantize import Preprocessing

Values = npt.NDArray[np.float32]
"""(pictures, channels, height, width)."""

Pictures = Sequence[npt.NDArray[np.uint8]]
"""(height, width, channels) each."""

POSITIONS = 8192
"""Output positions of a layer whose inputs are looked at, drawn over all pictures."""

_BATCH = 2
"""Pictures at a time. Each layer has a session of its own, whose memory is new: the less a batch needs, the better."""

_BYTES = 2**29
"""How much of the float network's largest tensor may be held, over all pictures; some five times that is in use."""


def affordable(graph: Graph, pictures: Pictures) -> Pictures:
    """As many of the pictures, evenly spread, as SideBySide can hold in about 2.5 GiB."""
    largest = 4 * max(height * width * channels for height, width, channels in graph.shapes.values())
    count = max(1, min(len(pictures), _BYTES // largest))
    return [pictures[i * len(pictures) // count] for i in range(count)]


@dataclass(frozen=True)
class Integers:
    """A convolution's constants as the statistics want them.

    weights: (out, taps).  scale: real value of one step of the sum, (out,).  pad: stored value outside the map, of each
    tap, (taps,).  bias: real, (out,), such that sum = bias + scale * weights . (x - pad).
    """

    weights: FloatArray
    scale: FloatArray
    bias: FloatArray
    pad: FloatArray


def pad_values(graph: QGraph, op: QOp) -> npt.NDArray[np.float32]:
    """What a convolution reads outside its input, in stored units, (channels in,)."""
    source = graph.tensors[op.inputs[0]]
    values = np.full(source.shape[2], source.zero_point) if op.pad_values is None else op.pad_values
    return values.astype(np.float32)


def integers(graph: QGraph, op: QOp) -> Integers:
    """The constants of an operator that has weights."""
    assert op.weights is not None and op.bias is not None
    if op.kind == OpKind.depthwise:
        weights = op.weights.reshape(-1, op.weights.shape[2]).T.astype(np.float64)
        pad = np.full(weights.shape[1], graph.tensors[op.inputs[0]].zero_point, np.float64)
    else:
        weights = op.weights.reshape(op.weights.shape[0], -1).astype(np.float64)
        pad = np.tile(pad_values(graph, op).astype(np.float64), op.kernel[0] * op.kernel[1])
        pad = np.resize(pad, weights.shape[1])
    scale = qdq.weight_scales(graph, op) * graph.tensors[op.inputs[0]].scale
    return Integers(weights, scale, (op.bias + weights @ pad) * scale, pad)


def with_integers(op: QOp, changed: Integers) -> QOp:
    """The operator with other weights and bias. The bias stays within what docs/numerics.md allows."""
    assert op.weights is not None
    room = ((2**31 - 1) >> op.shift) - quantize.PRODUCT_BOUND * changed.weights.shape[1]
    bias = np.clip(np.rint(changed.bias / changed.scale) - changed.weights @ changed.pad, -room, room)
    weights = changed.weights.astype(np.int8)
    stored = weights.T if op.kind == OpKind.depthwise else weights
    return replace(op, weights=np.ascontiguousarray(stored).reshape(op.weights.shape), bias=bias.astype(np.int32))


class SideBySide:
    """Both networks at work. Go through quantized.ops[1:] in order, finishing each with `keep` or `advance`."""

    def __init__(self, graph: Graph, quantized: QGraph, pictures: Pictures) -> None:
        self.graph, self.quantized = graph, quantized
        self.gain, self.shift = quantize.stored_input(graph, Preprocessing(quantized.mean, quantized.std))
        self.nodes: dict[str, Node] = {node.name: node for node in graph.nodes}
        self._following = {op.output: quantized.ops[i + 1 :] for i, op in enumerate(quantized.ops)}
        pixels = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) - 128
        gain, shift = (each.astype(np.float32)[:, None, None] for each in (self.gain, self.shift))
        self.floats: dict[str, Values] = {graph.input: pixels * gain + shift}
        self.stored: dict[int, npt.NDArray[np.int8]] = {quantized.ops[0].output: pixels.astype(np.int8)}

    def conv(self, op: QOp) -> Conv | None:
        """The float convolution that an operator stands for, on the input that is stored; None for others."""
        node = self.nodes.get(op.name)
        if not isinstance(node, Conv):
            return None
        return quantize.on_stored_input(self.graph, node, self.gain, self.shift)

    def wanted(self, op: QOp) -> Values:
        """The float network's values ahead of the activation, shortcut included."""
        nodes = stands_for(self.graph, self.quantized, op)
        if not nodes:  # the picture's normalization
            return self.floats[self.graph.input].copy()
        node = nodes[0]
        if isinstance(node, GlobalAveragePool):
            pooled: Values = self.floats[node.input].mean((2, 3), keepdims=True)
            return pooled
        if isinstance(node, Add):
            return self.floats[node.inputs[0]] + self.floats[node.inputs[1]]
        assert isinstance(node, Conv)
        run, x = _convolution(node), self.floats[node.input]
        height, width, channels = self.graph.shapes[node.output]
        made = np.empty((len(x), channels, height, width), np.float32)
        for start in range(0, len(x), _BATCH):
            made[start : start + _BATCH] = run(x[start : start + _BATCH])
        if len(nodes) == 2:
            made += self.floats[next(name for name in nodes[1].inputs if name != node.output)]
        return made

    def computed(self, op: QOp) -> Values:
        """The integer network's values ahead of the activation, shortcut included, real units, not yet rounded."""
        if op.weights is None:
            parts = [self._real(index, slice(None)) for index in op.inputs]
            return parts[0] + parts[1] if op.kind == OpKind.add else parts[0].mean((2, 3), keepdims=True)
        source, out = self.stored[op.inputs[0]], self.quantized.tensors[op.output]
        run = _convolution(_real_convolution(self.quantized, op))
        pad = pad_values(self.quantized, op)[:, None, None]
        made = np.empty((len(source), out.shape[2], *out.shape[:2]), np.float32)
        for start in range(0, len(source), _BATCH):
            part = slice(start, start + _BATCH)
            made[part] = run(source[part].astype(np.float32) - pad)
            if len(op.inputs) == 2:
                made[part] += self._real(op.inputs[1], part)
        return made

    def _real(self, tensor: int, part: slice) -> Values:
        about = self.quantized.tensors[tensor]
        stored = self.stored[tensor][part].astype(np.float32)
        return np.float32(about.scale) * (stored - np.float32(about.zero_point))

    def patches(self, op: QOp, wanted: Values, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """What a convolution reads at up to POSITIONS positions drawn from all, and what it should give there.

        Stored input less the padding value, (positions, taps), or (positions, taps, channels) for a depthwise one; and
        `wanted` (positions, out).
        """
        places = wanted[:, 0].shape
        drawn = np.arange(int(np.prod(places)))
        if len(drawn) > POSITIONS:
            drawn = np.sort(np.random.default_rng(seed).choice(len(drawn), POSITIONS, replace=False))
        n, y, x = np.unravel_index(drawn, places)
        stored = self.stored[op.inputs[0]]
        pad = pad_values(self.quantized, op)
        _, channels, height, width = stored.shape
        kernel = (height, width) if op.kind == OpKind.fully_connected else op.kernel
        read = np.zeros((len(drawn), kernel[0] * kernel[1], channels), np.float32)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                row, column = y * op.stride[0] + i - op.pad[0], x * op.stride[1] + j - op.pad[1]
                held = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                read[held, i * kernel[1] + j] = stored[n[held], :, row[held], column[held]] - pad
        return read if op.kind == OpKind.depthwise else read.reshape(len(drawn), -1), wanted[n, :, y, x]

    def keep(self, op: QOp, wanted: Values, computed: Values) -> None:
        """Finish an operator from its values ahead of the activation, which are used up.

        Forgets what nothing reads any more.
        """
        out = self.quantized.tensors[op.output]
        self.floats[out.name] = np.clip(wanted, *bounds(self.graph, self.quantized, op), out=wanted)
        if out.dtype == DType.int8:
            steps = np.multiply(computed, np.float32(1 / out.scale), out=computed)
            steps = np.rint(steps, out=steps)
            steps += np.float32(out.zero_point)
            self.stored[op.output] = np.clip(steps, *op.clamp, out=steps).astype(np.int8)
        later = self._following[op.output]
        read = {index for other in later for index in other.inputs}
        self.stored = {index: values for index, values in self.stored.items() if index in read}
        nodes = [node for other in later for node in stands_for(self.graph, self.quantized, other)]
        names = {name for node in nodes for name in node.inputs}
        if self.quantized.ops[0].output in read:
            names.add(self.graph.input)
        self.floats = {name: values for name, values in self.floats.items() if name in names}

    def advance(self, op: QOp) -> None:
        """Compute an operator as it is, in both networks. A softmax is nobody's input and is passed over."""
        if op.kind != OpKind.softmax:
            self.keep(op, self.wanted(op), self.computed(op))


def stands_for(graph: Graph, quantized: QGraph, op: QOp) -> list[Node]:
    """The float nodes that an operator computes: one, a convolution and its addition, or none (see quantize)."""
    name = quantized.tensors[op.output].name
    found = [node for node in graph.nodes if node.name == op.name]
    if found and len(op.inputs) == 2 and not isinstance(found[0], Add):
        found += [node for node in graph.nodes if node.output == name]
    return found


def bounds(graph: Graph, quantized: QGraph, op: QOp) -> tuple[Values, Values]:
    """The float activation behind an operator: low and high of each channel, (channels or 1, 1, 1)."""
    nodes = stands_for(graph, quantized, op)
    if not nodes or isinstance(nodes[-1], Softmax):
        return np.full((1, 1, 1), -np.inf, np.float32), np.full((1, 1, 1), np.inf, np.float32)
    gain = nodes[-1].gain_of_channels if isinstance(nodes[-1], Conv) else np.ones(1)
    clamp = nodes[-1].activation
    low, high = np.full(len(gain), clamp.low), clamp.high * gain
    return low.astype(np.float32)[:, None, None], high.astype(np.float32)[:, None, None]


def _real_convolution(graph: QGraph, op: QOp) -> Conv:
    """An operator's sums in real units as a float convolution of its stored input less the padding value."""
    constants = integers(graph, op)
    depthwise = op.kind == OpKind.depthwise
    height, width, channels = graph.tensors[op.inputs[0]].shape
    rows, columns, _ = graph.tensors[op.output].shape
    kernel = (height, width) if op.kind == OpKind.fully_connected else op.kernel
    filters = constants.weights * constants.scale[:, None]
    bottom = (rows - 1) * op.stride[0] + kernel[0] - op.pad[0] - height
    right = (columns - 1) * op.stride[1] + kernel[1] - op.pad[1] - width
    return Conv(
        name=op.name,
        input="",
        output="",
        weights=filters.T.reshape(1, *kernel, -1) if depthwise else filters.reshape(-1, *kernel, channels),
        bias=constants.bias,
        stride=op.stride,
        pads=(*op.pad, max(bottom, 0), max(right, 0)),
        depthwise=depthwise,
    )


def _convolution(conv: Conv) -> Callable[[Values], Values]:
    """A convolution without its activation, in onnxruntime."""
    weights = conv.weights.transpose((3, 0, 1, 2) if conv.depthwise else (0, 3, 1, 2))
    group = len(weights) if conv.depthwise else 1
    node = helper.make_node("Conv", ["x", "weights", "bias"], ["y"], strides=conv.stride, pads=conv.pads, group=group)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in "xy")
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(weights, np.float32), "weights"),
        numpy_helper.from_array(conv.bias.astype(np.float32), "bias"),
    ]
    opset = [helper.make_opsetid("", float_model.OPSET)]
    body = helper.make_graph([node], "convolution", [x], [y], constants)
    session = float_model.session(helper.make_model(body, opset_imports=opset, ir_version=float_model.IR_VERSION))

    def run(values: Values) -> Values:
        (made,) = session.run(None, {"x": values})
        result: Values = made
        return result

    return run

"""From float graph and calibrated ranges to integers: scales, zero points, weights, biases and multipliers.

Weights are symmetric per output channel in [-127, 127], activations asymmetric per tensor, as in Jacob et al. 2018
(arXiv 1712.05877); the rounding, the folded residual and the exact picture are Linnet's own: docs/numerics.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.format_gen import DType, OpKind

from .graph import Add, Clamp, Conv, FloatArray, GlobalAveragePool, Graph, Shape, Softmax
from .qgraph import QGraph, QOp, QTensor
from .ranges import Range

PRODUCT_BOUND = 128 * 128
"""No product of an activation and a weight is larger; docs/numerics.md, requantization."""

SMALLEST_RATIO = 2.0**-18
"""Channels whose weights ask for less get a larger weight scale, so that multipliers keep 13 bits (dead channels)."""

MAX_TAPS = 2**15


@dataclass(frozen=True)
class Preprocessing:
    """What a source network is fed: (pixel - mean) / std per channel, pixels 0..255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(height, width, channels) uint8 to the float32 feed of the same shape."""
        feed: npt.NDArray[np.float32] = ((picture - np.array(self.mean)) / np.array(self.std)).astype(np.float32)
        return feed


@dataclass(frozen=True)
class _Scaled:
    """Scale and zero point chosen for a tensor, and the range that they must cover."""

    scale: float
    low: float

    @property
    def zero_point(self) -> int:
        return int(np.clip(np.rint(-128 - self.low / self.scale), -128, 127))


def _activation_scale(bounds: Range, clamp: Clamp) -> _Scaled:
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    if high - low <= 0:  # never seen to be anything but zero: give it what the activation allows
        low = max(clamp.low, -1.0)
        high = min(clamp.high, 1.0) if clamp.high > 0 else 0.0
        high = max(high, low + 1.0)
    return _Scaled((high - low) / 255, low)


def _quantized_clamp(clamp: Clamp, scale: float, zero_point: int) -> tuple[int, int]:
    def limit(value: float, unlimited: int) -> int:
        return unlimited if math.isinf(value) else int(np.clip(np.rint(value / scale) + zero_point, -128, 127))

    return limit(clamp.low, -128), limit(clamp.high, 127)


def _shift_for(largest_ratio: float) -> int:
    """Smallest s with round(ratio * 2^(31-s)) < 2^30."""
    shift = 0
    while round(largest_ratio * 2.0 ** (31 - shift)) >= 2**30:
        shift += 1
    return shift


def _addend_factor(scale: float, scale_out: float) -> int:
    factor = round(scale / scale_out * 2**14)
    assert 0 <= factor < 2**15
    return factor


SMALLEST_SUM_SCALE = 2**14 / (2**15 - 1)
"""scale_out of a sum, in units of the larger addend's scale, that keeps its factor below 2^15."""


@dataclass(frozen=True)
class _Weights:
    """A convolution's integers."""

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.int32]
    shift: int


def _quantize_weights(
    name: str, weights: FloatArray, bias: FloatArray, scale_in: float, zero_in: int, scale_out: float, gain: float
) -> _Weights:
    """weights: (channels out, taps).  gain: 1, or 2^6 where six fractional bits are kept for a residual."""
    taps = weights.shape[1]
    natural = np.abs(weights).max(axis=1) / 127
    floor = SMALLEST_RATIO * scale_out / scale_in
    for shift in range(31):
        # the bias and -zero_in * sum(w) share what the products leave of the accumulator
        room = ((2**31 - 1) >> shift) - 2 * PRODUCT_BOUND * taps
        if room < 2**16:
            break
        scale_w = np.maximum(np.maximum(natural, floor), np.abs(bias) / (scale_in * room))
        ratio = scale_in * scale_w / scale_out * gain
        multiplier = np.rint(ratio * 2.0 ** (31 - shift))
        if multiplier.max() >= 2**30:
            continue
        quantized = np.clip(np.rint(weights / scale_w[:, None]), -127, 127)
        offset = np.rint(bias / (scale_in * scale_w)) - zero_in * quantized.sum(axis=1)
        return _Weights(quantized.astype(np.int8), offset.astype(np.int32), multiplier.astype(np.int32), shift)
    raise LinnetError(
        f"{name}: its output range is too small beside its input and weights ({taps} taps) for 32-bit sums; "
        "calibrate with pictures like those it will see"
    )


def exp_table() -> npt.NDArray[np.uint32]:
    """65 words, T[i] = 2^(27 - i/64)."""
    return np.rint(2.0 ** (27 - np.arange(65) / 64)).astype(np.uint32)


class _Quantizer:
    """Works through a float graph in order; one instance quantizes one graph."""

    def __init__(self, graph: Graph, ranges: Mapping[str, Range], preprocessing: Preprocessing) -> None:
        self.graph = graph
        self.ranges = dict(ranges)
        self.shapes = dict(graph.shapes)
        self.input_gain, self.input_shift = stored_input(graph, preprocessing)
        self.tensors: list[QTensor] = [QTensor(graph.input, graph.shapes[graph.input], 1.0, 0)]
        self.index: dict[str, int] = {graph.input: 0}
        self.ops: list[QOp] = [QOp(name=graph.input, kind=OpKind.input, inputs=(), output=0)]
        self.folded = _fold_residuals(graph)

    def run(self) -> tuple[tuple[QTensor, ...], tuple[QOp, ...]]:
        swallowed = {conv.output for conv in self.folded.values()}
        for node in self.graph.nodes:
            if node.output in swallowed:
                continue
            if isinstance(node, Conv):
                self._conv(node)
            elif isinstance(node, Add):
                self._add(node)
            elif isinstance(node, GlobalAveragePool):
                self._pool(node)
            else:
                self._softmax(node)
        return tuple(self.tensors), tuple(self.ops)

    def _source(self, name: str) -> QTensor:
        """An operator's input. What takes the network's input without being a convolution gets it normalized by one."""
        if name != self.graph.input:
            return self.tensors[self.index[name]]
        normalized = f"{name}:normalized"
        if normalized not in self.index:
            ends = self.input_shift + self.input_gain * np.array([[-128.0], [127.0]])
            channels = len(self.input_gain)
            weights = np.eye(channels).reshape(channels, 1, 1, channels)
            self.ranges[normalized] = float(ends.min()), float(ends.max())
            self.shapes[normalized] = self.shapes[name]
            self._conv(Conv(normalized, name, normalized, weights, np.zeros(channels)))
        return self.tensors[self.index[normalized]]

    def _emit(self, tensor: QTensor, op: QOp) -> None:
        self.index[tensor.name] = len(self.tensors)
        self.tensors.append(tensor)
        self.ops.append(op)

    def _tensor(self, name: str, clamp: Clamp, smallest_scale: float) -> QTensor:
        """The tensor's scale from its calibrated range, raised where the arithmetic asks for it."""
        scaled = _activation_scale(self.ranges[name], clamp)
        scaled = _Scaled(_stored_scale(name, max(scaled.scale, smallest_scale)), scaled.low)
        return QTensor(name, self.shapes[name], scaled.scale, scaled.zero_point)

    def _conv(self, node: Conv, add: Add | None = None) -> None:
        conv = on_stored_input(self.graph, node, self.input_gain, self.input_shift)
        source = self.tensors[self.index[node.input]]
        _check_geometry(conv, source.shape, self.shapes[node.output])
        flat = per_output(conv)
        if flat.shape[1] > MAX_TAPS:
            raise LinnetError(f"{node.name}: {flat.shape[1]} weights per output; at most {MAX_TAPS} fit 32-bit sums")
        kind = self._kind(node, conv)
        # ratios up to 2^k need shift k + 1, which the accumulator must have room for
        headroom = 30 - math.ceil(math.log2(4 * PRODUCT_BOUND * flat.shape[1]))
        largest_product = source.scale * float(np.abs(flat).max()) / 127
        residual: QTensor | None = None
        if kind == OpKind.fully_connected:
            # fine enough for every sum, coarse enough for every bias
            scale = max(largest_product * 2**31 / (2**30 - 256), float(np.abs(conv.bias).max()) / 2**24)
            scale = _stored_scale(node.output, scale)
            out = QTensor(node.output, self.graph.shapes[node.output], scale, 0, DType.int32)
        else:
            name, clamp = (add.output, add.activation) if add else (node.output, node.activation)
            gain = 64 if add else 1
            smallest = gain * largest_product / 2.0**headroom
            if add:
                residual = self._source(_shortcut(add, node))
                smallest = max(smallest, residual.scale * SMALLEST_SUM_SCALE)
            out = self._tensor(name, clamp, smallest)
        integers = _quantize_weights(
            node.name, flat, conv.bias, source.scale, source.zero_point, out.scale, 64 if residual else 1
        )
        op = QOp(
            name=node.name,
            kind=kind,
            inputs=(self.index[node.input],),
            output=len(self.tensors),
            kernel=conv.kernel if kind != OpKind.fully_connected else (1, 1),
            stride=conv.stride,
            pad=conv.pads[:2],
            shift=integers.shift,
            clamp=(-128, 127) if kind == OpKind.fully_connected else _quantized_clamp(clamp, out.scale, out.zero_point),
            weights=stored_layout(integers.weights, conv, kind),
            bias=integers.bias,
            multiplier=integers.multiplier,
            pad_values=self._pad_values(node, source) if kind == OpKind.conv else None,
        )
        if residual and add:
            factor = _addend_factor(residual.scale, out.scale)
            offset = out.zero_point * 2**14 - residual.zero_point * factor + 2**13
            inputs = (*op.inputs, self.index[residual.name])
            op = replace(op, inputs=inputs, factor=factor, offset=offset)
        self._emit(out, op)

    def _kind(self, node: Conv, conv: Conv) -> OpKind:
        if conv.depthwise:
            return OpKind.depthwise
        if not conv.is_pointwise:
            return OpKind.conv
        is_logits = node.output == self.graph.logits and node.activation.is_identity
        on_one_pixel = self.graph.shapes[node.input][:2] == (1, 1)
        return (
            OpKind.fully_connected
            if is_logits and on_one_pixel and node.input != self.graph.input
            else OpKind.pointwise
        )

    def _pad_values(self, node: Conv, source: QTensor) -> npt.NDArray[np.int8]:
        if node.input != self.graph.input:
            return np.full(source.shape[2], source.zero_point, np.int8)
        nearest: npt.NDArray[np.float64] = np.floor(-self.input_shift / self.input_gain + 0.5)
        return np.clip(nearest, -128, 127).astype(np.int8)

    def _add(self, node: Add) -> None:
        if node.output in self.folded:
            self._conv(self.folded[node.output], node)
            return
        a, b = (self._source(name) for name in node.inputs)
        out = self._tensor(node.output, node.activation, max(a.scale, b.scale) * SMALLEST_SUM_SCALE)
        factor, factor2 = (_addend_factor(addend.scale, out.scale) for addend in (a, b))
        self._emit(
            out,
            QOp(
                name=node.name,
                kind=OpKind.add,
                inputs=(self.index[a.name], self.index[b.name]),
                output=len(self.tensors),
                clamp=_quantized_clamp(node.activation, out.scale, out.zero_point),
                factor=factor,
                factor2=factor2,
                offset=out.zero_point * 2**14 - a.zero_point * factor - b.zero_point * factor2 + 2**13,
            ),
        )

    def _pool(self, node: GlobalAveragePool) -> None:
        source = self._source(node.input)
        height, width, channels = source.shape
        if height * width > 2**15:
            raise LinnetError(f"{node.name}: averages {height} x {width} positions; at most 32768 fit 32-bit sums")
        out = self._tensor(node.output, node.activation, source.scale / 64)
        ratio = source.scale / (out.scale * height * width)
        shift = _shift_for(ratio)
        state = QTensor(f"{node.output}:sums", (1, 1, channels), source.scale / (height * width), 0, DType.int32)
        self.index[state.name] = len(self.tensors)
        self.tensors.append(state)
        self._emit(
            out,
            QOp(
                name=node.name,
                kind=OpKind.avg_pool,
                inputs=(self.index[source.name],),
                output=len(self.tensors),
                state=self.index[state.name],
                shift=shift,
                clamp=_quantized_clamp(node.activation, out.scale, out.zero_point),
                factor=round(ratio * 2.0 ** (31 - shift)),
                offset=-height * width * source.zero_point,
            ),
        )

    def _softmax(self, node: Softmax) -> None:
        logits = self._source(node.input)
        if logits.dtype != DType.int32:
            raise LinnetError(f"{node.name}: Softmax must follow a dense layer; export the network without it")
        exponent = logits.scale * math.log2(math.e) * 2**16
        shift = 30 - math.floor(math.log2(exponent))
        if not 0 <= shift <= 63:
            raise LinnetError(f"{node.name}: logits are of a size that Softmax cannot take (scale {logits.scale:g})")
        self._emit(
            QTensor(node.output, logits.shape, 2.0**-30, 0, DType.int32),
            QOp(
                name=node.name,
                kind=OpKind.softmax,
                inputs=(self.index[logits.name],),
                output=len(self.tensors),
                shift=shift,
                factor=min(round(exponent * 2.0**shift), 2**31 - 1),
                table=exp_table(),
            ),
        )


SMALLEST_SCALE = 2.0**-100


def _stored_scale(name: str, scale: float) -> float:
    """The float32 nearest to a scale, which the file stores and every integer is derived from."""
    stored = float(np.float32(max(scale, SMALLEST_SCALE))) if scale < 2.0**100 else math.inf
    if not math.isfinite(stored):
        raise LinnetError(
            f"{name}: values of this size ({scale:g} a step) cannot be quantized; check the network's weights"
        )
    return stored


MAX_KERNEL = 16


def _check_geometry(conv: Conv, source: Shape, out: Shape) -> None:
    """Raise LinnetError for a window that the file or the kernels have no room for."""
    for kernel, stride, pad, size, count in zip(
        conv.kernel, conv.stride, conv.pads[:2], source[:2], out[:2], strict=True
    ):
        if kernel > MAX_KERNEL or stride > MAX_KERNEL:
            raise LinnetError(
                f"{conv.name}: its kernel or stride is {max(kernel, stride)}; at most {MAX_KERNEL} is possible"
            )
        if pad >= kernel or (count - 1) * stride - pad >= size:
            raise LinnetError(
                f"{conv.name}: pads so much that some outputs see nothing else; pad less before exporting"
            )


def stored_input(graph: Graph, preprocessing: Preprocessing) -> tuple[FloatArray, FloatArray]:
    """(gain, shift), (channels,) each: pixel - 128 enters, the float graph's first operators see it * gain + shift."""
    gain = graph.input_scale / np.array(preprocessing.std)
    return gain, graph.input_shift + gain * (128 - np.array(preprocessing.mean))


def on_stored_input(graph: Graph, node: Conv, gain: FloatArray, shift: FloatArray) -> Conv:
    """The convolution as it is on the stored integers: the picture's normalization folded in."""
    if node.input != graph.input:
        return node
    weights, bias = node.weights, node.bias
    if node.depthwise:  # a picture's padding differs by channel, which only a full convolution knows
        channels = weights.shape[3]
        weights = np.einsum("hwc,oc->ohwc", weights[0], np.eye(channels))
    bias = bias + np.einsum("ohwc,c->o", weights, shift)
    return replace(node, weights=weights * gain, bias=bias, depthwise=False)


def _fold_residuals(graph: Graph) -> dict[str, Conv]:
    """Add's output name to the projection that it folds into: the later of its linear pointwise producers."""
    producers = {node.output: node for node in graph.nodes}
    folded: dict[str, Conv] = {}
    for node in graph.nodes:
        if not isinstance(node, Add) or node.inputs[0] == node.inputs[1]:
            continue
        candidates = [
            producer
            for name in node.inputs
            if isinstance(producer := producers.get(name), Conv)
            and producer.is_pointwise
            and producer.activation.is_identity
            and sum(1 for _ in graph.consumers(name)) == 1
            and producer.input != graph.input
            and name != graph.output
        ]
        if candidates:
            folded[node.output] = max(candidates, key=graph.nodes.index)
    return folded


def _shortcut(add: Add, conv: Conv) -> str:
    return add.inputs[1] if add.inputs[0] == conv.output else add.inputs[0]


def per_output(conv: Conv) -> FloatArray:
    """Weights as (channels out, taps)."""
    if conv.depthwise:
        filters: FloatArray = conv.weights[0].reshape(-1, conv.weights.shape[3]).T
    else:
        filters = conv.weights.reshape(conv.weights.shape[0], -1)
    return filters


def stored_layout(weights: npt.NDArray[np.int8], conv: Conv, kind: OpKind) -> npt.NDArray[np.int8]:
    """(channels out, taps) to the layout of the file."""
    if kind == OpKind.depthwise:
        return np.ascontiguousarray(weights.T).reshape(*conv.kernel, -1)
    if kind == OpKind.conv:
        return weights.reshape(weights.shape[0], *conv.kernel, -1)
    return weights


def shapes_only(graph: Graph) -> QGraph:
    """The quantized network with the right shapes and meaningless numbers: enough for plans, without calibration."""
    ranges = dict.fromkeys(graph.shapes, (-1.0, 1.0))
    nodes = tuple(
        replace(node, weights=np.zeros_like(node.weights), bias=np.ones_like(node.bias))
        if isinstance(node, Conv)
        else node
        for node in graph.nodes
    )
    channels = graph.shapes[graph.input][2]
    return quantize(replace(graph, nodes=nodes), ranges, Preprocessing((0.0,) * channels, (1.0,) * channels))


def quantize(
    graph: Graph, ranges: Mapping[str, Range], preprocessing: Preprocessing, labels: Sequence[str] = ()
) -> QGraph:
    """The quantized network.

    ranges: real (low, high) of every tensor of the graph but its input, from calibration.
    Raises LinnetError naming the node that cannot be expressed.
    """
    tensors, ops = _Quantizer(graph, ranges, preprocessing).run()
    classes = tensors[ops[-1].output].shape[2]
    if labels and len(labels) != classes:
        raise LinnetError(
            f"{len(labels)} labels for {classes} classes: give one label a line, in the order of the outputs"
        )
    return QGraph(tensors=tensors, ops=ops, mean=preprocessing.mean, std=preprocessing.std, labels=tuple(labels))

"""Where a network loses accuracy to int8: every layer by itself, and what each step of the recipe gave back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from linnet.format_gen import DType, InputKind, OpKind

from . import equalize, float_model, mixed, quantize, side_by_side
from .graph import Conv, FloatArray, Graph
from .qgraph import QGraph
from .quantize import Preprocessing
from .recipe import Stage, Track, untracked

_PARTS: tuple[mixed.Part, ...] = ("weights", "outputs")

Pictures = Sequence[npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Layer:
    """What quantization does to one operator. All dB are 10 log10(signal / error) over all pictures.

    low, high: real range that the stored values can take.  seen: real range of the float values.
    clipped: share of float values beyond low or high by more than half a step, percent.
    dead: channels whose float values stay within half a step, so that int8 sees a constant.  channels: of the output.
    weights_db: of its output when only its weights are int8.  alone_db: with its output rounded too; inputs are float.
    network_db: of the logits when only this operator is int8.  share: of all operators' errors in the logits that is
    this one's, percent, were they to add up.  so_far_db: of its output in the whole int8 network.
    steps: so_far_db after each step of the recipe, in its order; empty where they are not known.
    """

    name: str
    kind: str
    low: float
    high: float
    seen: tuple[float, float]
    clipped: float
    dead: int
    channels: int
    weights_db: float
    alone_db: float
    network_db: float
    share: float
    so_far_db: float
    steps: dict[str, float]


@dataclass(frozen=True)
class Explanation:
    """All layers in the order of the network; SQNR of the logits in dB: network_db of the int8 network, weights_only_db
    and outputs_only_db were only its weights int8, or only its activations; steps: after each step of the recipe.
    """

    pictures: int
    network_db: float
    weights_only_db: float
    outputs_only_db: float
    layers: tuple[Layer, ...]
    steps: dict[str, float]

    @property
    def worst_first(self) -> list[Layer]:
        return sorted(self.layers, key=lambda layer: layer.network_db)


class Noise:
    """Sums of squares of a signal and of the error of what came instead of it."""

    def __init__(self) -> None:
        self.signal = self.error = 0.0

    def add(self, wanted: npt.NDArray[np.float32], got: npt.NDArray[np.float32]) -> None:
        self.signal += float(np.square(wanted, dtype=np.float64).sum())
        self.error += float(np.square(got - wanted, dtype=np.float64).sum())

    @property
    def db(self) -> float:
        if not self.error:
            return math.inf
        return 10 * math.log10(self.signal / self.error) if self.signal else -math.inf


def matching(graph: Graph, quantized: QGraph) -> Graph:
    """The float network with the channel scales of a finished int8 one (equalize.ratios)."""
    preprocessing = Preprocessing(quantized.mean, quantized.std)
    gain, _ = quantize.stored_input(graph, preprocessing)
    rows: dict[str, tuple[FloatArray, FloatArray]] = {}
    nodes = {node.name: node for node in graph.nodes}
    # a producer of one pair may be the reader of another, whose filters carry that pair's ratio: go in order
    found: dict[str, FloatArray] = {}
    for op in quantized.ops:
        node = nodes.get(op.name)
        if not isinstance(node, Conv) or op.weights is None:
            continue
        constants = side_by_side.integers(quantized, op)
        real = constants.weights * (constants.scale / quantized.tensors[op.inputs[0]].scale)[:, None]
        if node.input == graph.input:
            real = real / np.tile(gain, real.shape[1] // len(gain))
            if node.depthwise:
                real = np.einsum("ctc->ct", real.reshape(len(gain), -1, len(gain)))
        if node.depthwise and node.input in found:
            real = real * found[node.input][:, None]
        rows[node.output] = real, constants.bias
        found.update(equalize.ratios(graph, {node.output: rows[node.output]}))
    return equalize.rescale(graph, found)


def mismatch(graph: Graph, quantized: QGraph) -> str | None:
    """Why the int8 network cannot come from this float one, or None: an operator or a shape that differs."""
    if quantized.input_kind != InputKind.pixels:
        return "its input is no picture"
    known = {node.name: node for node in graph.nodes}
    for op in quantized.ops[1:]:
        out = quantized.tensors[op.output]
        if op.name == f"{graph.input}:normalized":
            continue
        if op.name not in known:
            return f"the float network has no layer {op.name}"
        if graph.shapes.get(out.name) != out.shape:
            return f"the output of {op.name} differs in shape from the float network's"
    return None


def explain(
    graph: Graph,
    quantized: QGraph,
    pictures: Pictures,
    stages: Sequence[Stage] = (),
    track: Track = untracked,
) -> Explanation:
    """Measure every operator of a network on pictures, uint8 (height, width, channels).

    graph: the float network that quantized was made from, as it was read.  stages: recipe.stages of the conversion,
    where they are at hand.
    """
    matched = matching(graph, quantized)
    feeds = [_feed(picture) for picture in pictures]
    ops = [i for i, op in enumerate(quantized.ops) if op.kind not in (OpKind.input, OpKind.softmax)]
    names = {i: quantized.tensors[quantized.ops[i].output].name for i in ops}
    logits = graph.logits
    floats = float_model.session(mixed.to_onnx(matched, quantized, (), list(names.values())))
    spans = _Spans(quantized, ops)
    wanted_logits = []
    for feed in track(feeds, "float"):
        values = _run(floats, feed, list(names.values()))
        wanted_logits.append(values[logits])
        spans.add(values)

    def measure(index: int) -> tuple[Noise, Noise, Noise]:
        name, rough = names[index], mixed.unrounded(quantized, index)
        asked = list(dict.fromkeys([rough, mixed.beside(name), name, logits]))
        session = float_model.session(mixed.to_onnx(matched, quantized, {index}, asked))
        limits = side_by_side.bounds(matched, quantized, quantized.ops[index])
        weights, alone, network = Noise(), Noise(), Noise()
        for feed, answer in zip(feeds, wanted_logits, strict=True):
            got = _run(session, feed, asked)
            weights.add(got[mixed.beside(name)], np.clip(got[rough], *limits))
            alone.add(got[mixed.beside(name)], got[name])
            network.add(answer, got[logits])
        return weights, alone, network

    found = {index: measure(index) for index in track(ops, "layers")}
    after = {}
    for stage in track(stages, "steps"):
        made = quantize.quantize(stage.graph, stage.ranges, Preprocessing(quantized.mean, quantized.std))
        after[stage.name] = _so_far(matching(graph, made), made, feeds)
    whole = _so_far(matched, quantized, feeds)
    bounds: list[Noise] = []
    for part in _PARTS:
        session = float_model.session(mixed.to_onnx(matched, quantized, ops, [logits], part))
        bounds.append(Noise())
        for feed, answer in zip(feeds, wanted_logits, strict=True):
            bounds[-1].add(answer, _run(session, feed, [logits])[logits])
    errors = {index: network.error for index, (_, _, network) in found.items()}
    total = sum(errors.values()) or 1.0
    layers = tuple(
        Layer(
            name=quantized.ops[index].name,
            kind=quantized.ops[index].kind.name,
            **spans.of(index),
            weights_db=weights.db,
            alone_db=alone.db,
            network_db=network.db,
            share=100 * errors[index] / total,
            so_far_db=whole[names[index]],
            steps={name: values[names[index]] for name, values in after.items()},
        )
        for index, (weights, alone, network) in found.items()
    )
    steps = {name: values[logits] for name, values in after.items()}
    return Explanation(len(feeds), whole[logits], bounds[0].db, bounds[1].db, layers, steps)


class _Spans:
    """What float values do to the ranges of stored ones, over all pictures."""

    def __init__(self, quantized: QGraph, ops: Sequence[int]) -> None:
        self.outputs = {index: quantized.tensors[quantized.ops[index].output] for index in ops}
        self.clamps = {index: quantized.ops[index].clamp for index in ops}
        self.low: dict[int, FloatArray] = {}
        self.high: dict[int, FloatArray] = {}
        self.outside = dict.fromkeys(ops, 0)
        self.count = dict.fromkeys(ops, 0)

    def range(self, index: int) -> tuple[float, float]:
        """Real values of the least and the greatest stored one. Logits are 32 bits wide: without bounds."""
        out = self.outputs[index]
        if out.dtype == DType.int32:
            return -math.inf, math.inf
        low, high = (out.scale * (limit - out.zero_point) for limit in self.clamps[index])
        return low, high

    def add(self, values: dict[str, npt.NDArray[np.float32]]) -> None:
        for index, out in self.outputs.items():
            value = values[out.name]
            low, high = self.range(index)
            self.outside[index] += int(((value < low - out.scale / 2) | (value > high + out.scale / 2)).sum())
            self.count[index] += value.size
            least, greatest = (each(value, axis=(0, 2, 3)).astype(np.float64) for each in (np.min, np.max))
            self.low[index] = np.minimum(least, self.low.get(index, least))
            self.high[index] = np.maximum(greatest, self.high.get(index, greatest))

    def of(self, index: int) -> dict[str, Any]:
        """Fields of Layer."""
        low, high = self.range(index)
        return {
            "low": low,
            "high": high,
            "seen": (float(self.low[index].min()), float(self.high[index].max())),
            "clipped": 100 * self.outside[index] / self.count[index],
            "dead": int((self.high[index] - self.low[index] < self.outputs[index].scale / 2).sum()),
            "channels": len(self.low[index]),
        }


def _feed(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32) - 128)


def _run(
    session: onnxruntime.InferenceSession, feed: npt.NDArray[np.float32], names: Sequence[str]
) -> dict[str, npt.NDArray[np.float32]]:
    return dict(zip(names, session.run(list(names), {mixed.PIXELS: feed}), strict=True))


def _so_far(graph: Graph, quantized: QGraph, feeds: Iterable[npt.NDArray[np.float32]]) -> dict[str, float]:
    """SQNR in dB of every tensor of the whole int8 network against the float one of the same channel scales."""
    ops = [i for i, op in enumerate(quantized.ops) if op.kind not in (OpKind.input, OpKind.softmax)]
    names = [quantized.tensors[quantized.ops[i].output].name for i in ops]
    floats = float_model.session(mixed.to_onnx(graph, quantized, (), names))
    int8 = float_model.session(mixed.to_onnx(graph, quantized, ops, names))
    noises = {name: Noise() for name in names}
    for feed in feeds:
        wanted, got = _run(floats, feed, names), _run(int8, feed, names)
        for name, noise in noises.items():
            noise.add(wanted[name], got[name])
    return {name: noise.db for name, noise in noises.items()}

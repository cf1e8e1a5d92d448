"""Run the float network on pictures: the range of every tensor, and of every channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError

from . import float_model
from .graph import Clamp, FloatArray, Graph, Softmax
from .ranges import BINS, PERCENTILE, Histogram, Method, Range, choose

Feeds = Callable[[], Iterable[npt.NDArray[np.float32]]]


_SAMPLES = 1 << 15
"""Values of a tensor that enter its histogram from each picture."""

_DOUBLINGS = 2
"""How many doublings of the pictures `headroom` looks ahead."""


@dataclass(frozen=True)
class Extremes:
    """Least and greatest value of each channel of a tensor, (channels,), and the range of each half of the pictures."""

    low: FloatArray
    high: FloatArray
    halves: dict[int, Range]

    @property
    def range(self) -> Range:
        return float(self.low.min()), float(self.high.max())

    @property
    def magnitude(self) -> FloatArray:
        """Greatest absolute value of each channel."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


def _activations(graph: Graph, feeds: Feeds) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """All tensors of the graph but its input, (1, channels, height, width), picture by picture."""
    session = float_model.session(float_model.to_onnx(graph))
    names = [output.name for output in session.get_outputs()]
    source = session.get_inputs()[0].name
    for feed in feeds():
        x = (feed * graph.input_scale + graph.input_shift).astype(np.float32)
        values = session.run(None, {source: np.ascontiguousarray(x.transpose(2, 0, 1)[None])})
        yield dict(zip(names, values, strict=True))


def _union(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def extremes(graph: Graph, feeds: Feeds) -> dict[str, Extremes]:
    """What every tensor of the graph but its input reached, by channel."""
    found: dict[str, Extremes] = {}
    for number, values in enumerate(_activations(graph, feeds)):
        for name, value in values.items():
            low, high = (end(value, axis=(0, 2, 3)).astype(np.float64) for end in (np.min, np.max))
            seen = float(low.min()), float(high.max())
            halves = {number % 2: seen}
            if name in found:
                known = found[name]
                halves = {**known.halves, number % 2: _union(seen, known.halves.get(number % 2, seen))}
                low, high = np.minimum(low, known.low), np.maximum(high, known.high)
            found[name] = Extremes(low, high, halves)
    if not found:
        raise LinnetError("no calibration picture was given")
    for name, each in found.items():
        if not (np.isfinite(each.low).all() and np.isfinite(each.high).all()):
            raise LinnetError(f"{name}: the float network computes infinities or NaN on the calibration pictures")
    return found


def _histograms(graph: Graph, feeds: Feeds, ranges: dict[str, Range]) -> dict[str, Histogram]:
    counts = {name: np.zeros(BINS, np.int64) for name in ranges}
    for values in _activations(graph, feeds):
        for name, value in values.items():
            low, high = ranges[name]
            if high > low:
                some = value.ravel()[:: value.size // _SAMPLES | 1]  # odd, so that it walks through all columns
                bins = ((some - np.float32(low)) * np.float32(BINS / (high - low))).astype(np.int32)
                counts[name] += np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)
    return {name: Histogram(*ranges[name], counts[name]) for name in ranges}


def headroom(graph: Graph, seen: Mapping[str, Extremes]) -> float:
    """By what factor ranges will grow on pictures that were not seen, 1 or more.

    Estimated from how much the greatest values of all pictures exceed those of a half of them, on average over all
    tensors whose values no activation bounds, and taken for two further doublings.
    """
    growths = []
    for node in graph.nodes:
        if isinstance(node, Softmax) or len(seen[node.output].halves) < 2:
            continue
        (low, high), (low2, high2) = seen[node.output].halves.values()
        if max(high, high2) < 0.999 * node.activation.high and min(high, high2) > 0:
            growths.append(2 * max(high, high2) / (high + high2))
        if min(low, low2) > 0.999 * node.activation.low and max(low, low2) < 0:
            growths.append(2 * min(low, low2) / (low + low2))
    return float(np.mean(growths)) ** _DOUBLINGS if growths else 1.0


def widened(graph: Graph, ranges: Mapping[str, Range], factor: float) -> dict[str, Range]:
    """Ranges times a factor, but not beyond what the activations allow."""
    clamps = {node.output: Clamp() if isinstance(node, Softmax) else node.activation for node in graph.nodes}
    return {
        name: (
            low if low <= clamps[name].low else max(low * factor, clamps[name].low),
            high if high >= clamps[name].high else min(high * factor, clamps[name].high),
        )
        for name, (low, high) in ranges.items()
    }


def calibrate(
    graph: Graph, feeds: Feeds, method: Method = "minmax", percentile: float = PERCENTILE, margin: bool = False
) -> dict[str, Range]:
    """Real (low, high) of every tensor of the graph but its input.

    feeds: called once per pass (one for minmax, else two), gives what the source network is fed, (height, width,
    channels) float32.  margin: leave `headroom` for pictures that were not seen.
    """
    seen = extremes(graph, feeds)
    ranges = {name: each.range for name, each in seen.items()}
    if method != "minmax":
        ranges = {name: choose(each, method, percentile) for name, each in _histograms(graph, feeds, ranges).items()}
    return widened(graph, ranges, headroom(graph, seen)) if margin else ranges

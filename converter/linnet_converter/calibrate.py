"""Run the float network on pictures and find the range of every tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from linnet.errors import LinnetError

from . import float_model
from .graph import Graph
from .quantize import Range

Method = Literal["minmax", "percentile"]
METHODS: tuple[Method, ...] = ("minmax", "percentile")
DEFAULT_METHOD: Method = "minmax"

PERCENTILE = 99.999
"""Share of all values, in percent, that the range of method `percentile` keeps; half of the rest is cut at each end."""

_BINS = 1 << 14

Feeds = Callable[[], Iterable[npt.NDArray[np.float32]]]


def _activations(graph: Graph, feeds: Feeds) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """All tensors of the graph but its input, picture by picture."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        float_model.to_onnx(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    source = session.get_inputs()[0].name
    for feed in feeds():
        x = (feed * graph.input_scale + graph.input_shift).astype(np.float32)
        values = session.run(None, {source: np.ascontiguousarray(x.transpose(2, 0, 1)[None])})
        yield dict(zip(names, values, strict=True))


def _min_max(graph: Graph, feeds: Feeds) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    for values in _activations(graph, feeds):
        for name, value in values.items():
            low, high = ranges.get(name, (math.inf, -math.inf))
            ranges[name] = min(low, float(value.min())), max(high, float(value.max()))
    if not ranges:
        raise LinnetError("no calibration picture was given")
    for name, (low, high) in ranges.items():
        if not (math.isfinite(low) and math.isfinite(high)):
            raise LinnetError(f"{name}: the float network computes infinities or NaN on the calibration pictures")
    return ranges


def _percentile(graph: Graph, feeds: Feeds, percentile: float) -> dict[str, Range]:
    ranges = _min_max(graph, feeds)
    counts = {name: np.zeros(_BINS, np.int64) for name in ranges}
    for values in _activations(graph, feeds):
        for name, value in values.items():
            low, high = ranges[name]
            if high > low:
                bins = ((value.ravel() - low) * (_BINS / (high - low))).astype(np.int32)
                counts[name] += np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS)
    return {name: _cut(ranges[name], counts[name], percentile) for name in ranges}


def _cut(bounds: Range, counts: npt.NDArray[np.int64], percentile: float) -> Range:
    """The range that keeps `percentile` percent of the counted values."""
    low, high = bounds
    tail = counts.sum() * (1 - percentile / 100) / 2
    below = np.cumsum(counts)
    above = np.cumsum(counts[::-1])
    width = (high - low) / len(counts)
    first = int(np.searchsorted(below, tail, side="right"))
    last = int(np.searchsorted(above, tail, side="right"))
    if high <= low:
        return bounds
    return low + first * width, high - last * width


def calibrate(
    graph: Graph, feeds: Feeds, method: Method = DEFAULT_METHOD, percentile: float = PERCENTILE
) -> dict[str, Range]:
    """Real (low, high) of every tensor of the graph but its input.

    feeds: called once per pass, gives what the source network is fed, (height, width, channels) float32.
    method: `minmax` (everything that was seen) or `percentile` (two passes).
    """
    if method == "minmax":
        return _min_max(graph, feeds)
    return _percentile(graph, feeds, percentile)

"""Choose among recipes by what they do on pictures that they were not made from.

No recipe is best for every network. Calibration pictures are dealt into two halves; each candidate is made from one and
measured on the other, both ways, so that what only fits its own pictures does not win (two-fold cross-validation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import float_model, mixed, quantize, recipe
from .graph import Graph
from .qgraph import QGraph
from .quantize import Preprocessing

Pictures = Sequence[npt.NDArray[np.uint8]]

FEWEST = 8
"""Pictures below which nothing is tried."""

WORTH = 0.95
"""A candidate must leave this much less error (0.2 dB) to be taken: rounding alone scatters it by a few percent."""


CHANGES: tuple[dict[str, Any], ...] = (
    {"equalization": 0.5},
    {"equalization": 1.0},
    {"method": "minmax"},
    {"method": "entropy"},
    {"clip_weights": True},
)
"""One setting each; a change that helps is kept for those that follow."""


def choose(
    graph: Graph,
    pictures: Pictures,
    preprocessing: Preprocessing,
    start: recipe.Recipe,
    track: recipe.Track,
) -> recipe.Recipe:
    """The recipe with the least error in the logits of held-back pictures, start itself among the candidates."""
    if len(pictures) < FEWEST:
        return start
    halves = (pictures[::2], pictures[1::2])

    def error(tried: recipe.Recipe) -> float:
        total = 0.0
        for made_from, measured in (halves, halves[::-1]):
            stage = list(recipe.stages(graph, made_from, preprocessing, tried))[-1]
            total += logits_error(graph, quantize.quantize(stage.graph, stage.ranges, preprocessing), measured)
        return total

    best, least = start, error(start)
    for change in track(CHANGES, "trying recipes"):
        tried = replace(best, **change)
        found = error(tried) if tried != best else least
        if found < WORTH * least:
            best, least = tried, found
    return best


def logits_error(graph: Graph, quantized: QGraph, pictures: Pictures) -> float:
    """Sum of squared differences of the logits between the float and the int8 network."""
    everything = range(len(quantized.ops))
    floats, int8 = (
        float_model.session(mixed.to_onnx(graph, quantized, which, [graph.logits])) for which in ((), everything)
    )
    total = 0.0
    for picture in pictures:
        feed = {mixed.PIXELS: np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32) - 128)}
        (wanted,), (got,) = floats.run(None, feed), int8.run(None, feed)
        total += float(np.square(wanted.astype(np.float64) - got).sum())
    return total

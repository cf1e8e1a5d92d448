"""What is done to a float network so that its integers come out well, and in which order.

    graph ─ equalize ─► graph' ─ (clip weights) ─ calibrate ─► ranges ─ correct ─► graph''

Each step gives the same kind of thing that it takes, a float graph or its ranges, so that every step can be left out;
quantize.quantize makes integers of any pair. docs/quantization.md says what each step gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from . import calibrate, correct, equalize, quantize, rounding
from .equalize import STRENGTH
from .graph import Conv, Graph
from .quantize import Preprocessing, per_output
from .ranges import Method, Range
from .rounding import Rounding

Quality = Literal["fast", "default", "best"]

T = TypeVar("T")


class Track(Protocol):
    """Wraps a sequence that is gone through, for a progress bar."""

    def __call__(self, items: Sequence[T], what: str) -> Iterable[T]: ...


def untracked(items: Sequence[T], what: str) -> Iterable[T]:  # noqa: ARG001
    return items


@dataclass(frozen=True)
class Recipe:
    """Which steps are taken. method: how ranges are chosen (ranges.py)."""

    method: Method = "mse"
    margin: bool = True
    """Leave room for pictures that were not seen (calibrate.headroom)."""
    equalization: float = STRENGTH
    """How far channels ahead of depthwise convolutions are equalized (equalize.py): 0 not at all, 1 fully."""
    clip_weights: bool = False
    """Weight scales with the least squared error instead of the largest weight / 127 (rounding.clipped_scales)."""
    rounding: Rounding = "covariance"
    """How weights are rounded (rounding.py, correct.py)."""
    correct_bias: bool = True
    """Empirical bias correction (correct.py)."""


QUALITIES: dict[Quality, Recipe] = {  # best goes on from here: reconstruct.py, trial.py
    "fast": Recipe("minmax", margin=False, equalization=0.0, rounding="nearest", correct_bias=False),
    "default": Recipe(),
    "best": Recipe(),
}


@dataclass(frozen=True)
class Stage:
    """A graph and its ranges after a step."""

    name: str
    graph: Graph
    ranges: dict[str, Range]


def stages(
    graph: Graph,
    pictures: Sequence[npt.NDArray[np.uint8]],
    preprocessing: Preprocessing,
    recipe: Recipe,
    track: Track = untracked,
    *,
    detailed: bool = False,
) -> Iterator[Stage]:
    """Go through the recipe; the last stage is what to quantize.

    detailed: also the stages that the result does not need: plain MinMax, ranges before equalization, rounding alone.

    pictures: uint8 (height, width, channels) of the network's size. The same input gives the same stages.
    """

    def feeds(what: str) -> calibrate.Feeds:
        return lambda: (preprocessing.apply(picture) for picture in track(pictures, what))

    def calibrated(method: Method, margin: bool) -> dict[str, Range]:
        return calibrate.calibrate(graph, feeds("calibrating"), method, margin=margin)

    if detailed:
        yield Stage("minmax", graph, calibrated("minmax", False))
    if detailed or not recipe.equalization:
        ranges = calibrated(recipe.method, recipe.margin)
        yield Stage("ranges", graph, ranges)
    if recipe.equalization:
        graph = equalize.equalize(graph, calibrate.extremes(graph, feeds("equalizing")), recipe.equalization)
        ranges = calibrated(recipe.method, recipe.margin)
        yield Stage("equalization", graph, ranges)
    if recipe.clip_weights:
        graph = clipped(graph)
        yield Stage("weight clipping", graph, ranges)

    def corrected(bias: bool) -> Graph:
        quantized = quantize.quantize(graph, ranges, preprocessing)
        return correct.correct(
            graph,
            quantized,
            pictures,
            rounding=recipe.rounding,
            bias=bias,
            track=lambda ops: track(ops, "correcting"),
        )

    if recipe.rounding != "nearest" and (detailed or not recipe.correct_bias):
        yield Stage("rounding", corrected(bias=False), ranges)
    if recipe.correct_bias:
        yield Stage("bias correction", corrected(bias=True), ranges)


def as_floats(made: Sequence[Stage]) -> Graph:
    """Of a recipe's stages, the last graph that computes just what the source network computes."""
    return [stage.graph for stage in made if stage.name in ("minmax", "ranges", "equalization")][-1]


def clipped(graph: Graph) -> Graph:
    """Weights limited to what the scale with the least squared error can hold: the quantizer then finds that scale."""

    def clip(node: Conv) -> Conv:
        limits = 127 * rounding.clipped_scales(per_output(node))
        limits = limits if node.depthwise else limits[:, None, None, None]
        return replace(node, weights=np.clip(node.weights, -limits, limits))

    return replace(graph, nodes=tuple(clip(node) if isinstance(node, Conv) else node for node in graph.nodes))

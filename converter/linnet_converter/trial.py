"""Choose among recipes by what they do on pictures that they were not made from.

No recipe is best for every network. Calibration pictures are dealt into two halves; each candidate is made from one and
measured on the other, both ways, so that what only fits its own pictures does not win (two-fold cross-validation).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import quantize, recipe
from .graph import Graph
from .held_out import HeldOut
from .plan import Plan
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


@dataclass(frozen=True)
class Chosen:
    """The recipe, and the SQNR of the logits on held-back pictures in dB: of the start, and of the best other one.

    NaN where none was tried.
    """

    recipe: recipe.Recipe
    before_db: float
    after_db: float


def choose(
    graph: Graph,
    pictures: Pictures,
    preprocessing: Preprocessing,
    start: recipe.Recipe,
    plan: Plan,
    seconds: float,
    track: recipe.Track,
) -> Chosen:
    """The recipe with the least error in the logits of held-back pictures, start itself among the candidates.

    plan: one for the network's shapes.  seconds: after these, and ahead of what would not end in time, it stops.
    """
    began = time.monotonic()
    if len(pictures) < FEWEST:
        return Chosen(start, float("nan"), float("nan"))
    halves = (pictures[::2], pictures[1::2])
    shapes = quantize.shapes_only(graph)
    shapes = replace(shapes, mean=preprocessing.mean, std=preprocessing.std)
    held = [HeldOut(graph, shapes, plan, half) for half in halves]

    def error(tried: recipe.Recipe) -> float:
        total = 0.0
        for made_from, measured in zip(halves, held[::-1], strict=True):
            stage = list(recipe.stages(graph, made_from, preprocessing, tried))[-1]
            total += measured.error(quantize.quantize(stage.graph, stage.ranges, preprocessing))
        return total

    first = error(start)
    best, least, longest = start, first, time.monotonic() - began
    lowest = np.inf
    for change in track(CHANGES, "trying recipes"):
        now = time.monotonic()
        if now - began + longest > seconds:
            break
        tried = replace(best, **change)
        if tried == best:
            continue
        found = error(tried)
        lowest = min(lowest, found)
        longest = max(longest, time.monotonic() - now)
        if found < WORTH * least:
            best, least = tried, found
    signal = sum(each.signal for each in held)

    def db(found: float) -> float:
        return 10 * float(np.log10(signal / max(found, 1e-30))) if np.isfinite(found) else float("nan")

    return Chosen(best, db(first), db(lowest))

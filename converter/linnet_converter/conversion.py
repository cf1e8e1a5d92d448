"""The whole way from a float ONNX file and a folder of pictures to the bytes of a .lnt file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import linnet
from linnet.errors import LinnetError
from linnet.format_gen import Family

from . import lnt_file, quantize, recipe, trial
from .budget import NO_BUDGET, Budget, check_flash, plans
from .graph import Graph
from .plan import Plan
from .qgraph import QGraph
from .quantize import Preprocessing
from .recipe import Recipe, Stage, Track, untracked

PRESETS = {
    "torch": Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "keras": Preprocessing((127.5,), (127.5,)),
    "none": Preprocessing((0.0,), (1.0,)),
}
"""Named input normalizations: x = (pixel - mean) / std with pixels 0..255."""


@dataclass(frozen=True)
class Conversion:
    """Everything that a conversion made; `data` is the .lnt file.

    plans: from the fastest to the smallest.  recipe: the steps that were taken.  stages: the float graph and its ranges
    after each of them.  held_back: what `Search` found, None without it.
    """

    float_graph: Graph
    graph: QGraph
    plans: tuple[Plan, ...]
    data: bytes
    recipe: Recipe
    stages: tuple[Stage, ...]
    held_back: HeldBack | None = None


@dataclass(frozen=True)
class Search:
    """Go past the recipe: learn with torch (reconstruct.py), or without torch try other recipes (trial.py).

    seconds: what may be spent on it, beyond the conversion itself.  tell: takes lines on how long it will last.
    """

    seconds: float
    tell: Callable[[str], None]


@dataclass(frozen=True)
class HeldBack:
    """SQNR of the int8 network's logits on held-back pictures, dB: before the search, and of the best it found.

    Both NaN where there were too few pictures, the second where there was no time to find anything.
    taken: whether that was surely better.  steps: how many steps of learning there was time for, 0 without torch.
    """

    before_db: float
    after_db: float
    taken: bool
    steps: int


def preprocessing_for(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """The same with one value per channel. Raises LinnetError where the counts do not match."""

    def spread(values: Sequence[float], what: str) -> tuple[float, ...]:
        if len(values) not in (1, channels):
            raise LinnetError(f"{what} has {len(values)} values, the network's input has {channels} channels")
        return tuple(values) * (channels // len(values))

    mean, std = spread(preprocessing.mean, "mean"), spread(preprocessing.std, "std")
    with np.errstate(over="ignore"):
        stored = np.array([*mean, *std], np.float32)
    if not np.isfinite(stored).all() or min(std) <= 0:
        raise LinnetError("mean and std must be finite, and std greater than zero: x = (pixel - mean) / std")
    return Preprocessing(mean, std)


def read_labels(path: Path) -> tuple[str, ...]:
    """One label a line, UTF-8; empty lines at the end do not count."""
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").rstrip().splitlines())
    except OSError as error:
        raise LinnetError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LinnetError(f"{path}: is not UTF-8 text") from error


def convert(
    float_graph: Graph,
    pictures: Iterable[npt.NDArray[np.uint8]],
    preprocessing: Preprocessing,
    *,
    steps: Recipe = recipe.QUALITIES["default"],
    labels: Sequence[str] = (),
    push_rows: bool = False,
    budget: Budget = NO_BUDGET,
    track: Track = untracked,
    search: Search | None = None,
    detailed: bool = False,
) -> Conversion:
    """Plan, calibrate, quantize and write.

    pictures: uint8 (height, width, channels) of the network's size.  track: wraps what takes long, for progress bars.
    search: go past `steps`, and take what does best on held-back pictures.
    detailed: keep the stages in between, too (recipe.stages).
    Raises LinnetError naming the node or the setting that is wrong.
    """
    if steps.rounding == "adaround" and not learns():
        raise LinnetError("rounding by adaround needs torch: pip install 'linnet[best]'")
    preprocessing = preprocessing_for(preprocessing, float_graph.shapes[float_graph.input][2])
    # what does not fit is said at once
    planned = plans(quantize.shapes_only(float_graph), budget, push_rows=push_rows)
    pictures = list(pictures)
    found = None
    if search and not learns():
        search.tell("torch is not installed: only settings are tried; pip install 'linnet[best]' adds learning")
        tried = trial.choose(float_graph, pictures, preprocessing, steps, planned[0], search.seconds, track)
        found = HeldBack(tried.before_db, tried.after_db, tried.recipe != steps, 0)
        steps = tried.recipe
    stages: tuple[Stage, ...] = ()
    if search and learns():
        from . import reconstruct

        learned = reconstruct.reconstruct(
            float_graph, pictures, preprocessing, steps, planned[0], search.seconds, track, search.tell
        )
        stages = learned.stages
        found = HeldBack(learned.before_db, learned.after_db, bool(stages), learned.steps)
    if not stages:
        stages = tuple(recipe.stages(float_graph, pictures, preprocessing, steps, track, detailed=detailed))
    graph = quantize.quantize(stages[-1].graph, stages[-1].ranges, preprocessing, labels)
    if budget.family != Family.ref:  # which kernel takes an operator, and its scratch, may depend on the shift
        planned = plans(graph, budget, push_rows=push_rows)
    data = written(graph, planned, budget)
    return Conversion(float_graph, graph, planned, data, steps, stages, found)


def learns() -> bool:
    """Whether torch is there to learn with."""
    return importlib.util.find_spec("torch") is not None


def written(graph: QGraph, planned: Sequence[Plan], budget: Budget) -> bytes:
    """The .lnt file. Raises LinnetError where it is too large, or a device would refuse it with one of the plans."""
    data = lnt_file.write(graph, planned)
    for plan in planned:
        linnet.load(data, ram=plan.arena_bytes)
    check_flash(len(data), budget)
    return data

"""Estimates of one stretch of a plan: the bytes in use, phase by phase, and which modes keep them below a bound."""

from __future__ import annotations

import functools
from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from . import scratch
from .modes import Means, Mode, Modes, Unit
from .schedule import lifetimes, stream


@dataclass(frozen=True)
class _Fitted:
    """A mode for each unit of a stretch, and the most bytes in use in each phase."""

    modes: tuple[Mode, ...]
    needed: tuple[int, ...]

    @functools.cached_property
    def most(self) -> int:
        return max(self.needed)


@dataclass(frozen=True)
class Stretch:
    """Estimate of one stretch, in phases: the times between which units come and go.

    rings: in each phase the most bytes in use if all units are rings.  present: the units of each phase.
    least: for each `Means` the most bytes in use if all units are as small as they get.
    inner: the same of what stays in the stretch however much longer it becomes.
    """

    units: tuple[Unit, ...]
    rings: tuple[int, ...]
    present: tuple[tuple[int, ...], ...]
    least: tuple[int, ...]
    inner: int
    fitted: dict[Means, list[_Fitted]] = field(default_factory=dict, compare=False)

    def fit(self, bound: int, means: Means) -> tuple[Mode, ...] | None:
        """A mode for each unit with which the stretch keeps the bound; greedy, least cost per byte saved first.

        What comes next does not depend on the bound, so every choice is made once and kept in `fitted`.
        """
        if self.least[means] > bound:
            return None
        path = self.fitted.setdefault(means, [_Fitted(tuple(unit.modes[means][0] for unit in self.units), self.rings)])
        while path[-1].most > bound:
            path.append(self._smaller(path[-1], means))
        return path[bisect_left(path, -bound, key=lambda fitted: -fitted.most)].modes

    def _smaller(self, fitted: _Fitted, means: Means) -> _Fitted:
        """The same with another mode for one unit of the fullest phase, one of which has a smaller one."""
        best: tuple[float, int, int, Mode] | None = None
        for i in self.present[fitted.needed.index(fitted.most)]:
            now = fitted.modes[i]
            for mode in self.units[i].modes[means]:
                if mode.bytes < now.bytes:
                    saved = now.bytes - mode.bytes
                    rank = ((mode.cost - now.cost) / saved, -saved, i, mode)
                    if best is None or rank[:3] < best[:3]:
                        best = rank
        assert best is not None
        _, saved, i, mode = best
        needed = tuple(size + saved * (i in here) for size, here in zip(fitted.needed, self.present, strict=True))
        return _Fitted((*fitted.modes[:i], mode, *fitted.modes[i + 1 :]), needed)


def estimate(modes: Modes, begin: int, end: int) -> Stretch:
    """The stretch of the operators after `begin` up to `end`."""
    graph = modes.graph
    ops = range(begin + 1, end + 1)
    steps = stream(graph, ops, modes.strip_height)
    lives = {life.tensor: life for life in lifetimes(graph, steps, kept=[graph.ops[end].output])}
    units = list(modes.units(ops, lives))
    apart = {tensor for tensors, _ in units for tensor in tensors}
    live, inner = np.zeros((2, len(steps) + 2), np.int64)
    for _, unit in units:
        inner[unit.first] += unit.smallest
        inner[unit.last + 1] -= unit.smallest
    for life in lives.values():
        if life.tensor in apart:
            continue
        if life.ring == len(life.born):  # whole: its rows come and go one by one, and others may take their place
            np.add.at(live, np.maximum(life.born, 0), life.row_bytes)
            np.add.at(live, np.minimum(life.dies, len(steps)) + 1, -life.row_bytes)
        else:
            for bytes_in_use in (live, inner):
                bytes_in_use[max(life.first, 0)] += life.size
                bytes_in_use[life.last + 1] -= life.size
    in_units = {i for tensor in apart for i in (graph.writer_index(tensor), *graph.readers(tensor))}
    for at, step in enumerate(steps):
        if step.op not in in_units:
            needed_now = scratch.step_scratch(graph, modes.kernels, step, {})
            live[at] += needed_now
            live[at + 1] -= needed_now
    bounds = sorted({0, *(at for _, unit in units for at in (unit.first, unit.last + 1))})
    present = [[i for i, (_, unit) in enumerate(units) if unit.first <= at <= unit.last] for at in bounds]
    others = np.maximum.reduceat(np.cumsum(live), bounds).tolist()

    def needed(means: Means, which: int) -> tuple[int, ...]:
        """In each phase, with the first or last mode of each unit."""
        sizes = [unit.modes[means][which].bytes for _, unit in units]
        return tuple(other + sum(sizes[i] for i in here) for other, here in zip(others, present, strict=True))

    return Stretch(
        units=tuple(unit for _, unit in units),
        rings=needed(Means.rings, 0),
        present=tuple(map(tuple, present)),
        least=tuple(max(needed(means, -1)) for means in Means),
        inner=int(np.cumsum(inner).max()),
    )

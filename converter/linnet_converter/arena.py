"""Where tensors lie in the arena: offline allocation in which rows may be written over rows that have died.

Two tensors that live at the same time may still overlap, as long as no two of their rows that share an address live
at the same time: a convolution's output can creep over its own input from below. So a pair of tensors forbids an
interval of offsets between them rather than every overlap, and tensors are placed greedily into what is left, as in
Pisarchyk and Lee 2020 (arXiv 2001.03288), in several orders of which the best counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence, Set

import numpy as np
import numpy.typing as npt

from linnet.format_gen import DType

from . import scratch
from .qgraph import QGraph
from .schedule import Lifetime

Interval = tuple[int, int]
"""Open interval of offsets."""


def _forbidden(a: Lifetime, b: Lifetime, may_coincide: bool) -> list[Interval]:
    """Values of offset(b) - offset(a) at which some rows that live together would overlap, as open intervals."""
    aside = (a.tensor < 0) + (b.tensor < 0)
    if a.last < b.first or b.last < a.first or aside == 2:  # no two steps run at the same time
        return []
    if not aside and a.ring < len(a.born) and b.ring < len(b.born):  # two rings in motion: not worth the look
        return [(-b.size, a.size)]
    together = (a.born[:, None] <= b.dies[None]) & (b.born[None] <= a.dies[:, None])
    forbidden = _interval(a, b, together)
    if forbidden is None:
        return []
    if may_coincide and a.ring == b.ring and a.row_bytes == b.row_bytes and len(a.born) == len(b.born):
        # rows that meet in one step only, where one is computed element by element from the other, may coincide
        rows = np.arange(len(a.born))
        meets_once = (a.dies == b.born) | (b.dies == a.born)
        together[rows[meets_once], rows[meets_once]] = False
        strict = _interval(a, b, together)
        if strict is None or not strict[0] < 0 < strict[1]:
            return [(forbidden[0], 0), (0, forbidden[1])]
    return [forbidden]


def _interval(a: Lifetime, b: Lifetime, together: npt.NDArray[np.bool_]) -> Interval | None:
    rows_a, rows_b = np.nonzero(together)
    if not len(rows_a):
        return None
    start_a, start_b = rows_a % a.ring * a.row_bytes, rows_b % b.ring * b.row_bytes
    return int((start_a - start_b).min()) - b.row_bytes, int((start_a - start_b).max()) + a.row_bytes


def _alignment(graph: QGraph, tensor: int) -> int:
    if tensor < 0:
        return scratch.ALIGNMENT
    return 4 if graph.tensors[tensor].dtype == DType.int32 else 1


class _Arena:
    """Places the tensors of one schedule, and the scratch of its steps."""

    def __init__(self, graph: QGraph, lives: Sequence[Lifetime], in_place: Set[tuple[int, int]]) -> None:
        self.lives = lives
        self.sizes = [life.size for life in lives]
        self.alignment = [_alignment(graph, life.tensor) for life in lives]
        self.forbidden: dict[tuple[int, int], list[Interval]] = {}
        for i, j in itertools.combinations(range(len(lives)), 2):
            pair = lives[i].tensor, lives[j].tensor
            intervals = _forbidden(lives[i], lives[j], pair in in_place or pair[::-1] in in_place)
            if intervals:
                self.forbidden[i, j] = intervals
                self.forbidden[j, i] = [(-high, -low) for low, high in intervals]

    def place(self, order: Sequence[int], best: int | None = None) -> tuple[dict[int, int], int] | None:
        """Offsets and their extent, or None as soon as that is no better than `best`."""
        offsets: dict[int, int] = {}
        low, high = 0, 0
        for i in order:
            taken = sorted(
                (offset + start, offset + end)
                for j, offset in offsets.items()
                for start, end in self.forbidden.get((j, i), ())
            )
            candidates = {0, low, high - self.sizes[i], *(edge for interval in taken for edge in interval)}
            chosen: tuple[int, int, int] | None = None
            for candidate in candidates:
                step = self.alignment[i]
                for offset in {candidate // step * step, -(-candidate // step) * step}:
                    if any(start < offset < end for start, end in taken):
                        continue
                    extent = max(high, offset + self.sizes[i]) - min(low, offset)
                    rank = (extent, abs(offset), offset)
                    if chosen is None or rank < chosen:
                        chosen = rank
            assert chosen is not None
            offsets[i] = chosen[2]
            low, high = min(low, chosen[2]), max(high, chosen[2] + self.sizes[i])
            if best is not None and high - low >= best:
                return None
        coarsest = max(4, *self.alignment)
        base = low // coarsest * coarsest  # keeps every alignment
        return {i: offset - base for i, offset in offsets.items()}, high - base


def allocate(
    graph: QGraph, lives: Sequence[Lifetime], in_place: Set[tuple[int, int]] = frozenset()
) -> tuple[Mapping[int, int], int]:
    """Arena offset of each tensor and each scratch (`scratch.lives`), and the arena's size.

    in_place: pairs (source, result) of tensors whose rows may be written exactly over one another, see
    `schedule.in_place`.
    """
    arena = _Arena(graph, lives, in_place)
    indices = range(len(lives))
    orders: list[Callable[[int], tuple[int, ...]]] = [
        lambda i: (-arena.sizes[i], lives[i].first),
        lambda i: (lives[i].first - lives[i].last, -arena.sizes[i]),
        lambda i: (lives[i].first, -arena.sizes[i]),
        lambda i: (-lives[i].last, -arena.sizes[i]),
    ]
    best: tuple[dict[int, int], int] | None = None
    for key in orders:
        placed = arena.place(sorted(indices, key=key), best and best[1])
        best = placed or best
    assert best is not None
    return {lives[i].tensor: offset for i, offset in best[0].items()}, best[1]

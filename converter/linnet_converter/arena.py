"""Where tensors lie in the arena: offline allocation in which rows may be written over rows that have died.

Two tensors that live at the same time may still overlap, as long as no two of their rows that share an address live
at the same time: a convolution's output can creep over its own input from below. So a pair of tensors forbids an
interval of offsets between them rather than every overlap, and tensors are placed greedily into what is left, as in
Pisarchyk and Lee 2020 (arXiv 2001.03288), in several orders of which the best counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from linnet.format_gen import DType, OpKind

from .qgraph import QGraph
from .schedule import Lifetime

Interval = tuple[int, int]
"""Open interval of offsets."""


def size(graph: QGraph, life: Lifetime) -> int:
    """Bytes of a tensor's ring."""
    return life.ring * graph.tensors[life.tensor].row_bytes


def _forbidden(graph: QGraph, a: Lifetime, b: Lifetime) -> list[Interval]:
    """Values of offset(b) - offset(a) at which some rows that live together would overlap, as open intervals."""
    size_a, size_b = size(graph, a), size(graph, b)
    if a.last < b.first or b.last < a.first:
        return []
    if a.ring < len(a.born) and b.ring < len(b.born):  # two rings in motion: not worth the look
        return [(-size_b, size_a)]
    together = (a.born[:, None] <= b.dies[None]) & (b.born[None] <= a.dies[:, None])
    forbidden = _interval(graph, a, b, together)
    if forbidden is None:
        return []
    if _elementwise(graph, a, b) or _elementwise(graph, b, a):
        # rows that meet in one step only, where one is computed element by element from the other, may coincide
        rows = np.arange(len(a.born))
        meets_once = (a.dies == b.born) | (b.dies == a.born)
        together[rows[meets_once], rows[meets_once]] = False
        strict = _interval(graph, a, b, together)
        if strict is None or not strict[0] < 0 < strict[1]:
            return [(forbidden[0], 0), (0, forbidden[1])]
    return [forbidden]


def _interval(
    graph: QGraph, a: Lifetime, b: Lifetime, together: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
) -> Interval | None:
    rows_a, rows_b = np.nonzero(together)
    if not len(rows_a):
        return None
    bytes_a, bytes_b = (graph.tensors[life.tensor].row_bytes for life in (a, b))
    start_a, start_b = rows_a % a.ring * bytes_a, rows_b % b.ring * bytes_b
    return int((start_a - start_b).min()) - bytes_b, int((start_a - start_b).max()) + bytes_a


def _elementwise(graph: QGraph, source: Lifetime, result: Lifetime) -> bool:
    """Whether result's rows may be written exactly over source's: add, residual add, softmax."""
    if source.ring != result.ring or len(source.born) != len(result.born):
        return False
    producer = next((op for op in graph.ops if op.output == result.tensor), None)
    if producer is None or graph.tensors[source.tensor].row_bytes != graph.tensors[result.tensor].row_bytes:
        return False
    whole = producer.inputs if producer.kind in (OpKind.add, OpKind.softmax) else producer.inputs[1:]
    return source.tensor in whole


class _Arena:
    """Places the tensors of one schedule."""

    def __init__(self, graph: QGraph, lives: Sequence[Lifetime]) -> None:
        self.lives = lives
        self.sizes = [size(graph, life) for life in lives]
        self.alignment = [4 if graph.tensors[life.tensor].dtype == DType.int32 else 1 for life in lives]
        self.forbidden: dict[tuple[int, int], list[Interval]] = {}
        for i, j in itertools.combinations(range(len(lives)), 2):
            intervals = _forbidden(graph, lives[i], lives[j])
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
        base = low // 4 * 4  # keeps every alignment
        return {i: offset - base for i, offset in offsets.items()}, high - base


def allocate(graph: QGraph, lives: Sequence[Lifetime]) -> tuple[Mapping[int, int], int]:
    """Arena offset of each tensor, and the arena's size."""
    arena = _Arena(graph, lives)
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

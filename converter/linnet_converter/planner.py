"""The first planner: which operators run fused through rings of rows, and where every tensor lives in the arena.

A plan is a sequence of *stretches*. Inside a stretch rows are computed on demand: a row of the last operator asks for
the rows it reads, and so on back to the stretch's input, so that every tensor inside needs only a few rows at a time.
Tensors between stretches are whole. A stretch may end wherever one tensor alone carries everything that follows, and
the ends are chosen by dynamic programming so that the largest stretch is as small as can be.

Nothing is computed twice, and every plan gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from linnet.format_gen import Family, OpKind

from .arena import allocate
from .plan import Placement, Plan, Step
from .qgraph import QGraph
from .schedule import lifetimes, rows_read, total_rows

CHECKER_BYTES_PER_TENSOR = 8
"""lnt_open keeps its table of live rows in the arena (kernels_c/src/check.c)."""

MAX_STEP_ROWS = 0xFFFF


def stream(graph: QGraph, ops: Sequence[int], strip: int = 1) -> list[Step]:
    """Steps of one stretch: consecutive operators, rows on demand of the last one, at most `strip` rows a step."""
    producer = {graph.ops[i].output: i for i in ops}
    done = dict.fromkeys(ops, 0)
    steps: list[Step] = []

    def produce(index: int, upto: int) -> None:
        op = graph.ops[index]
        while done[index] < upto:
            y = done[index]
            n = min(strip, upto - y)
            for tensor in op.inputs:
                if tensor in producer:
                    source = producer[tensor]
                    needed = rows_read(graph, op, tensor, y, n).stop
                    whole = graph.ops[source].kind == OpKind.avg_pool
                    produce(source, total_rows(graph, graph.ops[source]) if whole else needed)
            steps.append(Step(index, y, n))
            done[index] = y + n

    for index in reversed(ops):  # the last pulls the others; only rows that nothing reads are left for these
        produce(index, total_rows(graph, graph.ops[index]))
    return steps


def _cuts(graph: QGraph) -> list[int]:
    """Operators after which their output alone carries everything that follows."""
    last_use = {tensor: i for i, op in enumerate(graph.ops) for tensor in op.inputs}
    produced = [op.output for op in graph.ops]
    return [i for i in range(len(graph.ops)) if all(last_use.get(produced[k], k) <= i for k in range(i))]


def _stretches(graph: QGraph, push_rows: bool, strip: int) -> list[list[int]]:
    """Where to cut: the dynamic program over _cuts that makes the largest stretch smallest, then the sum of all."""
    cuts = _cuts(graph)
    last = len(graph.ops) - 1
    start = -1 if push_rows else 0
    ends = [start, *(cut for cut in cuts if cut > start)]
    assert ends[-1] == last
    # best[i]: (largest stretch, sum of squares as a tie-break, previous cut) of a plan that ends at cut i
    best: dict[int, tuple[int, int, int]] = {start: (0, 0, start)}
    bound: int | None = None
    for fixed in (True, False):  # first single steps only, which bounds the search for longer stretches
        for i, begin in enumerate(ends):
            for end in ends[i + 1 : i + 2] if fixed else ends[i + 1 :]:
                cost = _stretch_bytes(graph, begin, end, strip)
                if bound is not None and cost > bound:
                    break
                largest, total, _ = best[begin]
                candidate = (max(largest, cost), total + cost, begin)
                if end not in best or candidate < best[end]:
                    best[end] = candidate
        bound = best[last][0]
    stretches: list[list[int]] = []
    end = last
    while end != start:
        begin = best[end][2]
        stretches.append(list(range(begin + 1, end + 1)))
        end = begin
    if not push_rows:
        stretches.append([0])
    return stretches[::-1]


def _stretch_bytes(graph: QGraph, begin: int, end: int, strip: int) -> int:
    """Arena of the operators after `begin` up to `end`, the tensors at both ends whole."""
    steps = stream(graph, range(begin + 1, end + 1), strip)
    return allocate(graph, lifetimes(graph, steps, kept=[graph.ops[end].output]))[1]


def _assemble(graph: QGraph, family: Family, steps: Sequence[Step]) -> Plan:
    lives = lifetimes(graph, steps, kept=[graph.ops[-1].output])
    offsets, arena_bytes = allocate(graph, lives)
    return Plan(
        family=family,
        arena_bytes=max(arena_bytes, CHECKER_BYTES_PER_TENSOR * len(graph.tensors)),
        placements=tuple(
            Placement(offsets[life.tensor], life.ring, graph.tensors[life.tensor].row_bytes) for life in lives
        ),
        steps=tuple(steps),
    )


def plan(graph: QGraph, *, push_rows: bool = False, strip: int = 1) -> Plan:
    """The plan with the smallest arena that this planner finds, for the portable kernels.

    push_rows: the caller pushes the picture row by row; otherwise it lies in the arena whole when the run begins.
    strip: at most so many rows a step.
    """
    steps: list[Step] = []
    for stretch in _stretches(graph, push_rows, strip):
        steps += stream(graph, stretch, strip if push_rows or stretch != [0] else MAX_STEP_ROWS)
    return _assemble(graph, Family.ref, steps)


def plan_layer_by_layer(graph: QGraph) -> Plan:
    """Every tensor whole, one step per operator: what the fused plans are compared with."""
    steps = [Step(i, 0, total_rows(graph, op)) for i, op in enumerate(graph.ops)]
    return _assemble(graph, Family.ref, steps)

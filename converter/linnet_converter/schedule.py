"""What a sequence of steps is and does to memory: which rows it reads and writes, how long each row must be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linnet.format_gen import OpKind

from .plan import Step
from .qgraph import QGraph, QOp
from .strips import Strip

Times = npt.NDArray[np.int64]

Strips = Mapping[int, Strip]
"""Tensors that have no steps of their own: the operator that reads one computes it on the way."""


def total_rows(graph: QGraph, op: QOp) -> int:
    """Rows that the steps of an operator count: of its input for avg_pool, else of its output."""
    counted = op.inputs[0] if op.kind == OpKind.avg_pool else op.output
    return graph.tensors[counted].shape[0]


def rows_read(graph: QGraph, op: QOp, tensor: int, y: int, n: int) -> range:
    """Rows of an input that rows [y, y + n) of an operator read."""
    height = graph.tensors[tensor].shape[0]
    if op.kind not in (OpKind.conv, OpKind.depthwise):
        return range(y, y + n)
    first = y * op.stride[0] - op.pad[0]
    last = (y + n - 1) * op.stride[0] - op.pad[0] + op.kernel[0]
    return range(max(first, 0), min(last, height))


def rows_written(graph: QGraph, op: QOp, step: Step) -> range:
    """Rows of the output that are complete after a step."""
    if op.kind != OpKind.avg_pool:
        return range(step.y, step.y + step.n)
    return range(1) if step.n and step.y + step.n == total_rows(graph, op) else range(0)


def strip_rows(step: Step, strip: Strip) -> tuple[range, range]:
    """Rows of a strip tensor that a step computes: again, and for the first time."""
    if step.n == 0:
        return strip.computed(step.y - strip.lead)
    return strip.computed(step.y)


def strips_of(graph: QGraph, index: int, strips: Strips) -> Iterator[int]:
    """The strip tensors that a step of an operator goes through, from its input backwards."""
    op = graph.ops[index]
    while op.inputs and op.inputs[0] in strips:
        yield op.inputs[0]
        op = graph.writer(op.inputs[0])


def source_rows(graph: QGraph, step: Step, strips: Strips) -> tuple[int, range]:
    """The tensor, and rows of it, that the first input of a step's operator is, or is computed from."""
    op = graph.ops[step.op]
    rows = range(step.y, step.y + step.n)
    while op.inputs[0] in strips:
        if op.kind == OpKind.depthwise:
            parts = [part for part in strip_rows(step, strips[op.inputs[0]]) if part]
            rows = range(parts[0].start, parts[-1].stop) if parts else range(0)
        op = graph.writer(op.inputs[0])
    return op.inputs[0], rows_read(graph, op, op.inputs[0], rows.start, len(rows)) if rows else rows


def reads(graph: QGraph, step: Step, strips: Strips) -> Iterator[tuple[int, range]]:
    """Tensors and rows that must be there before a step."""
    op = graph.ops[step.op]
    if op.inputs:
        yield source_rows(graph, step, strips)
    if step.n:
        for tensor in op.inputs[1:]:
            yield tensor, rows_read(graph, op, tensor, step.y, step.n)


def stream(graph: QGraph, ops: Sequence[int], strip_height: int = 1, strips: Strips | None = None) -> list[Step]:
    """Steps of one stretch: consecutive operators, rows on demand of the last, at most `strip_height` rows a step."""
    strips = strips or {}
    writer = {graph.ops[i].output: i for i in ops if graph.ops[i].output not in strips}
    done = dict.fromkeys(writer.values(), 0)
    steps: list[Step] = []

    def take(step: Step) -> None:
        for tensor, needed in reads(graph, step, strips):
            if tensor in writer:
                source = graph.ops[writer[tensor]]
                produce(writer[tensor], total_rows(graph, source) if source.kind == OpKind.avg_pool else needed.stop)
        steps.append(step)

    def produce(index: int, upto: int) -> None:
        path = list(strips_of(graph, index, strips))
        if path and not done[index] and upto:
            for y in range(max(strips[tensor].lead for tensor in path)):
                take(Step(index, y, 0))
        while done[index] < upto:
            n = min(1 if path else strip_height, upto - done[index])
            take(Step(index, done[index], n))
            done[index] += n

    for index in reversed(done):  # the last pulls the others; only rows that nothing reads are left for these
        produce(index, total_rows(graph, graph.ops[index]))
    return steps


def in_place(graph: QGraph, strips: Strips) -> frozenset[tuple[int, int]]:
    """Pairs (source, result) of which the result's rows may be written exactly over the source's.

    The operator works element by element, and no step of it reads the source's row in any other way.
    """
    pairs: set[tuple[int, int]] = set()
    for index, op in enumerate(graph.ops):
        if op.kind in (OpKind.add, OpKind.softmax):
            pairs.update((tensor, op.output) for tensor in op.inputs)
            continue
        for tensor in op.inputs[1:]:
            steps = (Step(index, y, 1) for y in range(graph.tensors[op.output].shape[0]))
            sources = ((step.y, *source_rows(graph, step, strips)) for step in steps)
            if not any(source == tensor and y in rows for y, source, rows in sources):
                pairs.add((tensor, op.output))
    return frozenset(pairs)


@dataclass(frozen=True)
class Lifetime:
    """When the rows of one tensor hold something that is still wanted.

    born, dies: (rows,) the steps at which a row is written and last read, both included; older rows die no later.
    ring: how many rows the tensor must hold at a time; row y lies in slot y % ring.
    A strip tensor counts as a single row, which holds all of it.
    """

    tensor: int
    born: Times
    dies: Times
    ring: int
    row_bytes: int

    @property
    def first(self) -> int:
        return int(self.born[0])

    @property
    def last(self) -> int:
        return int(self.dies[-1])

    @property
    def size(self) -> int:
        """Bytes of the ring."""
        return self.ring * self.row_bytes


def lifetimes(
    graph: QGraph, steps: Sequence[Step], kept: Iterable[int] = (), strips: Strips | None = None
) -> list[Lifetime]:
    """The lifetime of every tensor that the steps touch, in the order of the tensors.

    Rows that are read but not written by these steps are there from the start; rows of `kept` tensors stay to the end.
    """
    strips = strips or {}
    born: dict[int, Times] = {}
    dies: dict[int, Times] = {}
    held: dict[int, list[int]] = {}  # strip tensors: first and last step

    def touch(tensor: int) -> None:
        if tensor not in born:
            height = graph.tensors[tensor].shape[0]
            born[tensor] = np.full(height, -1, np.int64)
            dies[tensor] = np.full(height, -1, np.int64)

    for at, step in enumerate(steps):
        op = graph.ops[step.op]
        for tensor, rows in reads(graph, step, strips):
            touch(tensor)
            dies[tensor][rows.start : rows.stop] = at
        for tensor in strips_of(graph, step.op, strips):
            held.setdefault(tensor, [at, at])[1] = at
        written = {op.output: rows_written(graph, op, step)}
        if op.state is not None:
            written[op.state] = range(1)
        for tensor, rows in written.items():
            touch(tensor)
            fresh = born[tensor][rows.start : rows.stop]
            fresh[fresh < 0] = at
            dies[tensor][rows.start : rows.stop] = np.maximum(dies[tensor][rows.start : rows.stop], at)
    for tensor in kept:
        dies[tensor][:] = len(steps)
    for times in dies.values():  # lnt_open counts intact rows as a window: no row may die before an older one
        np.maximum.accumulate(times, out=times)
    lives = [
        Lifetime(
            tensor,
            born[tensor],
            dies[tensor],
            _tallest_window(born[tensor], dies[tensor]),
            graph.tensors[tensor].row_bytes,
        )
        for tensor in born
    ]
    for tensor, (first, last) in held.items():
        lives.append(Lifetime(tensor, np.array([first]), np.array([last]), 1, strips[tensor].bytes))
    return sorted(lives, key=lambda life: life.tensor)


def _tallest_window(born: Times, dies: Times) -> int:
    """The most rows, at any time, from the oldest that is still wanted to the newest. Rows are born in order."""
    newest = np.searchsorted(born, born, side="right") - 1  # the last row written by the same step
    oldest = np.searchsorted(dies, born, side="left")  # the first that is still wanted then
    return int((newest - np.minimum(oldest, newest)).max()) + 1

"""What a sequence of steps does to memory: which rows it reads and writes, and how long each row must be kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linnet.format_gen import OpKind

from .plan import Step
from .qgraph import QGraph, QOp

Times = npt.NDArray[np.int64]


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
    return range(1) if step.y + step.n == total_rows(graph, op) else range(0)


@dataclass(frozen=True)
class Lifetime:
    """When the rows of one tensor hold something that is still wanted.

    born, dies: (rows,) the steps at which a row is written and last read, both included; older rows die no later.
    ring: how many rows the tensor must hold at a time; row y lies in slot y % ring.
    """

    tensor: int
    born: Times
    dies: Times
    ring: int

    @property
    def first(self) -> int:
        return int(self.born.min())

    @property
    def last(self) -> int:
        return int(self.dies.max())


def lifetimes(graph: QGraph, steps: Sequence[Step], kept: Iterable[int] = ()) -> list[Lifetime]:
    """The lifetime of every tensor that the steps touch, in the order of the tensors.

    Rows that are read but not written by these steps are there from the start; rows of `kept` tensors stay to the end.
    """
    end = len(steps)
    born: dict[int, Times] = {}
    dies: dict[int, Times] = {}

    def touch(tensor: int) -> None:
        if tensor not in born:
            height = graph.tensors[tensor].shape[0]
            born[tensor] = np.full(height, -1, np.int64)
            dies[tensor] = np.full(height, -1, np.int64)

    for at, step in enumerate(steps):
        op = graph.ops[step.op]
        for tensor in op.inputs:
            touch(tensor)
            rows = rows_read(graph, op, tensor, step.y, step.n)
            dies[tensor][rows.start : rows.stop] = at
        written = {op.output: rows_written(graph, op, step)}
        if op.state is not None:
            written[op.state] = range(1)
        for tensor, rows in written.items():
            touch(tensor)
            fresh = born[tensor][rows.start : rows.stop]
            fresh[fresh < 0] = at
            dies[tensor][rows.start : rows.stop] = at
    for tensor in kept:
        dies[tensor][:] = end
    for times in dies.values():  # lnt_open counts intact rows as a window: no row may die before an older one
        np.maximum.accumulate(times, out=times)
    return [
        Lifetime(tensor, born[tensor], dies[tensor], _tallest_window(born[tensor], dies[tensor]))
        for tensor in sorted(born)
    ]


def _tallest_window(born: Times, dies: Times) -> int:
    """The most rows, at any time, from the oldest that is still wanted to the newest. Rows are born in order."""
    tallest, oldest = 1, 0
    for at in np.unique(born):
        newest = int(np.searchsorted(born, at, side="right")) - 1
        while oldest < newest and dies[oldest] < at:
            oldest += 1
        tallest = max(tallest, newest - oldest + 1)
    return tallest

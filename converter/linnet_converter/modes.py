"""How the tensors around a depthwise convolution may be held: the modes from which the planner chooses.

A *unit* is an expanded tensor, a filtered one, or both in a row. Its tensors are rings of rows, or strips of so many
columns (strips.py) of which so many rows are kept: each way is a *mode*, with its bytes and what it costs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from linnet.format_gen import OpKind

from . import scratch
from .plan import Step
from .qgraph import QGraph, macs
from .schedule import Lifetime, Strips
from .scratch import Kernels
from .strips import Strip, strip_for

COLUMNS = (32, 16, 8, 4, 2)
"""Widths of strips that are tried, in output columns."""

MACS_PER_CALL = 400
"""What calling a kernel on another strip costs, in multiply-accumulates: makes wide strips the first choice."""


class Means(IntEnum):
    """What a plan may use to become small; each includes those before it."""

    rings = 0
    strips = 1
    recomputation = 2


@dataclass(frozen=True)
class Mode:
    """One way to hold the tensors of a unit: those that are strips, the bytes of all, and what it costs."""

    strips: dict[int, Strip]
    bytes: int
    extra_macs: int
    cost: int

    @property
    def means(self) -> Means:
        if self.extra_macs:
            return Means.recomputation
        return Means.strips if self.strips else Means.rings


@dataclass(frozen=True)
class Unit:
    """Tensors around one operator that can be strips, alive in steps [first, last].

    modes: for each `Means` those worth a look, from the largest and cheapest on; the first is all rings.
    """

    first: int
    last: int
    modes: tuple[tuple[Mode, ...], ...]

    @property
    def smallest(self) -> int:
        return self.modes[-1][-1].bytes


class Modes:
    """The modes of one network's units.

    strip_height: at most so many rows a step.  strips: whether tensors may be strips.
    """

    def __init__(self, graph: QGraph, kernels: Kernels, strip_height: int, strips: bool) -> None:
        self.graph = graph
        self.kernels = kernels
        self.strip_height = strip_height
        self.strips = strips
        self.strip_mode = functools.cache(self._strip_mode)

    def units(self, ops: Sequence[int], lives: dict[int, Lifetime]) -> Iterator[tuple[list[int], Unit]]:
        """Units of a stretch, each with its tensors: an expanded tensor, a filtered one, or both in a row."""
        inside = {self.graph.ops[i].output for i in ops[:-1]} if self.strips else set()
        taken: set[int] = set()
        for index in reversed(ops):
            tensors: list[int] = []
            reader = index
            while self.graph.ops[reader].inputs:
                tensor = self.graph.ops[reader].inputs[0]
                if tensor not in inside or tensor in taken or self._can_be_strip(tensor) != reader:
                    break
                tensors.append(tensor)
                reader = self.graph.writer_index(tensor)
            if tensors:
                taken.update(tensors)
                modes = list(self._modes(tensors, lives))
                first = min(lives[tensor].first for tensor in tensors)
                last = max(lives[tensor].last for tensor in tensors)
                yield tensors, Unit(first, last, tuple(_worth_a_look(modes, means) for means in Means))

    def _modes(self, tensors: list[int], lives: dict[int, Lifetime]) -> Iterator[Mode]:
        """tensors: from the last of the unit backwards."""
        yield Mode({}, sum(lives[tensor].size for tensor in tensors) + self._unit_scratch(tensors, {}), 0, 0)
        for used in range(1, len(tensors) + 1):
            rings = sum(lives[tensor].size for tensor in tensors[used:])
            innermost = strip_for(self.graph, self.graph.readers(tensors[used - 1])[0], 0, 1)
            for columns in COLUMNS:
                for kept in range(innermost.most_kept, -1, -1):
                    mode = self.strip_mode(tuple(tensors), used, columns, kept)
                    yield replace(mode, bytes=mode.bytes + rings)

    def _unit_scratch(self, tensors: Sequence[int], strips: Strips) -> int:
        """The most that a step of a unit's operators needs; which of them runs when is not looked at."""
        ops = {self.graph.writer_index(tensor) for tensor in tensors if tensor not in strips}
        ops.add(self.graph.readers(tensors[0])[0])
        steps = (Step(op, 0, self.strip_height) for op in ops)
        return max(scratch.step_scratch(self.graph, self.kernels, step, strips) for step in steps)

    def _strip_mode(self, unit: tuple[int, ...], used: int, columns: int, kept: int) -> Mode:
        """The first `used` of a unit's tensors as strips of so many columns; the innermost, which is the last, keeps
        `kept` rows. The bytes are theirs and the unit's scratch; those of the rings are not in.
        """
        graph, tensors = self.graph, unit[:used]
        strips = {
            tensor: strip_for(graph, graph.readers(tensor)[0], kept if tensor == tensors[-1] else 0, columns)
            for tensor in tensors
        }
        strip = strips[tensors[-1]]
        writer = graph.writer(tensors[-1])
        reader = graph.ops[graph.readers(tensors[-1])[0]]
        counted = reader.inputs[0] if reader.kind == OpKind.avg_pool else reader.output
        height, width, _ = graph.tensors[counted].shape
        computed = [sum(map(len, strip.computed(y))) for y in range(-strip.lead, height)]
        source_rows = (max(computed) - 1) * writer.stride[0] * graph.tensors[writer.inputs[0]].row_bytes
        extra = (sum(computed) - strip.shape[0]) * (macs(graph, writer) // strip.shape[0])
        calls = height * -(-width // columns) * (1 + len(tensors))
        size = source_rows + sum(item.bytes for item in strips.values()) + self._unit_scratch(unit, strips)
        return Mode(strips, size, extra, extra + calls * MACS_PER_CALL)

    def _can_be_strip(self, tensor: int) -> int | None:
        """The operator that would compute a tensor on its way, or None."""
        graph = self.graph
        readers = graph.readers(tensor)
        if len(readers) != 1 or not graph.is_output(tensor):
            return None
        reader, writer = graph.ops[readers[0]], graph.writer(tensor)
        takes = reader.kind in (OpKind.depthwise, OpKind.avg_pool) or (
            reader.kind == OpKind.pointwise and writer.kind == OpKind.depthwise
        )
        gives = writer.kind in (OpKind.conv, OpKind.depthwise) or (
            writer.kind == OpKind.pointwise and len(writer.inputs) == 1
        )
        counted = reader.inputs[0] if reader.kind == OpKind.avg_pool else reader.output
        if not takes or not gives or reader.inputs[0] != tensor or (reader.inputs[1:] and tensor in reader.inputs[1:]):
            return None
        if reader.kind == OpKind.depthwise and self._can_be_strip(writer.inputs[0]) is not None:
            return None  # strips follow one another at most twice, and the projection's is the better one
        whole = strip_for(graph, readers[0], 0, 1)
        return readers[0] if whole.covers(graph.tensors[counted].shape[:2]) else None


def _worth_a_look(modes: Sequence[Mode], means: Means) -> tuple[Mode, ...]:
    """Those modes than which no other is both cheaper and smaller, cheapest first."""
    found: list[Mode] = []
    for mode in sorted(modes, key=lambda mode: (mode.cost, mode.bytes)):
        if mode.means <= means and (not found or mode.bytes < found[-1].bytes):
            found.append(mode)
    return tuple(found)

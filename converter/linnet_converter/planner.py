"""Which operators run fused through rings of rows, and where every tensor lives in the arena. docs/planner.md.

A plan is a sequence of *stretches*. Inside a stretch rows are computed on demand: a row of the last operator asks for
the rows it reads, and so on back to the stretch's input, so that every tensor inside needs only a few rows at a time.
Tensors between stretches are whole, though an output may creep over its dying input. A stretch may end wherever one
tensor alone carries everything that follows. Within a stretch, what goes into and comes out of a depthwise convolution
may be a strip tensor (strips.py), and where even that is too much, some of its rows are computed again.

The search works on estimates (live bytes, step by step) and is exact only in the end, when offsets are assigned:
`Planner.fit` finds, by dynamic programming over the ends of stretches, the least recomputation for which every stretch
stays below a bound; the bound is then moved until the arena itself is what was asked for.

Every plan of a network gives the same bytes.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from linnet.errors import LinnetError
from linnet.format_gen import Layout, OpKind

from . import scratch
from .arena import allocate
from .plan import Placement, Plan, Step
from .qgraph import QGraph, macs
from .schedule import Lifetime, Strips, in_place, lifetimes, reads, strip_rows, strips_of, total_rows
from .scratch import PORTABLE, Kernels
from .strips import Strip, strip_for

CHECKER_BYTES_PER_TENSOR = 8
"""lnt_open keeps its table of live rows in the arena (kernels_c/src/check_steps.c)."""


COLUMNS = (32, 16, 8, 4, 2)
"""Widths of strips that are tried, in output columns."""

MACS_PER_CALL = 400
"""What calling a kernel on another strip costs, in multiply-accumulates: makes wide strips the first choice."""

CURVE_POINTS = 24
"""Arenas between the smallest and the one without recomputation for which `curve` asks."""

SMALLEST_BOUND = 1024
"""Where the search for the smallest arena begins."""

ABOVE_BOUND = (1.0, 1.005, 1.01, 1.02, 1.04)
"""Bounds on the estimates, as shares of the smallest that can be kept, of which the best arena counts."""

CLOSE_TO_BOUND = (1.0, 0.995, 0.99, 0.98, 0.97, 0.95, 0.92, 0.88)
"""Bounds on the estimates, as shares of the arena wanted, that are tried until the arena itself fits."""


class Means(IntEnum):
    """What a plan may use to become small; each includes those before it."""

    rings = 0
    strips = 1
    recomputation = 2


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


@dataclass(frozen=True)
class _Mode:
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
class _Unit:
    """Tensors around one operator that can be strips, alive in steps [first, last].

    modes: for each `Means` those worth a look, from the largest and cheapest on; the first is all rings.
    """

    first: int
    last: int
    modes: tuple[tuple[_Mode, ...], ...]

    @property
    def smallest(self) -> int:
        return self.modes[-1][-1].bytes


@dataclass(frozen=True)
class _Fitted:
    """A mode for each unit of a stretch, and the most bytes in use in each phase."""

    modes: tuple[_Mode, ...]
    needed: tuple[int, ...]

    @functools.cached_property
    def most(self) -> int:
        return max(self.needed)


@dataclass(frozen=True)
class _Stretch:
    """Estimate of one stretch, in phases: the times between which units come and go.

    rings: in each phase the most bytes in use if all units are rings.  present: the units of each phase.
    least: for each `Means` the most bytes in use if all units are as small as they get.
    inner: the same of what stays in the stretch however much longer it becomes.
    """

    units: tuple[_Unit, ...]
    rings: tuple[int, ...]
    present: tuple[tuple[int, ...], ...]
    least: tuple[int, ...]
    inner: int
    fitted: dict[Means, list[_Fitted]] = field(default_factory=dict, compare=False)

    def fit(self, bound: int, means: Means) -> tuple[_Mode, ...] | None:
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
        best: tuple[float, int, int, _Mode] | None = None
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


@dataclass(frozen=True)
class _Choice:
    """Where a plan cuts and which tensors are strips."""

    cost: int
    stretches: tuple[tuple[int, int], ...]
    strips: dict[int, Strip]


class Planner:
    """Plans of one network. Estimates of stretches are kept between calls, so several plans cost little more than one.

    push_rows: the caller pushes the picture row by row; otherwise it lies in the arena whole when the run begins.
    strip_height: at most so many rows a step.  strips: whether tensors may be strips, and rows computed again.
    kernels: those that will run, which may want scratch.
    """

    def __init__(
        self,
        graph: QGraph,
        *,
        push_rows: bool = False,
        strip_height: int = 1,
        strips: bool = True,
        kernels: Kernels = PORTABLE,
    ) -> None:
        self.graph = graph
        self.kernels = kernels
        self.push_rows = push_rows
        self.strip_height = strip_height
        self.strips = strips
        self.start = -1 if push_rows else 0
        self.cuts = [cut for cut in _cuts(graph) if cut > self.start]
        self.smallest_plans: dict[Means, Plan] = {}
        self.stretch = functools.cache(self._stretch)
        self.strip_mode = functools.cache(self._strip_mode)

    def smallest(self, *, recompute: bool = False) -> Plan:
        """The plan with the smallest arena that this planner finds."""
        return self._smallest(Means.recomputation if recompute else Means.strips)

    def rings_within(self, ram: int) -> Plan | None:
        """The smallest plan without strips, if its arena takes no more than `ram` bytes."""
        if self._fit(ram, Means.rings) is None:
            return None
        plan = self._smallest(Means.rings)
        return plan if plan.arena_bytes <= ram else None

    def within(self, ram: int) -> Plan:
        """The fastest plan in an arena of `ram` bytes: of rings alone, else with strips, else with recomputation.

        Raises LinnetError, naming the smallest arena and what binds, where there is none.
        """
        if plan := self.rings_within(ram):
            return plan
        for means in (Means.strips, Means.recomputation):
            for share in CLOSE_TO_BOUND:
                choice = self._fit(int(ram * share), means)
                if choice is None:
                    break
                plan = self._assemble(choice)
                if plan.arena_bytes <= ram:
                    return plan
        smallest = self._smallest(Means.recomputation)
        if smallest.arena_bytes <= ram:
            return smallest
        raise LinnetError(
            f"the smallest arena is {smallest.arena_bytes} bytes, {smallest.arena_bytes - ram} more than allowed; "
            f"what binds is {binding(self.graph, smallest)}: use a smaller input or width"
            + ("" if self.push_rows else ", or push the picture row by row (--input rows)")
        )

    def curve(self) -> list[Plan]:
        """Plans from the one that computes nothing twice to the smallest of all: no other is better in both."""
        first, last = self.smallest(), self.smallest(recompute=True)
        plans = [first, last]
        for ram in np.linspace(last.arena_bytes, first.arena_bytes, CURVE_POINTS)[1:-1]:
            choice = self._fit(int(ram), Means.recomputation)
            if choice:
                plans.append(self._assemble(choice))
        plans.sort(key=lambda plan: (plan.arena_bytes, extra_macs(self.graph, plan)))
        front: list[Plan] = []
        for plan in plans:
            if not front or extra_macs(self.graph, plan) < extra_macs(self.graph, front[-1]):
                front.append(plan)
        return front[::-1]

    def _smallest(self, means: Means) -> Plan:
        if means not in self.smallest_plans:
            low, high = 0, SMALLEST_BOUND
            while self._fit(high, means) is None:  # from below: long stretches need not be looked at
                low, high = high, 2 * high
            while high - low > max(16, high >> 9):
                middle = (low + high) // 2
                if self._fit(middle, means) is None:
                    low = middle
                else:
                    high = middle
            choices = [self._fit(int(high * share), means) for share in ABOVE_BOUND]
            plans = [self._assemble(choice) for choice in choices if choice]
            if means > Means.rings:  # what the search finds with more means is not always smaller
                plans.append(self._smallest(Means(means - 1)))
            self.smallest_plans[means] = min(plans, key=lambda plan: plan.arena_bytes)
        return self.smallest_plans[means]

    def _fit(self, bound: int, means: Means) -> _Choice | None:
        """Dynamic program over the ends of stretches: the least cost with which every stretch keeps the bound."""
        best: dict[int, tuple[int, int]] = {self.start: (0, self.start)}
        modes: dict[tuple[int, int], tuple[_Mode, ...]] = {}
        for i, begin in enumerate([self.start, *self.cuts]):
            if begin not in best:
                continue
            for end in self.cuts[i:]:
                stretch = self.stretch(begin, end)
                fitted = stretch.fit(bound, means)
                if stretch.inner > bound:
                    break  # a longer stretch from here can only be larger
                if fitted is None:
                    continue
                modes[begin, end] = fitted
                candidate = (best[begin][0] + sum(mode.cost for mode in fitted), begin)
                if end not in best or candidate < best[end]:
                    best[end] = candidate
        last = self.cuts[-1]
        if last not in best:
            return None
        stretches: list[tuple[int, int]] = []
        end = last
        while end != self.start:
            stretches.append((best[end][1], end))
            end = best[end][1]
        chosen = [mode for ends in stretches for mode in modes[ends]]
        strips = {tensor: strip for mode in chosen for tensor, strip in mode.strips.items()}
        return _Choice(best[last][0], tuple(stretches[::-1]), strips)

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

    def _units(self, ops: Sequence[int], lives: dict[int, Lifetime]) -> Iterator[tuple[list[int], _Unit]]:
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
                yield tensors, _Unit(first, last, tuple(_worth_a_look(modes, means) for means in Means))

    def _modes(self, tensors: list[int], lives: dict[int, Lifetime]) -> Iterator[_Mode]:
        """tensors: from the last of the unit backwards."""
        yield _Mode({}, sum(lives[tensor].size for tensor in tensors) + self._unit_scratch(tensors, {}), 0, 0)
        for used in range(1, len(tensors) + 1):
            rings = sum(lives[tensor].size for tensor in tensors[used:])
            innermost = strip_for(self.graph, self.graph.readers(tensors[used - 1])[0], 0, 1)
            for columns in COLUMNS:
                for kept in range(innermost.most_kept, -1, -1):
                    mode = self.strip_mode(tuple(tensors[:used]), columns, kept)
                    yield replace(mode, bytes=mode.bytes + rings + self._unit_scratch(tensors, mode.strips))

    def _unit_scratch(self, tensors: Sequence[int], strips: Strips) -> int:
        """The most that a step of a unit's operators needs; which of them runs when is not looked at."""
        ops = {self.graph.writer_index(tensor) for tensor in tensors if tensor not in strips}
        ops.add(self.graph.readers(tensors[0])[0])
        steps = (Step(op, 0, self.strip_height) for op in ops)
        return max(scratch.step_scratch(self.graph, self.kernels, step, strips) for step in steps)

    def _strip_mode(self, tensors: tuple[int, ...], columns: int, kept: int) -> _Mode:
        """All of a unit's tensors as strips of so many columns; the innermost, which is the last, keeps `kept` rows."""
        graph = self.graph
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
        size = source_rows + sum(item.bytes for item in strips.values())
        return _Mode(strips, size, extra, extra + calls * MACS_PER_CALL)

    def _stretch(self, begin: int, end: int) -> _Stretch:
        ops = range(begin + 1, end + 1)
        steps = stream(self.graph, ops, self.strip_height)
        lives = {life.tensor: life for life in lifetimes(self.graph, steps, kept=[self.graph.ops[end].output])}
        units = list(self._units(ops, lives))
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
        in_units = {i for tensor in apart for i in (self.graph.writer_index(tensor), *self.graph.readers(tensor))}
        for at, step in enumerate(steps):
            if step.op not in in_units:
                needed_now = scratch.step_scratch(self.graph, self.kernels, step, {})
                live[at] += needed_now
                live[at + 1] -= needed_now
        bounds = sorted({0, *(at for _, unit in units for at in (unit.first, unit.last + 1))})
        present = [[i for i, (_, unit) in enumerate(units) if unit.first <= at <= unit.last] for at in bounds]
        others = np.maximum.reduceat(np.cumsum(live), bounds).tolist()

        def needed(means: Means, which: int) -> tuple[int, ...]:
            """In each phase, with the first or last mode of each unit."""
            sizes = [unit.modes[means][which].bytes for _, unit in units]
            return tuple(other + sum(sizes[i] for i in here) for other, here in zip(others, present, strict=True))

        return _Stretch(
            units=tuple(unit for _, unit in units),
            rings=needed(Means.rings, 0),
            present=tuple(map(tuple, present)),
            least=tuple(max(needed(means, -1)) for means in Means),
            inner=int(np.cumsum(inner).max()),
        )

    def _assemble(self, choice: _Choice) -> Plan:
        steps = [] if self.push_rows else [Step(0, 0, total_rows(self.graph, self.graph.ops[0]))]
        for begin, end in choice.stretches:
            steps += stream(self.graph, range(begin + 1, end + 1), self.strip_height, choice.strips)
        return assemble(self.graph, steps, choice.strips, self.kernels)


def _worth_a_look(modes: Sequence[_Mode], means: Means) -> tuple[_Mode, ...]:
    """Those modes than which no other is both cheaper and smaller, cheapest first."""
    found: list[_Mode] = []
    for mode in sorted(modes, key=lambda mode: (mode.cost, mode.bytes)):
        if mode.means <= means and (not found or mode.bytes < found[-1].bytes):
            found.append(mode)
    return tuple(found)


def _cuts(graph: QGraph) -> list[int]:
    """Operators after which their output alone carries everything that follows."""
    last_use = {tensor: i for i, op in enumerate(graph.ops) for tensor in op.inputs}
    produced = [op.output for op in graph.ops]
    furthest = np.maximum.accumulate([last_use.get(tensor, i) for i, tensor in enumerate(produced)])
    return [i for i in range(len(graph.ops)) if i == 0 or furthest[i - 1] <= i]


def assemble(graph: QGraph, steps: Sequence[Step], strips: Strips, kernels: Kernels = PORTABLE) -> Plan:
    """Give every tensor its ring and its place, and the steps their scratch."""
    lives = lifetimes(graph, steps, kept=[graph.ops[-1].output], strips=strips)
    aside = list(scratch.lives(graph, kernels, steps, strips))
    offsets, arena_bytes = allocate(graph, [*lives, *aside], in_place(graph, strips))

    def placement(life: Lifetime) -> Placement:
        offset = offsets[life.tensor]
        strip = strips.get(life.tensor)
        return strip.placement(offset) if strip else Placement(offset, life.ring, life.row_bytes)

    return Plan(
        family=kernels.family,
        arena_bytes=max(arena_bytes, CHECKER_BYTES_PER_TENSOR * len(graph.tensors)),
        placements=tuple(placement(life) for life in lives),
        steps=tuple(scratch.placed(steps, aside, offsets)),
    )


def strips_in(graph: QGraph, plan: Plan) -> dict[int, Strip]:
    """The strip tensors of a plan."""
    strips = {}
    for tensor, placement in enumerate(plan.placements):
        if placement.layout == Layout.strip:
            reader = graph.readers(tensor)[0]
            strip = strip_for(graph, reader, placement.rows, 1)
            held = placement.row_bytes // strip.shape[2]
            strips[tensor] = replace(strip, columns=(held - strip.kernel[1]) // strip.stride[1] + 1)
    return strips


def rows_computed(graph: QGraph, plan: Plan) -> list[int]:
    """How many rows each operator computes, counted as `total_rows` does."""
    rows = [0] * len(graph.ops)
    strips = strips_in(graph, plan)
    for step in plan.steps:
        rows[step.op] += step.n
        for tensor in strips_of(graph, step.op, strips):
            reader = graph.ops[graph.readers(tensor)[0]]
            again, new = (
                strip_rows(step, strips[tensor]) if reader.kind == OpKind.depthwise else (range(0), range(step.n))
            )
            rows[graph.writer_index(tensor)] += len(again) + len(new)
    return rows


def extra_macs(graph: QGraph, plan: Plan) -> int:
    """Multiply-accumulates of rows that a plan computes more than once."""
    return sum(
        macs(graph, op) // total_rows(graph, op) * (rows - total_rows(graph, op))
        for op, rows in zip(graph.ops, rows_computed(graph, plan), strict=True)
        if op.weights is not None
    )


def binding(graph: QGraph, plan: Plan) -> str:
    """Where a plan needs its memory: the operator of the fullest step, and the largest tensors that live then."""
    strips = strips_in(graph, plan)
    lives = lifetimes(graph, plan.steps, kept=[graph.ops[-1].output], strips=strips)
    change = np.zeros(len(plan.steps) + 2, np.int64)
    for life in lives:
        for born, dies, size in _held(life):
            change[born] += size
            change[dies + 1] -= size
    fullest = int(np.cumsum(change)[: len(plan.steps)].argmax())
    held = {life.tensor: sum(size for born, dies, size in _held(life) if born <= fullest <= dies) for life in lives}
    largest = sorted(held, key=lambda tensor: (-held[tensor], tensor))[:3]
    listed = ", ".join(f"{held[tensor]} of {graph.tensors[tensor].name}" for tensor in largest if held[tensor])
    return f"{graph.ops[plan.steps[fullest].op].name} ({listed})"


def _held(life: Lifetime) -> Iterator[tuple[int, int, int]]:
    """First and last step, and bytes: of each row where the tensor is whole, else of the ring."""
    if life.ring == len(life.born):
        for born, dies in zip(life.born, life.dies, strict=True):
            yield max(int(born), 0), int(dies), life.row_bytes
    else:
        yield max(life.first, 0), life.last, life.size


def plan(
    graph: QGraph,
    *,
    push_rows: bool = False,
    strip_height: int = 1,
    strips: bool = True,
    kernels: Kernels = PORTABLE,
) -> Plan:
    """The smallest plan that computes nothing twice."""
    return Planner(graph, push_rows=push_rows, strip_height=strip_height, strips=strips, kernels=kernels).smallest()


def plan_layer_by_layer(graph: QGraph, kernels: Kernels = PORTABLE) -> Plan:
    """Every tensor whole, one step per operator: what the fused plans are compared with."""
    steps = [Step(i, 0, total_rows(graph, op)) for i, op in enumerate(graph.ops)]
    return assemble(graph, steps, {}, kernels)

"""Which operators run fused through rings of rows, and where every tensor lives in the arena. docs/planner.md.

A plan is a sequence of *stretches*. Inside a stretch rows are computed on demand: a row of the last operator asks for
the rows it reads, and so on back to the stretch's input, so that every tensor inside needs only a few rows at a time.
Tensors between stretches are whole, though an output may creep over its dying input. A stretch may end wherever one
tensor alone carries everything that follows. Within a stretch, what goes into and comes out of a depthwise convolution
may be a strip tensor (strips.py), and where even that is too much, some of its rows are computed again.

The search works on estimates of stretches (stretch.py) and is exact only in the end, when offsets are assigned:
`Planner._fit` finds, by dynamic programming over the ends of stretches, the least recomputation for which every stretch
stays below a bound; the bound is then moved until the arena itself is what was asked for.

Every plan of a network gives the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from linnet.errors import LinnetError
from linnet.format_gen import Layout, OpKind

from . import scratch
from .arena import allocate
from .modes import Means, Mode, Modes
from .plan import Placement, Plan, Step
from .qgraph import QGraph, macs
from .schedule import Lifetime, Strips, in_place, lifetimes, stream, strip_rows, strips_of, total_rows
from .scratch import PORTABLE, Kernels
from .stretch import estimate
from .strips import Strip, strip_for

CHECKER_BYTES_PER_TENSOR = 8
"""lnt_open keeps its table of live rows in the arena (kernels_c/src/check_steps.c)."""

CURVE_POINTS = 24
"""Arenas between the smallest and the one without recomputation for which `curve` asks."""

SMALLEST_BOUND = 1024
"""Where the search for the smallest arena begins."""

ABOVE_BOUND = (1.0, 1.005, 1.01, 1.02, 1.04)
"""Bounds on the estimates, as shares of the smallest that can be kept, of which the best arena counts."""

CLOSE_TO_BOUND = (1.0, 0.995, 0.99, 0.98, 0.97, 0.95, 0.92, 0.88)
"""Bounds on the estimates, as shares of the arena wanted, that are tried until the arena itself fits."""


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
        self.start = -1 if push_rows else 0
        self.cuts = [cut for cut in _cuts(graph) if cut > self.start]
        self.smallest_plans: dict[Means, Plan] = {}
        modes = Modes(graph, kernels, strip_height, strips)
        self.stretch = functools.cache(functools.partial(estimate, modes))

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
        modes: dict[tuple[int, int], tuple[Mode, ...]] = {}
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

    def _assemble(self, choice: _Choice) -> Plan:
        steps = [] if self.push_rows else [Step(0, 0, total_rows(self.graph, self.graph.ops[0]))]
        for begin, end in choice.stretches:
            steps += stream(self.graph, range(begin + 1, end + 1), self.strip_height, choice.strips)
        return assemble(self.graph, steps, choice.strips, self.kernels)


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

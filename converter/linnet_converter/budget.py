"""The plan that a budget of memory asks for: the fastest that fits. docs/planner.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from linnet.errors import LinnetError
from linnet.format_gen import Family

from . import host_kernels
from .plan import Plan, Step
from .planner import Planner
from .qgraph import QGraph
from .schedule import reads, total_rows
from .scratch import PORTABLE, Kernels

HEIGHTS = (16, 8, 4, 2)
"""Rows a step that are tried before single rows."""


FAST_HEIGHT = 32
"""Rows a step where there is no budget: as fast as any in one thread, and what threads want (docs/performance.md)."""


def _nothing(graph: QGraph) -> int:  # noqa: ARG001
    return 0


@dataclass(frozen=True)
class Budget:
    """Bytes that a network may take, and for whose kernels. None: as much as it likes.

    ram: for the arena and for `besides`.  flash: for the model file.
    cache: of the processor, which the rows of one step should not fill; 0 where memory is as fast as a cache.
    family: of the kernels, whose scratch lies in the arena.  besides: what else a program with this network takes.
    microcontroller: whether it is one's.
    """

    ram: int | None = None
    flash: int | None = None
    cache: int = 0
    family: Family = Family.ref
    besides: Callable[[QGraph], int] = _nothing
    microcontroller: bool = False

    def kernels(self, graph: QGraph) -> Kernels:
        """The family's kernels, or the portable ones where this library is built without it."""
        return PORTABLE if self.family == Family.ref else host_kernels.best(graph, [self.family])


NO_BUDGET = Budget()


def plans(graph: QGraph, budget: Budget, *, push_rows: bool = False) -> tuple[Plan, ...]:
    """What a file is given: with a budget of RAM its plan, else a fast one of tall steps and then the smallest.

    The file's constants are for portable kernels, and so are its plans; what other kernels need has its room in them.
    Raises LinnetError where nothing fits.
    """
    smallest = choose(graph, budget, push_rows=push_rows)
    if budget.ram is not None:
        return (portable(smallest),)
    fastest = Planner(graph, push_rows=push_rows, strip_height=FAST_HEIGHT, strips=False).smallest()
    return (fastest, smallest) if fastest.arena_bytes > smallest.arena_bytes else (smallest,)


def portable(plan: Plan) -> Plan:
    """The same rows in the same places and order, the scratch left unused."""
    return replace(plan, family=Family.ref, steps=tuple(replace(step, scratch=0) for step in plan.steps))


def choose(graph: QGraph, budget: Budget, *, push_rows: bool = False, kernels: Kernels | None = None) -> Plan:
    """The fastest plan that fits. Without a budget of RAM, the smallest that computes nothing twice.

    Taller steps call kernels less often and read weights less often, as long as what a step touches stays in the cache:
    the tallest that takes up half of it, and the RAM, is best. kernels: those of the budget, where they are known.
    Raises LinnetError where nothing fits.
    """
    kernels = kernels or budget.kernels(graph)
    if budget.ram is None:
        return Planner(graph, push_rows=push_rows, kernels=kernels).smallest()
    ram = budget.ram - budget.besides(graph)
    for height in HEIGHTS:
        if budget.cache and step_bytes(graph, height) > budget.cache // 2:
            continue
        planner = Planner(graph, push_rows=push_rows, strip_height=height, strips=False, kernels=kernels)
        if plan := planner.rings_within(ram):
            return plan
    return Planner(graph, push_rows=push_rows, kernels=kernels).within(ram)


def check_flash(model_bytes: int, budget: Budget) -> None:
    """Raises LinnetError where the model file is larger than the budget."""
    if budget.flash is not None and model_bytes > budget.flash:
        raise LinnetError(
            f"the model file is {model_bytes} bytes, {model_bytes - budget.flash} more than the {budget.flash} bytes "
            "of flash allowed: use a smaller width or fewer classes; no plan changes it"
        )


def step_bytes(graph: QGraph, height: int) -> int:
    """The most bytes of rows that a step of so many rows reads and writes."""
    most = 0
    for index, op in enumerate(graph.ops):
        n = min(height, total_rows(graph, op))
        step = Step(index, (total_rows(graph, op) - n) // 2, n)
        read = sum(len(rows) * graph.tensors[tensor].row_bytes for tensor, rows in reads(graph, step, {}))
        written = min(n, graph.tensors[op.output].shape[0]) * graph.tensors[op.output].row_bytes
        most = max(most, read + written)
    return most

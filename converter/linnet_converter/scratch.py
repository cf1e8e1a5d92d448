"""Working memory that the kernels of microcontrollers get from the plan.

Each step has its own, for as long as it runs. kernels_c/src/check_steps.c asks for the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from linnet.format_gen import Family, OpKind

from .plan import Step
from .qgraph import QGraph
from .schedule import Lifetime, Strips, strips_of
from .strips import Strip

ALIGNMENT = 16
"""LNT_ALIGN of kernels_c/include/linnet.h."""


class Kernels(Protocol):
    """The kernels that run a network's operators."""

    family: Family

    def scratch_bytes(self, op: int, n: int, columns: int) -> int:
        """What operator op needs to compute n rows of so many columns."""


class Portable:
    """The portable kernels, which need nothing."""

    family = Family.ref

    def scratch_bytes(self, op: int, n: int, columns: int) -> int:  # noqa: ARG002
        return 0


PORTABLE = Portable()


def step_scratch(graph: QGraph, kernels: Kernels, step: Step, strips: Strips) -> int:
    """Bytes for the largest kernel that a step runs: through strips, one row of as many columns as a strip holds."""
    if kernels.family == Family.ref:
        return 0
    path = list(strips_of(graph, step.op, strips))
    columns = min([_width(graph, step.op), *(_columns(strips[tensor]) for tensor in path)])
    needed = [kernels.scratch_bytes(step.op, 1 if path else step.n, columns)]
    for tensor in path:
        held = strips[tensor].strip_bytes // strips[tensor].shape[2]
        needed.append(kernels.scratch_bytes(graph.writer_index(tensor), 1, held))
    return max(needed)


def lives(graph: QGraph, kernels: Kernels, steps: Sequence[Step], strips: Strips) -> Iterator[Lifetime]:
    """For each operator that needs scratch, its lifetime: a row a step, all in one place; `tensor` is -1 - operator."""
    if kernels.family == Family.ref:
        return
    known: dict[tuple[int, int], int] = {}
    at: dict[int, list[int]] = {}
    for index, step in enumerate(steps):
        kind = (step.op, step.n)
        if kind not in known:
            known[kind] = step_scratch(graph, kernels, step, strips)
        if known[kind]:
            at.setdefault(step.op, []).append(index)
    for op, indices in sorted(at.items()):
        size = max(needed for (other, _), needed in known.items() if other == op)
        times = np.array(indices)
        yield Lifetime(-1 - op, times, times, 1, size)


def placed(steps: Iterable[Step], scratch: Iterable[Lifetime], offsets: Mapping[int, int]) -> Iterator[Step]:
    """The steps with the offset of their scratch."""
    places = {index: offsets[life.tensor] for life in scratch for index in life.born.tolist()}
    for index, step in enumerate(steps):
        yield Step(step.op, step.y, step.n, places.get(index, 0))


def _columns(strip: Strip) -> int:
    """Output columns of the reader, as lnt_strip_columns() counts them."""
    return (strip.strip_bytes // strip.shape[2] - strip.kernel[1]) // strip.stride[1] + 1


def _width(graph: QGraph, op: int) -> int:
    record = graph.ops[op]
    return graph.tensors[record.inputs[0] if record.kind == OpKind.avg_pool else record.output].shape[1]

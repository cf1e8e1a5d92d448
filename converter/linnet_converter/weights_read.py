"""How often a plan reads the weights."""

from __future__ import annotations

from .plan import Plan
from .planner import strips_in
from .qgraph import QGraph
from .schedule import strip_rows, strips_of


def weight_words(graph: QGraph, plan: Plan) -> int:
    """Words of four bytes that one inference reads, if every call of a kernel reads its operator's weights once."""
    strips = strips_in(graph, plan)
    calls = [0] * len(graph.ops)
    for step in plan.steps:
        path = list(strips_of(graph, step.op, strips))
        columns = min((strips[tensor].columns for tensor in path), default=0)
        width = graph.tensors[graph.ops[step.op].output].shape[1]
        pieces = -(-width // columns) if path else 1
        calls[step.op] += pieces if step.n else 0
        rows = 1  # of the strip tensor next in the path: those that its reader wants anew
        for tensor in path:
            strip = strips[tensor]
            if strip.kernel[0] > 1:
                again, new = strip_rows(step, strip)
                rows = len(again) + len(new)
            calls[graph.writer_index(tensor)] += pieces * rows
    sizes = [0 if op.weights is None else op.weights.size for op in graph.ops]
    return sum(count * size for count, size in zip(calls, sizes, strict=True)) // 4

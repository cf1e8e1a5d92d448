"""What a plan fuses, read off its steps, and the curve of several plans as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .plan import Plan
from .planner import extra_macs, rows_computed, strips_in
from .qgraph import QGraph, macs
from .schedule import strips_of, total_rows
from .svg import Drawing


@dataclass(frozen=True)
class Stretch:
    """Consecutive operators [first, last] whose steps take turns; one operator alone is not fused with any other.

    strips: tensors that are never whole (docs/planner.md).  recomputed: operators that compute some rows again.
    """

    first: int
    last: int
    strips: tuple[int, ...]
    recomputed: tuple[int, ...]

    @property
    def operators(self) -> int:
        return self.last - self.first + 1


def stretches(graph: QGraph, plan: Plan) -> list[Stretch]:
    """The stretches of a plan, in order: every operator is in one."""
    strips = strips_in(graph, plan)
    first, last = [len(plan.steps)] * len(graph.ops), [-1] * len(graph.ops)
    for at, step in enumerate(plan.steps):
        writers = [graph.writer_index(tensor) for tensor in strips_of(graph, step.op, strips)]
        for op in (step.op, *writers):
            first[op] = min(first[op], at)
            last[op] = max(last[op], at)
    rows = rows_computed(graph, plan)
    again = [i for i, op in enumerate(graph.ops) if rows[i] > total_rows(graph, op)]
    found: list[Stretch] = []
    begin = 0
    for end in range(len(graph.ops)):
        if max(last[begin : end + 1]) < min(first[end + 1 :], default=len(plan.steps)):
            inside = range(begin, end + 1)
            held = tuple(graph.ops[i].output for i in inside if graph.ops[i].output in strips)
            found.append(Stretch(begin, end, held, tuple(i for i in again if i in inside)))
            begin = end + 1
    return found


def extra_percent(graph: QGraph, plan: Plan) -> float:
    """MACs of rows computed again, in percent of those that one inference needs."""
    return 100 * extra_macs(graph, plan) / max(sum(macs(graph, op) for op in graph.ops), 1)


def draw_curve(title: str, graph: QGraph, plans: Sequence[Plan]) -> Drawing:
    """Arena in KiB against extra MACs in percent, one point a plan; plans in the order of the arena, largest first."""
    width, height, left, right, top, bottom = 640.0, 400.0, 64.0, 24.0, 44.0, 52.0
    points = [(plan.arena_bytes / 1024, extra_percent(graph, plan)) for plan in plans]
    x_ticks, y_ticks = _ticks(max(x for x, _ in points)), _ticks(max(1.0, *(y for _, y in points)))

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = x / x_ticks[-1], y / y_ticks[-1]
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    drawing = Drawing(width, height)
    drawing.text(left, 24, title, font_size=14)
    for tick in x_ticks:
        x, y = place(tick, 0)
        drawing.line(x, y, x, top, stroke="#e4e4e4")
        drawing.text(x, y + 16, f"{tick:g}", text_anchor="middle")
    for tick in y_ticks:
        x, y = place(0, tick)
        drawing.line(x, y, width - right, y, stroke="#e4e4e4")
        drawing.text(x - 6, y + 4, f"{tick:g}", text_anchor="end")
    drawing.line(*place(0, 0), *place(x_ticks[-1], 0))
    drawing.line(*place(0, 0), *place(0, y_ticks[-1]))
    drawing.text((left + width - right) / 2, height - 12, "arena, KiB", text_anchor="middle")
    drawing.text(20, (top + height - bottom) / 2, "MACs computed again, %", upright=True, text_anchor="middle")
    drawing.polyline([place(x, y) for x, y in points], stroke="#7aa6d6", stroke_width=1.5)
    for plan, point in zip(plans, points, strict=True):
        x, y = place(*point)
        label = f"{plan.arena_bytes:,}"
        drawing.rect(x - 4, y - 4, 8, 8, title=f"{label} bytes, {point[1]:.1f} % more MACs", rx=4, fill="#1f5fa8")
        drawing.text(x - 6, y - 7, f"{label} bytes", text_anchor="end")
    return drawing


def _ticks(most: float) -> list[float]:
    """Four to eight round numbers from 0 to at least `most`."""
    step = next(
        base * 10.0**power for power in range(-3, 9) for base in (1, 2, 2.5, 5) if most <= 7 * base * 10.0**power
    )
    count = int(-(-most // step))
    return [step * i for i in range(count + 1)]

"""Who lives where in the arena, step by step, and a drawing of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from linnet.format_gen import DType

from . import fusion
from .plan import Plan
from .planner import strips_in
from .qgraph import QGraph
from .schedule import Lifetime, lifetimes
from .svg import Drawing, Point


class Held(Enum):
    """How much of a tensor is in the arena at a time."""

    whole = "whole"
    ring = "ring"
    strip = "strip"


@dataclass(frozen=True)
class Resident:
    """A tensor's place in the arena: bytes [offset, offset + bytes) in the steps [first_step, last_step]."""

    tensor: int
    name: str
    held: Held
    rows: str
    offset: int
    bytes: int
    first_step: int
    last_step: int
    life: Lifetime

    def pieces(self) -> Iterator[tuple[int, int, int, int]]:
        """Bytes [start, end) that are in use in the steps [first, last]: row by row where the tensor is whole."""
        if self.held is not Held.whole:
            yield self.offset, self.offset + self.bytes, self.first_step, self.last_step
            return
        size = self.bytes // len(self.life.born)
        for row, (born, dies) in enumerate(zip(self.life.born, self.life.dies, strict=True)):
            start = self.offset + row * size
            yield start, start + size, max(int(born), 0), min(int(dies), self.last_step)


def residents(graph: QGraph, plan: Plan) -> list[Resident]:
    """Every tensor, in the order in which they come to life."""
    strips = strips_in(graph, plan)
    answer = graph.ops[-1].output
    found = []
    for life in lifetimes(graph, plan.steps, kept=[answer], strips=strips):
        place, tensor = plan.placements[life.tensor], graph.tensors[life.tensor]
        strip = strips.get(life.tensor)
        if strip:
            fresh = strip.kernel[0] - strip.kept
            held, rows = Held.strip, f"strip {strip.kept}+{fresh}"
            size = strip.kept * tensor.row_bytes + fresh * place.row_bytes
        else:
            held = Held.whole if place.rows == tensor.shape[0] else Held.ring
            rows, size = f"{place.rows}/{tensor.shape[0]}", place.rows * place.row_bytes
        last = min(life.last, len(plan.steps) - 1)
        found.append(Resident(life.tensor, tensor.name, held, rows, place.offset, size, max(life.first, 0), last, life))
    return sorted(found, key=lambda resident: (resident.first_step, resident.tensor))


def stretches(graph: QGraph, plan: Plan) -> Iterator[tuple[int, int, int, int]]:
    """First and last step, first and last operator of each stretch."""
    begin = 0
    for stretch in fusion.stretches(graph, plan):
        steps = sum(stretch.first <= step.op <= stretch.last for step in plan.steps)
        yield begin, begin + steps - 1, stretch.first, stretch.last
        begin += steps


WIDTH, HEIGHT = 1400.0, 640.0
LEFT, TOP, BELOW = 64.0, 58.0, 64.0
COLOURS = {
    Held.whole: ("#8db4e2", "#5b8ec9", "#b7d0ef"),
    Held.ring: ("#f3b562", "#e2954a", "#f9d29d"),
    Held.strip: ("#8cc79b", "#5fa873", "#b5dcbf"),
}
MEANING = {
    Held.whole: "whole tensor, its edge row by row: rows are written, wanted, and written over",
    Held.ring: "ring of rows",
    Held.strip: "strips of columns, and the rows that are kept",
}
LETTER = 6.2
"""Width of a letter, about."""
LINE = 12.5
"""Height of a line of text."""


def draw(graph: QGraph, plan: Plan, title: str) -> str:
    """The arena over time as SVG: steps from left to right, addresses upwards."""
    drawing = Drawing(LEFT + WIDTH + 24, TOP + HEIGHT + BELOW)
    across, up = WIDTH / len(plan.steps), HEIGHT / plan.arena_bytes

    def place(step: float, address: float) -> Point:
        return LEFT + step * across, TOP + HEIGHT - address * up

    drawing.text(LEFT, 22, title, font_size=16, font_weight="bold")
    at = LEFT
    for held, meaning in MEANING.items():
        drawing.rect(at, 33, 12, 12, fill=COLOURS[held][0])
        drawing.text(at + 17, 43, meaning)
        at += 17 + LETTER * len(meaning) + 24
    drawing.rect(LEFT, TOP, WIDTH, HEIGHT, fill="#f4f4f4")
    seen = dict.fromkeys(Held, 0)
    labels: list[tuple[Resident, str, list[tuple[int, int, int, int]]]] = []
    for resident in residents(graph, plan):
        colours = COLOURS[resident.held]
        colour = colours[seen[resident.held] % len(colours)]
        seen[resident.held] += 1
        shape = "x".join(map(str, graph.tensors[resident.tensor].shape))
        suffix = " int32" if graph.tensors[resident.tensor].dtype == DType.int32 else ""
        detail = f"{shape}{suffix}, {resident.rows}"
        about = (
            f"{resident.name}: {detail}, {resident.bytes:,} bytes at {resident.offset:,}, "
            f"steps {resident.first_step:,} to {resident.last_step:,}"
        )
        pieces = list(resident.pieces())
        outline = [place(*corner) for start, end, first, _ in pieces for corner in ((first, start), (first, end))]
        outline += [
            place(*corner)
            for start, end, _, last in reversed(pieces)
            for corner in ((last + 1, end), (last + 1, start))
        ]
        drawing.polygon(outline, about, fill=colour, stroke="white", stroke_width=0.6)
        labels.append((resident, detail, pieces))
    for resident, detail, pieces in labels:
        # a staircase is labelled across its middle rows, as far as all of these reach
        rows = int(LINE / 2 / ((pieces[0][1] - pieces[0][0]) * up)) + 1
        middle = pieces[max(len(pieces) // 2 - rows, 0) : len(pieces) // 2 + rows]
        first, last = max(piece[2] for piece in middle), min(piece[3] for piece in middle)
        corner, opposite = place(first, resident.offset + resident.bytes), place(last + 1, resident.offset)
        _label(drawing, corner, opposite, resident.name, detail, upright=len(pieces) == 1)
    _axes(drawing, graph, plan, place)
    return str(drawing)


def _label(drawing: Drawing, corner: Point, opposite: Point, name: str, detail: str, upright: bool) -> None:
    """What fits of a label: on one line, on two, upright, its name only, or nothing."""
    x, y = (corner[0] + opposite[0]) / 2, (corner[1] + opposite[1]) / 2
    width, height = opposite[0] - corner[0] - 6, opposite[1] - corner[1]
    for text in (f"{name}  {detail}", name):
        length = LETTER * len(text)
        if text == name and max(LETTER * len(detail), length) < width and height > 2 * LINE:
            drawing.text(x, y - 2, name, text_anchor="middle")
            drawing.text(x, y + 11, detail, text_anchor="middle")
        elif length < width and height >= LINE:
            drawing.text(x, y + 4, text, text_anchor="middle")
        elif upright and length < height - 6 and width + 6 >= LINE:
            drawing.text(x + 4, y, text, upright=True, text_anchor="middle")
        else:
            continue
        return


def _axes(drawing: Drawing, graph: QGraph, plan: Plan, place: Callable[[float, float], Point]) -> None:
    bottom = TOP + HEIGHT
    for address in _ticks(plan.arena_bytes, 10, (256 << i for i in itertools.count())):
        _, y = place(0, address)
        drawing.line(LEFT - 5, y, LEFT, y)
        drawing.text(LEFT - 8, y + 4, f"{address / 1024:g} KiB", text_anchor="end")
    drawing.line(LEFT, TOP, LEFT + WIDTH, TOP, stroke_dasharray="5 4")
    drawing.text(LEFT + WIDTH, TOP - 5, f"arena: {plan.arena_bytes:,} bytes", text_anchor="end", font_weight="bold")
    for step in _ticks(len(plan.steps), 16, (m * 10**i for i in itertools.count() for m in (1, 2, 5))):
        x, _ = place(step, 0)
        drawing.line(x, bottom, x, bottom + 5)
        drawing.text(x, bottom + 17, f"{step:,}", text_anchor="middle")
    drawing.polyline([(LEFT, TOP), (LEFT, bottom), (LEFT + WIDTH, bottom)])
    drawing.text(LEFT - 8, bottom + 17, "step", text_anchor="end")
    for i, (first, last, first_op, last_op) in enumerate(stretches(graph, plan)):
        start, _ = place(first, 0)
        end, _ = place(last + 1, 0)
        if i:
            drawing.line(start, TOP, start, bottom + 40, stroke_dasharray="2 3", stroke="#555555")
        names = graph.ops[first_op].name, graph.ops[last_op].name
        for text in (f"{names[0]} to {names[1]}" if names[0] != names[1] else names[0], names[1]):
            if LETTER * len(text) < end - start:
                drawing.text((start + end) / 2, bottom + 36, text, text_anchor="middle", fill="#555555")
                break
    drawing.text(LEFT, bottom + 56, "Dotted: between stretches, one tensor alone carries everything.", fill="#555555")


def _ticks(end: int, most: int, steps: Iterable[int]) -> range:
    """From 0 to below `end`, at most so many, in the smallest of the steps."""
    return range(0, end, next(step for step in steps if end <= step * most))

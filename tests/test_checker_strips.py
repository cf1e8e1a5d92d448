"""lnt_open refuses every plan in which one thing about a strip is wrong; what it accepts gives the right bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import random_networks
from test_bytes import assert_equal
from test_checker import PLACEMENT, STEP, code

import linnet
from linnet.format_gen import DType, Family, InputKind, Layout
from linnet_converter import lnt_file, planner, schedule
from linnet_converter.plan import Placement, Plan, Step
from linnet_converter.qgraph import QGraph
from linnet_converter.schedule import total_rows
from linnet_converter.strips import strip_for


class Same(random_networks.Builder):
    """Pads on both sides, so that every plan of the network below has leading steps."""

    def padding(self, size: int, kernel: int, stride: int) -> tuple[int, int]:
        return kernel // 2, -(-size // stride)


def network() -> QGraph:
    """Two inverted residuals, the second with two expansions in a row, and a head."""
    b = Same(np.random.default_rng(5))
    x = b.conv(b.source((14, 12, 3)), 8, (3, 3), (2, 2), depthwise=False)
    y = b.conv(b.pointwise(x, 16), 0, (3, 3), (1, 1), depthwise=True)
    x = b.pointwise(y, 8, residual=x)
    x = b.conv(b.pointwise(b.pointwise(x, 12), 16), 0, (3, 3), (2, 2), depthwise=True)
    x = b.pointwise(b.pointwise(x, 8), 20)
    b.dense(b.pool(x), 10)
    return b.graph(InputKind.pixels)


GRAPH = network()
STEM, EXPAND, DEPTHWISE, PROJECT, EXPAND_1, EXPAND_2, REDUCE, PROJECT_1, PROJECT_2, POOL, DENSE = range(1, 12)
ACROSS, DOWN, TWICE = (GRAPH.ops[op].output for op in (EXPAND, DEPTHWISE, EXPAND_1))
KEPT = {EXPAND: 2, DEPTHWISE: 0, EXPAND_2: 1, REDUCE: 0, PROJECT_1: 0}
"""Operators whose outputs are strips, and rows of them that stay from step to step."""


def roomy(kept: dict[int, int], columns: int = 3) -> Plan:
    """Every tensor apart from all others, and whole where it is no strip: so whatever is refused is refused for one
    reason only.
    """
    strips = {
        GRAPH.ops[op].output: strip_for(GRAPH, GRAPH.readers(GRAPH.ops[op].output)[0], rows, columns)
        for op, rows in kept.items()
    }
    placements: list[Placement] = []
    arena = 0
    for index, tensor in enumerate(GRAPH.tensors):
        strip = strips.get(index)
        item = strip.placement(arena) if strip else Placement(arena, tensor.shape[0], tensor.row_bytes)
        placements.append(item)
        arena += -(-(strip.bytes if strip else item.rows * item.row_bytes) // 4) * 4
    steps = [Step(0, 0, total_rows(GRAPH, GRAPH.ops[0]))]
    for op in range(1, len(GRAPH.ops)):
        if op not in kept:
            first = op
            while first - 1 in kept:
                first -= 1
            steps += schedule.stream(GRAPH, range(first, op + 1), 1, strips)
    return Plan(Family.ref, arena, tuple(placements), tuple(steps))


PLAN = roomy(KEPT)


def answer(plan: Plan) -> int:
    return code(lnt_file.write(GRAPH, [plan]))


def with_steps(steps: list[Step]) -> int:
    return answer(replace(PLAN, steps=tuple(steps)))


def with_placement(tensor: int, **fields: int | Layout) -> int:
    placements = list(PLAN.placements)
    placements[tensor] = replace(placements[tensor], **fields)  # type: ignore[arg-type]
    return answer(replace(PLAN, placements=tuple(placements)))


def steps_of(op: int) -> list[int]:
    return [i for i, step in enumerate(PLAN.steps) if step.op == op]


@pytest.mark.parametrize("columns", [1, 2, 3, 32])
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_the_plan_itself_is_right(rows: int, columns: int) -> None:
    """Also with fewer rows kept than would do without computing any again."""
    plan = roomy(KEPT | {EXPAND: rows, EXPAND_2: min(rows, 1)}, columns)
    assert answer(plan) == 0
    assert_equal(GRAPH, plan, rows)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_every_value_is_traced_once(rows: int) -> None:
    """Also where rows are computed again."""
    plan = roomy(KEPT | {EXPAND: rows, EXPAND_2: min(rows, 1)})
    assert (planner.extra_macs(GRAPH, plan) > 0) == (rows < 2)
    model = linnet.load(lnt_file.write(GRAPH, [plan]))
    times = [np.zeros(GRAPH.tensors[op.output].shape[:2], int) for op in GRAPH.ops]

    def count(op: int, y: int, n: int, x: int, xn: int, *_: object) -> None:
        times[op][y : y + n, x : x + xn] += 1

    model._execute(model.prepare(random_networks.picture(GRAPH, 1)), count)
    for op, counted in zip(GRAPH.ops, times, strict=True):
        assert (counted == 1).all(), op.name


def test_kept_rows() -> None:
    for op, most in ((EXPAND, 2), (DEPTHWISE, 0), (EXPAND_2, 1), (REDUCE, 0), (PROJECT_1, 0)):
        tensor = GRAPH.ops[op].output
        for rows in (most + 1, 65535):
            assert with_placement(tensor, rows=rows) == PLACEMENT


def test_strips_too_narrow_for_one_column() -> None:
    channels = GRAPH.tensors[ACROSS].shape[2]
    assert with_placement(ACROSS, row_bytes=3 * channels) == 0
    assert with_placement(ACROSS, row_bytes=3 * channels - channels) == PLACEMENT
    assert with_placement(ACROSS, row_bytes=3 * channels + 1) == PLACEMENT, "no whole number of columns"
    assert with_placement(ACROSS, row_bytes=0) == PLACEMENT
    assert with_placement(DOWN, row_bytes=channels) == 0
    assert with_placement(DOWN, row_bytes=0) == PLACEMENT


def test_strips_outside_the_arena() -> None:
    for tensor, strip in planner.strips_in(GRAPH, PLAN).items():
        item = PLAN.placements[tensor]
        place = item.rows * GRAPH.tensors[tensor].row_bytes + (strip.kernel[0] - item.rows) * item.row_bytes
        room = replace(PLAN, arena_bytes=PLAN.arena_bytes + place)
        assert answer(moved(room, tensor, PLAN.arena_bytes)) == 0
        assert answer(moved(room, tensor, PLAN.arena_bytes + 1)) == PLACEMENT
        assert with_placement(tensor, offset=2**32 - 1) == PLACEMENT
        assert with_placement(tensor, row_bytes=2**32 - 2**32 % strip.shape[2] - strip.shape[2]) == PLACEMENT


@pytest.mark.parametrize(
    "tensor",
    [
        0,
        GRAPH.ops[STEM].output,  # read by the expansion and as a shortcut
        GRAPH.ops[PROJECT].output,  # computed with a shortcut, and read by a pointwise convolution
        GRAPH.ops[POOL].output,
        *(i for i, tensor in enumerate(GRAPH.tensors) if tensor.dtype == DType.int32),  # sums of the pool, the answer
    ],
)
def test_tensors_that_cannot_be_strips(tensor: int) -> None:
    for rows in (0, 1):
        size = GRAPH.tensors[tensor].row_bytes
        assert with_placement(tensor, layout=Layout.strip, rows=rows, row_bytes=size) == PLACEMENT


def test_chains() -> None:
    """Three strips in a row and no more; none ahead of what a window looks at."""
    assert answer(roomy({REDUCE: 0, PROJECT_1: 0, PROJECT_2: 0})) == 0
    assert answer(roomy({EXPAND_2: 1, REDUCE: 0, PROJECT_1: 0, PROJECT_2: 0})) == PLACEMENT
    assert answer(roomy({EXPAND_1: 0, EXPAND_2: 1})) == PLACEMENT
    assert answer(roomy({EXPAND_1: 0})) == 0


def test_reserved_and_unknown_layouts() -> None:
    assert with_placement(ACROSS, layout=7) == PLACEMENT


def test_no_leading_step_may_be_missing() -> None:
    steps = list(PLAN.steps)
    leading = [i for i, step in enumerate(steps) if step.n == 0]
    assert [(steps[i].op, steps[i].y) for i in leading] == [(PROJECT, 0), (PROJECT, 1), (PROJECT_2, 0)]
    for i in leading:
        assert with_steps(steps[:i] + steps[i + 1 :]) == STEP
    first, second, _ = leading
    steps[first], steps[second] = steps[second], steps[first]
    assert with_steps(steps) == STEP, "in the wrong order"


def test_no_leading_step_too_many() -> None:
    steps = list(PLAN.steps)
    at = steps_of(PROJECT)[2]
    assert with_steps([*steps[:at], Step(PROJECT, 2, 0), *steps[at:]]) == STEP
    assert with_steps([*steps[:at], steps[at - 1], *steps[at:]]) == STEP, "one twice"
    for op in (0, STEM, POOL, DENSE, EXPAND_1):
        assert with_steps([*steps, Step(op, 0, 0)]) == STEP, "an operator that has nothing to lead to"
    again = steps[at - 2 : at]
    assert with_steps([*steps[:at], *again, *steps[at:]]) == 0, "all of them anew are harmless"
    assert with_steps([*steps[:at], Step(PROJECT, 2, 0), *again, *steps[at:]]) == STEP


def test_steps_come_one_behind_the_other() -> None:
    """Rows that one step keeps are for the next one only."""
    steps = list(PLAN.steps)
    for at, after in pairwise(steps_of(PROJECT)):
        if steps[at].n:
            assert with_steps([*steps[: at + 1], steps[at], *steps[after:]]) == STEP
    mine = steps_of(PROJECT)
    begin, end = mine[0], mine[-1] + 1
    assert with_steps([*steps[:end], *steps[begin:end], *steps[end:]]) == 0, "all of them anew are harmless"


def test_one_row_a_step() -> None:
    steps = list(PLAN.steps)
    for op in (PROJECT, PROJECT_2):
        *_, first, second = steps_of(op)
        assert with_steps([*steps[:first], replace(steps[first], n=2), *steps[second + 1 :]]) == STEP


def test_a_strip_has_no_steps_of_its_own() -> None:
    steps = list(PLAN.steps)
    for op in (EXPAND, DEPTHWISE):
        assert with_steps([*steps[:8], Step(op, 0, 1), *steps[8:]]) == STEP


def test_source_rows_must_be_there() -> None:
    """A step reads, through the chain, rows of a tensor that it does not name."""
    steps = list(PLAN.steps)
    stem = steps_of(STEM)
    first = steps_of(PROJECT)[0]
    late = steps[stem[-1]]
    assert with_steps([*steps[: stem[-1]], *steps[stem[-1] + 1 : first + 4], late, *steps[first + 4 :]]) == 0
    missing = [step for step in steps if step != late]
    assert with_steps(missing) == STEP


def moved(plan: Plan, tensor: int, offset: int) -> Plan:
    placements = list(plan.placements)
    placements[tensor] = replace(placements[tensor], offset=offset)
    return replace(plan, placements=tuple(placements))


def test_a_strip_over_what_its_step_reads_or_writes() -> None:
    """Source, shortcut, output, and the other strips of the same step; no leading step has spoilt them before."""
    plan = roomy(dict.fromkeys(KEPT, 0))
    assert answer(plan) == 0
    stem, project, reduce, project_1, project_2 = (
        GRAPH.ops[op].output for op in (STEM, PROJECT, REDUCE, PROJECT_1, PROJECT_2)
    )
    for tensor, others in {
        ACROSS: (stem, DOWN, project),
        DOWN: (stem, project),
        GRAPH.ops[EXPAND_2].output: (TWICE, reduce, project_1, project_2),
        project_1: (project_2,),
    }.items():
        for other in others:
            assert answer(moved(plan, tensor, plan.placements[other].offset)) == PLACEMENT, (tensor, other)


def test_a_strip_over_a_tensor_that_is_wanted_later() -> None:
    """The last rows of the picture; the stem's last rows are computed before the strips are used, or after."""
    strip = planner.strips_in(GRAPH, PLAN)[ACROSS]
    picture = PLAN.placements[0]
    plan = moved(PLAN, ACROSS, picture.offset + picture.rows * picture.row_bytes - strip.bytes)
    assert answer(plan) == 0
    last, first = steps_of(STEM)[-1], steps_of(PROJECT)[0]
    steps = list(PLAN.steps)
    steps.insert(first + 4, steps.pop(last))
    assert with_steps(steps) == 0
    assert answer(replace(plan, steps=tuple(steps))) == STEP


def test_kept_rows_that_another_step_overwrites() -> None:
    """A tensor of the next block, one row of which is computed early and then once more."""
    at = next(i for i in steps_of(PROJECT) if PLAN.steps[i].y == 3)
    steps = (*PLAN.steps[:at], Step(EXPAND_1, 0, 1), *PLAN.steps[at:])
    assert answer(replace(PLAN, steps=steps)) == 0
    over = moved(PLAN, TWICE, PLAN.placements[ACROSS].offset)
    assert answer(over) == 0, "the strips are dead by then"
    assert answer(replace(over, steps=steps)) == STEP


MOVES: dict[str, Callable[[], Plan]] = {
    "roomy": lambda: PLAN,
    "fewer rows kept": lambda: roomy(KEPT | {EXPAND: 1, EXPAND_2: 0}, 2),
    "planned": lambda: planner.plan(GRAPH),
    "planned, computing again": lambda: planner.Planner(GRAPH, push_rows=True).smallest(recompute=True),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_is_accepted_after_a_random_move_is_right(name: str) -> None:
    """Tensors moved anywhere in the arena: refused, or the bytes are those of the oracle."""
    rng = np.random.default_rng(3)
    plan = MOVES[name]()
    strips = planner.strips_in(GRAPH, plan)
    assert strips
    refused = accepted = 0
    for seed in range(150):
        index = int(rng.choice(list(strips))) if seed % 2 else int(rng.integers(len(plan.placements)))
        item = plan.placements[index]
        size = strips[index].bytes if index in strips else item.rows * item.row_bytes
        other = moved(plan, index, int(rng.integers(0, plan.arena_bytes - size + 1)) // 4 * 4)
        if answer(other) == 0:
            accepted += 1
            assert_equal(GRAPH, other, seed)
        else:
            refused += 1
    assert accepted
    assert refused

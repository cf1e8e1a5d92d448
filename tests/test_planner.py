"""What plans promise: how small they are, that every byte counted is used and no other, that none changes an answer."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import converted
import digits
import hard_networks
import numpy as np
import pytest
import random_networks
import test_bytes

import linnet
from linnet import _native, image, sizes
from linnet.errors import LinnetError
from linnet_converter import arch, budget, conversion, fusion, lnt_file, onnx_reader, planner, quantize
from linnet_converter.budget import Budget
from linnet_converter.plan import Plan
from linnet_converter.planner import Planner
from linnet_converter.qgraph import QGraph, macs
from linnet_converter.schedule import total_rows

SHAPES = {"1.0@224": (1.0, 224, 1001), "0.35@128": (0.35, 128, 1000), "0.35@96": (0.35, 96, 10)}


@functools.cache
def network(name: str) -> QGraph:
    return quantize.shapes_only(converted.read(arch.mobilenet_v2(*SHAPES[name])))


@functools.cache
def planned(name: str, push_rows: bool) -> Planner:
    return Planner(network(name), push_rows=push_rows)


# ---------------------------------------------------------------------------------------------- how small


@pytest.mark.parametrize(
    ("name", "push_rows", "at_most", "moonshot"),
    [
        ("1.0@224", True, 124_928, 86_016),
        ("1.0@224", False, 200_704, 176_128),
        ("0.35@128", True, 23_552, 17_408),
        ("0.35@128", False, 55_296, 53_248),
        ("0.35@96", True, 16_384, 11_264),
        ("0.35@96", False, 31_744, 30_720),
    ],
)
def test_arena_of_mobilenet_v2(name: str, push_rows: bool, at_most: int, moonshot: int) -> None:
    plan = planned(name, push_rows).smallest()
    assert planner.extra_macs(network(name), plan) == 0
    assert plan.arena_bytes <= at_most
    assert plan.arena_bytes <= moonshot


def test_arena_with_a_little_recomputation() -> None:
    graph = network("1.0@224")
    curve = planned("1.0@224", True).curve()
    allowed = [
        plan for plan in curve if planner.extra_macs(graph, plan) <= 0.15 * sum(macs(graph, op) for op in graph.ops)
    ]
    assert min(plan.arena_bytes for plan in allowed) <= 73_728


def test_a_curve_falls() -> None:
    for name, push_rows in (("1.0@224", True), ("0.35@96", True), ("0.35@96", False)):
        plans = planned(name, push_rows).curve()
        arenas = [plan.arena_bytes for plan in plans]
        extra = [planner.extra_macs(network(name), plan) for plan in plans]
        assert arenas == sorted(set(arenas), reverse=True)
        assert extra == sorted(set(extra))
        assert extra[0] == 0
    assert len(planned("1.0@224", True).curve()) >= 4


def test_the_same_network_gives_the_same_plans() -> None:
    graph = network("0.35@96")
    for push_rows in (False, True):
        first, second = planned("0.35@96", push_rows), Planner(graph, push_rows=push_rows)
        assert first.curve() == second.curve()
        asked = first.smallest().arena_bytes - 200
        assert first.within(asked) == second.within(asked) == Planner(graph, push_rows=push_rows).within(asked)


# ---------------------------------------------------------------------------------------------- budgets


def test_much_memory_needs_no_strips() -> None:
    graph = network("0.35@96")
    for plan in (planned("0.35@96", False).within(10 << 20), budget.choose(graph, Budget(ram=10 << 20))):
        assert not planner.strips_in(graph, plan)
        assert planner.extra_macs(graph, plan) == 0


def test_nothing_is_computed_twice_where_that_fits() -> None:
    for push_rows in (False, True):
        planner_ = planned("0.35@96", push_rows)
        smallest = planner_.smallest()
        for ram in (smallest.arena_bytes, smallest.arena_bytes + 500, 2 * smallest.arena_bytes):
            plan = planner_.within(ram)
            assert plan.arena_bytes <= ram
            assert planner.extra_macs(planner_.graph, plan) == 0


@pytest.mark.parametrize("seed", range(25))
def test_random_budgets(seed: int) -> None:
    """Within the budget and bit-equal to the oracle, or an error that names an arena which does work."""
    graph = random_networks.network(seed)
    rng = np.random.default_rng(seed)
    planner_ = Planner(graph, push_rows=bool(seed % 2), strip_height=int(rng.choice([1, 1, 3])))
    least = planner_.smallest(recompute=True).arena_bytes
    for ram in (least, *(int(least * share) for share in rng.uniform(0.7, 2.0, 4))):
        try:
            plan = planner_.within(ram)
        except LinnetError as error:
            figures = re.search(
                r"^the smallest arena is (\d+) bytes, (\d+) more than allowed; what binds is .+: use ", str(error)
            )
            assert figures
            stated = int(figures[1])
            assert stated - ram == int(figures[2]) > 0
            plan = planner_.within(stated)
            assert ram < plan.arena_bytes <= stated
        else:
            assert plan.arena_bytes <= ram
        test_bytes.assert_equal(graph, plan, seed)


@pytest.mark.parametrize("seed", range(8))
def test_budgets_with_taller_steps(seed: int) -> None:
    graph = random_networks.network(seed)
    for cache in (0, 500, 4000, 1 << 20):
        plan = budget.choose(graph, Budget(ram=1 << 20, cache=cache))
        tallest = max([1, *(h for h in budget.HEIGHTS if not cache or budget.step_bytes(graph, h) <= cache // 2)])
        assert max(step.n for step in plan.steps[1:]) <= tallest
        assert plan == Planner(graph, strip_height=tallest, strips=tallest == 1).rings_within(1 << 20)
        test_bytes.assert_equal(graph, plan, seed)


def test_a_tight_budget_gives_up_height_first() -> None:
    graph = network("0.35@96")
    rings = Planner(graph, strips=False).smallest()
    assert budget.choose(graph, Budget(ram=rings.arena_bytes)) == rings
    with pytest.raises(LinnetError, match="the smallest arena is"):
        budget.choose(graph, Budget(ram=8000))


def test_what_binds_is_named() -> None:
    graph = network("0.35@96")
    with pytest.raises(LinnetError, match=r"what binds is Conv_\d+ \(27648 of input, .*\(--input rows\)$"):
        Planner(graph).within(20_000)
    with pytest.raises(LinnetError, match=r"use a smaller input or width$"):
        Planner(graph, push_rows=True).within(1000)


@pytest.mark.parametrize(
    ("text", "size"), [("200000", 200_000), ("128K", 131_072), ("1m", 1 << 20), ("1.5M", 1_572_864), ("64KiB", 65_536)]
)
def test_sizes(text: str, size: int) -> None:
    assert sizes.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "12X", "1e3", "1 2"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 128K"):
        sizes.parse_size(text)


# ---------------------------------------------------------------------------------------------- arena_bytes

GUARD = 4096


def run_in_place(graph: QGraph, plan: Plan, fill: int) -> tuple[bytes, np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """One inference in an arena of exactly arena_bytes between two guards, everything filled with one value before.

    The answer, and the arena afterwards; fails where a guard has changed.
    """
    native, ffi = _native.library(), _native.ffi
    data = lnt_file.write(graph, [plan])
    model, net_memory = _native.aligned(len(data)), _native.aligned(native.lnt_net_bytes())
    model[:] = np.frombuffer(data, np.uint8)
    memory = _native.aligned(plan.arena_bytes + 2 * GUARD)
    memory[:] = fill
    net, arena = ffi.cast("lnt_net *", _native.pointer(net_memory)), _native.pointer(memory[GUARD:])
    at = _native.pointer(model)
    assert native.lnt_arena_bytes(at, len(data)) == plan.arena_bytes
    assert native.lnt_open(net, at, len(data), arena, plan.arena_bytes - 1) != 0
    memory[:] = fill
    assert native.lnt_open(net, at, len(data), arena, plan.arena_bytes) == 0
    memory[GUARD : GUARD + plan.arena_bytes] = fill
    picture = random_networks.picture(graph, 0)
    target = native.lnt_input(net)
    if target != ffi.NULL:
        ffi.memmove(target, picture, picture.nbytes)
        assert native.lnt_run(net) == 0
    else:
        assert native.lnt_begin(net) == 0
        for row in picture:
            assert native.lnt_push_rows(net, _native.pointer(np.ascontiguousarray(row)), 1) == 0
        assert native.lnt_finish(net) == 0
    answer = bytes(
        ffi.buffer(
            native.lnt_output(net),
            np.prod(graph.output.shape)
            * graph.output.row_bytes
            // max(graph.output.shape[1] * graph.output.shape[2], 1),
        )
    )
    assert (memory[:GUARD] == fill).all()
    assert (memory[GUARD + plan.arena_bytes :] == fill).all()
    return answer, memory[GUARD : GUARD + plan.arena_bytes].copy()


def exactly_used(graph: QGraph, plan: Plan) -> None:
    """No byte beside the arena is touched, none in it is expected to be zero, and the last one is used."""
    strips = planner.strips_in(graph, plan)
    ends = [
        place.offset + (strips[tensor].bytes if tensor in strips else place.rows * place.row_bytes)
        for tensor, place in enumerate(plan.placements)
    ]
    table = planner.CHECKER_BYTES_PER_TENSOR * len(graph.tensors)
    assert plan.arena_bytes == max(*ends, table)
    (first, arena), (second, other) = (run_in_place(graph, plan, fill) for fill in (0xA5, 0x5A))
    assert first == second
    touched = np.flatnonzero((arena != 0xA5) | (other != 0x5A))
    if max(ends) >= table:
        assert touched[-1] == plan.arena_bytes - 1


@pytest.mark.parametrize("seed", range(12))
def test_arena_bytes_is_what_a_run_uses(seed: int) -> None:
    graph = random_networks.network(seed)
    exactly_used(graph, planner.plan_layer_by_layer(graph))
    for push_rows in (False, True):
        exactly_used(graph, Planner(graph, push_rows=push_rows, strips=False).smallest())


@pytest.mark.parametrize("push_rows", [False, True])
def test_arena_bytes_of_mobilenet_v2(push_rows: bool) -> None:
    for plan in planned("0.35@96", push_rows).curve():
        exactly_used(network("0.35@96"), plan)


# ---------------------------------------------------------------------------------------------- what is fused


def test_stretches_cover_every_operator_once() -> None:
    graph = network("0.35@96")
    for push_rows in (False, True):
        for plan in planned("0.35@96", push_rows).curve():
            found = fusion.stretches(graph, plan)
            assert [op for s in found for op in range(s.first, s.last + 1)] == list(range(len(graph.ops)))
            assert {tensor for s in found for tensor in s.strips} == planner.strips_in(graph, plan).keys()
            rows = planner.rows_computed(graph, plan)
            again = [i for i, op in enumerate(graph.ops) if rows[i] > total_rows(graph, op)]
            assert [op for s in found for op in s.recomputed] == again
            assert bool(again) == (fusion.extra_percent(graph, plan) > 0)
    layers = fusion.stretches(graph, planner.plan_layer_by_layer(graph))
    assert [s.operators for s in layers] == [1] * len(graph.ops)
    whole = Planner(graph, push_rows=True, strips=False)
    assert fusion.stretches(graph, whole.smallest())[0].operators > 3


@pytest.mark.parametrize("name", hard_networks.NETWORKS)
def test_shapes_alone_give_the_plan_of_a_network(name: str) -> None:
    result = converted.hard(name)
    assert planner.plan(quantize.shapes_only(result.float_graph)) == planner.plan(result.graph) == result.plans[-1]


# ---------------------------------------------------------------------------------------------- real pictures


def every_plan(graph: QGraph) -> list[Plan]:
    """Fused plans of both inputs, recomputed ones among them, and one of taller steps."""
    plans = [plan for push_rows in (False, True) for plan in Planner(graph, push_rows=push_rows).curve()]
    assert any(planner.extra_macs(graph, plan) for plan in plans)
    return [*plans, Planner(graph, strip_height=8, strips=False).smallest()]


def assert_layer_by_layer(graph: QGraph, pictures: list[Path]) -> None:
    """Every plan answers as the one that computes whole tensors, which gets far more memory."""
    reference = planner.plan_layer_by_layer(graph)
    whole = linnet.load(lnt_file.write(graph, [reference]))
    fed = [image.fit(image.read_image(picture), *graph.tensors[0].shape) for picture in pictures]
    answers = [whole.run_quantized(pixels) for pixels in fed]
    assert len({answer.tobytes() for answer in answers}) == len(pictures)
    for plan in every_plan(graph):
        assert plan.arena_bytes < reference.arena_bytes
        model = linnet.load(lnt_file.write(graph, [plan]))
        for pixels, answer in zip(fed, answers, strict=True):
            np.testing.assert_array_equal(model.run_quantized(pixels), answer)


def test_digits_under_every_plan() -> None:
    graph = lnt_file.read(digits.lnt())[0]
    assert_layer_by_layer(graph, sorted(digits.TEST.glob("*.png"))[::40])


@pytest.mark.assets
def test_a_real_network_under_every_plan(assets: Path) -> None:
    float_graph = onnx_reader.read(assets / "models/mobilenet_v2_1.0_224_imagenet.onnx")
    pictures = [
        image.fit(image.read_image(path), *float_graph.shapes[float_graph.input])
        for path in sorted((assets / "imagenet/calibration").glob("*.jpg"))[:8]
    ]
    result = conversion.convert(float_graph, pictures, conversion.PRESETS["keras"])
    evaluated = sorted(path for path in (assets / "imagenet/eval").iterdir() if path.suffix != ".csv")
    assert_layer_by_layer(result.graph, evaluated[:3])

"""Equalization, rounding and bias correction: each does what it promises, and changes nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import converted
import hard_networks
import numpy as np
import onnx
import pytest

import linnet
from linnet.errors import LinnetError
from linnet_converter import (
    arch,
    calibrate,
    conversion,
    correct,
    equalize,
    planner,
    quantize,
    recipe,
    rounding,
    trial,
    validation,
)
from linnet_converter.conversion import Conversion
from linnet_converter.graph import Conv, FloatArray, Graph
from linnet_converter.held_out import HeldOut
from linnet_converter.recipe import Recipe
from linnet_converter.side_by_side import SideBySide

NAMES = sorted(hard_networks.NETWORKS)
PLAIN = recipe.QUALITIES["fast"]


def logits_sqnr(result: Conversion, count: int = 8) -> float:
    """SQNR of the logits in dB on pictures that were not calibrated on, in C."""
    integer = validation.IntegerLogits(linnet.load(result.data))
    signal = error = 0.0
    for picture in converted.pictures(result.float_graph, count, seed=1):
        wanted = converted.float_values(result.float_graph, picture)[result.float_graph.logits].astype(np.float64)
        signal += float((wanted**2).sum())
        error += float(((integer.logits(picture) - wanted.ravel()) ** 2).sum())
    return float(10 * np.log10(signal / error)) if error else np.inf


def extremes_of(graph: Graph) -> dict[str, calibrate.Extremes]:
    applied = converted.preprocessing(graph)
    return calibrate.extremes(graph, lambda: map(applied.apply, converted.pictures(graph, 8)))


@pytest.mark.parametrize("strength", [0.5, equalize.STRENGTH, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_equalization_leaves_the_float_function(name: str, strength: float) -> None:
    """Also where activations are driven far beyond anything that calibration saw."""
    graph = converted.read(hard_networks.NETWORKS[name]())
    equalized = equalize.equalize(graph, extremes_of(graph), strength)
    loud = replace(graph, input_scale=graph.input_scale * 3)
    loud_equalized = replace(equalized, input_scale=graph.input_scale * 3)
    for before, after in ((graph, equalized), (loud, loud_equalized)):
        for picture in converted.pictures(graph, 3, seed=5):
            wanted = converted.float_values(before, picture)[graph.output]
            got = converted.float_values(after, picture)[graph.output]
            assert np.abs(got - wanted).max() <= 1e-6 * max(1.0, float(np.abs(wanted).max()))


def test_equalization_makes_channels_equal() -> None:
    graph = converted.read(hard_networks.wide_channel_ranges())
    pairs = equalize.between(graph)
    assert pairs
    before, after = extremes_of(graph), extremes_of(equalize.equalize(graph, extremes_of(graph), 1.0))
    for conv, _ in pairs:
        assert after[conv.output].magnitude.max() == pytest.approx(before[conv.output].magnitude.max(), rel=1e-6)
        alive = before[conv.output].magnitude > before[conv.output].magnitude.max() / 2**equalize.LARGEST_OCTAVES
        assert alive.sum() > 2
        # one step of 2^(1/4) is what rounding the ratio down leaves
        assert after[conv.output].magnitude[alive].min() >= 0.84 * after[conv.output].magnitude.max()


def test_equalization_keeps_the_integer_weights() -> None:
    """It is free: the same int8 weights, only multipliers and biases change."""
    graph = converted.read(arch.mobilenet_v2(0.35, 32, 5, seed=3))
    seen = extremes_of(graph)
    made = [equalize.equalize(graph, seen, strength) for strength in (0.0, 1.0)]
    ranges = [{name: each.range for name, each in extremes_of(one).items()} for one in made]
    plain, equalized = (
        quantize.quantize(one, span, converted.preprocessing(graph)) for one, span in zip(made, ranges, strict=True)
    )
    assert any(
        a.multiplier is not None and b.multiplier is not None and not np.array_equal(a.multiplier, b.multiplier)
        for a, b in zip(plain.ops, equalized.ops, strict=True)
    )
    for a, b in zip(plain.ops, equalized.ops, strict=True):
        if a.weights is not None and b.weights is not None:
            difference = np.abs(a.weights.astype(int) - b.weights)
            assert difference.max() <= 1  # a half may round the other way
            assert (difference > 0).mean() < 1e-3


def random_moments(rng: np.random.Generator, taps: int) -> FloatArray:
    mixing = rng.normal(size=(taps, taps)) + 2  # inputs that go up and down together
    return rounding.damped(mixing @ mixing.T)


def test_rounding_lowers_the_error_and_stays_next_door() -> None:
    rng = np.random.default_rng(0)
    target = rng.uniform(-127, 127, (20, 18))
    for moments in (random_moments(rng, 18), np.stack([random_moments(rng, 18) for _ in range(20)])):
        chosen = rounding.descend(target, moments)
        assert np.abs(chosen - target).max() < 1
        assert np.array_equal(chosen, np.rint(chosen))
        before = rounding.error(target, np.rint(target), moments)
        after = rounding.error(target, chosen, moments)
        assert (after <= before + 1e-9).all()
        assert after.sum() < 0.5 * before.sum()


def test_a_bad_start_costs_nothing() -> None:
    rng = np.random.default_rng(5)
    target = rng.uniform(-127, 127, (40, 18))
    moments = random_moments(rng, 18)
    plain, from_floor = (rounding.descend(target, moments, start) for start in (None, np.floor(target)))
    errors = [rounding.error(target, each, moments) for each in (plain, from_floor)]
    assert 0 < (errors[1] < errors[0]).sum() < 40
    both = rounding.error(target, rounding.lower_of_both(target, moments, np.floor(target)), moments)
    np.testing.assert_array_equal(both, np.minimum(*errors))


def test_rounding_finds_the_best_of_all_roundings() -> None:
    """Exhaustively over 2^6 ways; coordinate descent may end in a local minimum, seldom and not far off."""
    rng = np.random.default_rng(1)
    target = rng.uniform(-5, 5, (50, 6))
    moments = random_moments(rng, 6)
    ways = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    every = [rounding.error(target, np.floor(target) + way, moments) for way in ways]
    best = np.min(every, axis=0)
    found = rounding.error(target, rounding.descend(target, moments), moments)
    nearest = rounding.error(target, np.rint(target), moments)
    assert found.sum() - best.sum() < 0.4 * (nearest.sum() - best.sum())
    assert (found <= best * (1 + 1e-9)).mean() > 0.3


def test_adaround_ends_lower_than_its_start() -> None:
    """On average lower than descent from the nearest integers, too; what it leaves, descent lowers further."""
    pytest.importorskip("torch", reason="torch is optional: pip install 'linnet[best]'")
    from linnet_converter import adaround

    rng = np.random.default_rng(3)
    target = rng.uniform(-127, 127, (64, 32))
    target[:, 5] = np.rint(target[:, 5])
    for moments in (random_moments(rng, 32), np.stack([random_moments(rng, 32) for _ in range(64)])):
        soft = adaround.soften(target, moments)
        assert np.abs(soft - target).max() < 1
        assert np.array_equal(soft, np.rint(soft))
        assert np.array_equal(soft[:, 5], target[:, 5])
        polished = rounding.descend(target, moments, soft)
        errors = [rounding.error(target, each, moments) for each in (soft, polished)]
        assert (errors[1] <= errors[0] + 1e-9).all()
        assert errors[1].sum() < 0.9 * rounding.error(target, rounding.descend(target, moments), moments).sum()


def test_adaround_does_not_count_on_integers_moving() -> None:
    """Weights that are integers hold the greater part of H: whoever lets them drift finds something else."""
    pytest.importorskip("torch", reason="torch is optional: pip install 'linnet[best]'")
    from linnet_converter import adaround

    rng = np.random.default_rng(4)
    free = rng.uniform(-127, 127, (64, 12))
    target = np.concatenate([free, rng.integers(-127, 127, (64, 24)).astype(np.float64)], axis=1)
    moments = random_moments(rng, 36)
    with_integers = rounding.error(target, adaround.soften(target, moments), moments).sum()
    alone = rounding.error(free, adaround.soften(free, moments[:12, :12]), moments[:12, :12]).sum()
    assert with_integers == pytest.approx(alone, rel=0.05)


def test_adaround_is_what_convert_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every layer, depthwise ones by channel."""
    pytest.importorskip("torch", reason="torch is optional: pip install 'linnet[best]'")
    from linnet_converter import adaround

    kinds: list[int] = []
    soften = adaround.soften

    def spied(target: FloatArray, moments: FloatArray) -> FloatArray:
        kinds.append(moments.ndim)
        return soften(target, moments)

    monkeypatch.setattr(adaround, "soften", spied)
    monkeypatch.setattr(adaround, "STEPS", 200)
    graph = converted.read(hard_networks.wide_channel_ranges())
    made = [converted.convert(graph, count=8, steps=Recipe(rounding=how)) for how in ("covariance", "adaround")]
    assert set(kinds) == {2, 3}
    assert made[0].data != made[1].data


def test_adaround_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "learns", lambda: False)
    with pytest.raises(LinnetError, match=r"pip install 'linnet\[best\]'"):
        converted.convert(converted.read(hard_networks.odd_sizes()), count=8, steps=Recipe(rounding="adaround"))


def test_integers_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    target = rng.integers(-127, 128, (8, 12)).astype(np.float64)
    np.testing.assert_array_equal(rounding.descend(target, random_moments(rng, 12)), target)


def test_clipped_scales_lower_the_error() -> None:
    weights = np.random.default_rng(3).normal(size=(16, 200))
    weights[:, 0] = 12.0  # one outlier a row

    def error(scale: FloatArray) -> FloatArray:
        stored = np.clip(np.rint(weights / scale[:, None]), -127, 127)
        found: FloatArray = np.square(stored * scale[:, None] - weights).sum(axis=1)
        return found

    widest = np.abs(weights).max(axis=1) / 127
    assert (error(rounding.clipped_scales(weights)) <= error(widest)).all()
    grid = np.random.default_rng(4).integers(-127, 128, (4, 50)).astype(np.float64) * 0.01
    grid[:, 0] = 1.27
    np.testing.assert_allclose(rounding.clipped_scales(grid), 0.01)


def test_bias_correction_takes_out_a_planted_shift() -> None:
    """Biases of the integer network are spoiled by a known amount: corrected, they are what they would be without."""
    graph = converted.read(hard_networks.cancelling_sums())
    pictures = list(converted.pictures(graph, 24))
    applied = converted.preprocessing(graph)
    ranges = calibrate.calibrate(graph, lambda: map(applied.apply, pictures))
    conv = next(node for node in graph.nodes if isinstance(node, Conv) and node.is_pointwise)
    planted = np.linspace(-0.5, 0.5, conv.channels)
    spoiled = replace(graph, nodes=tuple(replace(n, bias=n.bias + planted) if n is conv else n for n in graph.nodes))
    quantized = quantize.quantize(spoiled, ranges, applied)
    clean = correct.correct(graph, quantize.quantize(graph, ranges, applied), pictures, rounding="nearest")
    repaired = correct.correct(graph, quantized, pictures, rounding="nearest")
    for wanted, got in zip(clean.nodes, repaired.nodes, strict=True):
        if isinstance(wanted, Conv) and isinstance(got, Conv) and wanted.name == conv.name:
            np.testing.assert_allclose(got.bias, wanted.bias, atol=1e-4)
            assert np.abs(got.bias - conv.bias - planted).max() > 0.1  # what was planted is gone


def test_bias_correction_removes_the_mean_error() -> None:
    graph = converted.read(hard_networks.cancelling_sums())
    result = converted.convert(graph, steps=replace(PLAIN, correct_bias=True))
    plain = converted.convert(graph, steps=PLAIN)

    def means(one: Conversion) -> float:
        both = SideBySide(graph, one.graph, list(converted.pictures(graph, 48)))
        worst = 0.0
        for op in one.graph.ops[1:]:
            if both.conv(op) is not None:
                wanted, computed = both.wanted(op), both.computed(op)
                spread = float(wanted.std()) or 1.0
                worst = max(worst, float(np.abs((wanted - computed).mean((0, 2, 3))).max()) / spread)
            both.advance(op)
        return worst

    assert means(result) < 0.2 * means(plain)


def test_correction_quantizes_to_what_it_chose() -> None:
    """The corrected float graph lies on the int8 grid: rounding its weights once more changes nothing."""
    for name in ("cancelling_sums", "depthwise_first", "odd_sizes", "hidden_dense"):
        result = converted.hard(name)
        last = result.stages[-1]
        again = correct.correct(last.graph, result.graph, list(converted.pictures(last.graph, 8)), bias=False)
        for before, after in zip(last.graph.nodes, again.nodes, strict=True):
            if isinstance(before, Conv) and isinstance(after, Conv):
                np.testing.assert_allclose(after.weights, before.weights, rtol=1e-6, atol=1e-12)


STEPS = {
    "percentile": Recipe(method="percentile", margin=False),
    "mse": Recipe(method="mse"),
    "entropy": Recipe(method="entropy"),
    "minmax": Recipe(method="minmax"),
    "clipped weights": Recipe(clip_weights=True),
    "bias only": replace(PLAIN, correct_bias=True),
    "rounding only": replace(PLAIN, rounding="covariance"),
    "equalization only": replace(PLAIN, equalization=1.0),
}


@functools.cache
def plain_sqnr(name: str) -> float:
    return logits_sqnr(converted.hard(name, PLAIN), 2)


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_on_the_hard_networks(name: str, steps: Recipe) -> None:
    """Nothing breaks: valid integers (the writer checks the law's bounds) and logits that are still the network's."""
    graph = converted.read(hard_networks.NETWORKS[name]())
    # calibrated on few pictures, some networks leave their ranges on others: how well is for the tests on real ones
    found = logits_sqnr(converted.convert(graph, steps=steps, count=12), 2)
    assert found > min(plain_sqnr(name) - 10, 15)


@pytest.mark.parametrize("make", [arch.mobilenet_v1, arch.mobilenet_v2])
def test_corrections_on_untrained_mobilenets(make: Callable[..., onnx.ModelProto]) -> None:
    """Random weights have little to correct; nothing may get lost."""
    gains = []
    for seed in (1, 2):
        graph = converted.read(make(0.35, 32, 10, seed=seed))
        shown, others = list(converted.pictures(graph, 24)), list(converted.pictures(graph, 24, seed=1))
        applied = converted.preprocessing(graph)
        errors = []
        for steps in (PLAIN, Recipe()):
            stage = list(recipe.stages(graph, shown, applied, steps))[-1]
            quantized = quantize.quantize(stage.graph, stage.ranges, applied)
            errors.append(HeldOut(graph, quantized, planner.plan(quantized), others).error(quantized))
        gains.append(10 * np.log10(errors[0] / errors[1]))
    assert min(gains) > -1.5
    assert max(gains) > 0.5


def test_the_default_is_deterministic() -> None:
    graph = converted.read(hard_networks.odd_sizes())
    first, again = (converted.convert(graph, count=12) for _ in range(2))
    assert first.data == again.data


def test_search_takes_what_does_better_on_held_back_pictures() -> None:
    graph = converted.read(hard_networks.wide_channel_ranges())
    pictures = list(converted.pictures(graph, 24))
    applied = converted.preprocessing(graph)
    start = Recipe(equalization=0.0)
    plan = planner.plan(quantize.shapes_only(graph))

    def choose(count: int, seconds: float) -> trial.Chosen:
        return trial.choose(graph, pictures[:count], applied, start, plan, seconds, recipe.untracked)

    chosen = choose(24, 600)
    assert chosen.recipe.equalization > 0
    assert chosen.after_db > chosen.before_db
    few = choose(4, 600)
    assert few.recipe == start
    late = choose(24, 0)
    assert late.recipe == start
    assert late.before_db == chosen.before_db
    assert all(np.isnan(db) for db in (few.before_db, few.after_db, late.after_db))

"""Methods that choose activation ranges: what each is for, and that searches do search."""

from __future__ import annotations

import numpy as np
import pytest

from linnet_converter import calibrate, ranges
from linnet_converter.calibrate import Extremes
from linnet_converter.graph import Clamp, Conv, FloatArray, Graph
from linnet_converter.ranges import BINS, Histogram


def histogram(values: FloatArray) -> Histogram:
    low, high = float(values.min()), float(values.max())
    return Histogram(low, high, np.histogram(values, BINS, (low, high))[0])


def quantization_error(values: FloatArray, bounds: ranges.Range) -> float:
    scale, zero = ranges.grid(bounds)
    stored = np.clip(np.rint(values / scale) + zero, -128, 127)
    return float(np.square(scale * (stored - zero) - values).sum())


@pytest.fixture(scope="module")
def long_tail() -> FloatArray:
    """A normal distribution and one value far out: MinMax spends half of the grid on it."""
    values = np.random.default_rng(0).normal(0, 1, 400_000)
    values[0] = 12.0
    return values


def test_minmax_keeps_everything(long_tail: FloatArray) -> None:
    assert ranges.choose(histogram(long_tail), "minmax") == (long_tail.min(), long_tail.max())


def test_percentile_keeps_its_share(long_tail: FloatArray) -> None:
    low, high = ranges.choose(histogram(long_tail), "percentile", 99.9)
    kept = ((long_tail >= low) & (long_tail <= high)).mean()
    assert 0.9985 <= kept <= 0.9995


def test_mse_is_the_least_error_of_any_range(long_tail: FloatArray) -> None:
    """Against a fine brute-force search over both ends, on the values and not on the histogram."""
    chosen = ranges.choose(histogram(long_tail), "mse")
    error = quantization_error(long_tail, chosen)
    assert error < 0.8 * quantization_error(long_tail, (long_tail.min(), long_tail.max()))
    tried = [(low, high) for low in np.linspace(-5, -3, 6) for high in np.linspace(3, 12, 19)]
    assert error <= 1.02 * min(quantization_error(long_tail, bounds) for bounds in tried)


def test_entropy_cuts_a_tail_that_holds_no_information(long_tail: FloatArray) -> None:
    seen = histogram(long_tail)
    low, high = ranges.choose(seen, "entropy")
    assert 2 < high < 8
    assert low < -2
    whole = ranges.divergence(seen, (seen.low, seen.high))
    assert ranges.divergence(seen, (low, high)) < whole


@pytest.mark.parametrize("method", ranges.METHODS)
def test_one_sided_and_constant_tensors(method: ranges.Method) -> None:
    relu = histogram(np.maximum(np.random.default_rng(1).normal(0.0, 1.0, 50_000), 0.0).astype(np.float64))
    low, high = ranges.choose(relu, method)
    assert abs(low) < 0.01
    assert 2 < high < 6
    assert ranges.choose(Histogram(0.0, 0.0, np.zeros(BINS, np.int64)), method) == (0.0, 0.0)
    assert ranges.choose(Histogram(3.0, 3.0, np.zeros(BINS, np.int64)), method) == (3.0, 3.0)


@pytest.mark.parametrize("method", ["mse", "entropy"])
def test_values_already_on_the_grid_keep_their_range(method: ranges.Method) -> None:
    values = np.random.default_rng(2).integers(0, 256, 100_000).astype(np.float64) * (6 / 255)
    assert ranges.choose(histogram(values), method)[1] > 5.9


def _graph(clamp: Clamp) -> Graph:
    conv = Conv("conv", "input", "out", np.ones((1, 1, 1, 1)), np.zeros(1), activation=clamp)
    shapes = {"input": (1, 1, 1), "out": (1, 1, 1)}
    return Graph((conv,), shapes, "input", "out", np.ones(1), np.zeros(1), "input", "out", "NHWC")


def _extremes(first: tuple[float, float], second: tuple[float, float]) -> dict[str, Extremes]:
    low, high = np.array([min(first[0], second[0])]), np.array([max(first[1], second[1])])
    return {"out": Extremes(low, high, {0: first, 1: second})}


def test_headroom_follows_how_much_the_halves_differ() -> None:
    graph = _graph(Clamp())
    assert calibrate.headroom(graph, _extremes((-2.0, 4.0), (-2.0, 4.0))) == 1.0
    apart = calibrate.headroom(graph, _extremes((-2.0, 4.0), (-2.0, 3.0)))
    assert apart == pytest.approx(((1 + 8 / 7) / 2) ** 2)


def test_margin_never_passes_the_activation() -> None:
    relu6 = _graph(Clamp(0.0, 6.0))
    assert calibrate.headroom(relu6, _extremes((0.0, 6.0), (0.0, 6.0))) == 1.0
    assert calibrate.widened(relu6, {"out": (0.0, 5.5)}, 1.2)["out"] == (0.0, 6.0)
    assert calibrate.widened(_graph(Clamp(0.0)), {"out": (0.0, 5.0)}, 1.2)["out"] == (0.0, 6.0)
    assert calibrate.widened(_graph(Clamp()), {"out": (-1.0, 5.0)}, 1.2)["out"] == (-1.2, 6.0)

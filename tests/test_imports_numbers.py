"""The numbers of imports: where pixels land, which weights are kept, how sums are rounded, what a grid is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import converted
import hard_networks
import numpy as np
import numpy.typing as npt
import pytest
import quantized_networks
from quantized_networks import STYLES

from linnet.format_gen import InputKind
from linnet_converter.graph import Clamp
from linnet_converter.imports import (
    affine,
    convert,
    pixels,
    requantize,
    rounding,
    weights,
)
from linnet_converter.imports.network import Grid, ImportedNetwork
from linnet_converter.quantize import Preprocessing

TORCH = Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


# Pixels


@pytest.mark.parametrize(
    ("grid", "preprocessing", "scaled"),
    [
        (Grid(1 / 255, -128), Preprocessing((0.0,), (255.0,)), False),
        (Grid(1 / 127.5, -1), Preprocessing((127.0,), (127.5,)), False),
        (Grid(2 / 255, 0), Preprocessing((127.5,), (127.5,)), False),  # half-way between two steps
        (Grid(0.0187, -14), Preprocessing((123.675,), (58.395,)), True),
        (Grid(2 / 254, 0), Preprocessing((127.5,), (127.5,)), True),  # symmetric
        (Grid(0.0100, 5), Preprocessing((100.0,), (30.0,)), True),  # pixels beyond the file's range
    ],
)
def test_pixels_land_where_the_file_puts_them(grid: Grid, preprocessing: Preprocessing, scaled: bool) -> None:
    network = converted_input(grid)
    stage = pixels.choose(network, preprocessing)
    assert (stage.scaler is not None) == scaled
    values = np.arange(256)
    real = ((values - preprocessing.mean[0]) / preprocessing.std[0]).astype(np.float32)
    wanted = np.clip(np.rint(real / np.float32(grid.scale)) + grid.zero_point, -128, 127)
    given = values - 128
    if stage.scaler is not None:
        made = stage.scaler
        sums = (made.weights[0].astype(np.int64) * given + made.bias[0]) << made.shift
        given = np.clip(grid.zero_point + ((sums * made.multiplier[0] + 2**30) >> 31), -128, 127)
        assert np.count_nonzero(given != wanted) == stage.wrong <= 2
    assert np.abs(given - wanted).max() <= 1


def converted_input(grid: Grid) -> Any:
    """A network of which only the input matters."""
    graph = converted.read(hard_networks.NETWORKS["odd_sizes"]())
    one = np.ones(1)
    shape = (*graph.shapes[graph.input][:2], 1)
    graph = replace(graph, shapes={**graph.shapes, graph.input: shape}, input_scale=one, input_shift=one * 0)
    return ImportedNetwork(graph, {graph.input: grid}, {}, integer_input=False)


def test_without_preprocessing_a_float_input_stays_a_tensor(tmp_path: Path) -> None:
    path = quantized_networks.quantize("odd_sizes", STYLES["u8-channel"], tmp_path)
    result = convert.convert(path)
    assert result.graph.input_kind == InputKind.tensor
    assert "with --preprocess" in result.notes[0]
    assert convert.convert(path, TORCH).graph.input_kind == InputKind.pixels


# Weights and roundings


def test_weights_are_kept_or_moved_with_little_error() -> None:
    rng = np.random.default_rng(2)
    own = rng.integers(-127, 128, (4, 9)).astype(np.float64)
    own[1, 0], own[2, :2], own[3] = -128, (200, -150), 0
    step = np.full(4, 0.02)
    scales, anew = weights.channel_scales(own * 0.02, step, 4.0)
    assert list(anew) == [False, True, True, False]
    assert scales[0] == 0.02 and scales[3] > 0
    for row in (1, 2):
        integers = requantize.rounded(own[row : row + 1] * 0.02, scales[row : row + 1, None])
        assert np.abs(integers).max() <= 127
        errors = integers[0] * scales[row] / 0.02 - own[row]
        assert np.sqrt((errors**2).sum()) < 2.5 and abs(errors.sum()) < 1


def test_steep_channels_are_within_one_step() -> None:
    """One step of the input is up to 5000 of the output: units of the largest weight's bias are 40 steps."""
    rng = np.random.default_rng(6)
    source, out = Grid(0.7, -7), Grid(0.0235, -128)
    slope = np.concatenate([rng.uniform(130, 5000, 300), rng.uniform(0.1, 100, 20)]) * rng.choice([-1, 1], 320)
    real = slope * out.scale / source.scale
    zero_at = rng.uniform(-120, 120, 320)  # the input on which the output's range lies
    bias = (rng.uniform(-100, 100, 320) - slope * (zero_at - source.zero_point)) * out.scale
    wanted = np.rint((affine.STORED - source.zero_point) * slope[:, None] + bias[:, None] / out.scale) - 128

    def largest(made: weights.Integers) -> npt.NDArray[np.int64]:
        wide = (made.weights.astype(np.int64) * affine.STORED + made.bias[:, None]) << made.shift
        given = ((wide * made.multiplier[:, None].astype(np.int64) + 2**30) >> 31) - 128
        assert made.multiplier.max() < 2**30 and np.abs(made.bias).max() + 2**14 <= (2**31 - 1) >> made.shift
        away: npt.NDArray[np.int64] = np.abs(np.clip(given, -128, 127) - np.clip(wanted, -128, 127)).max(axis=1)
        return away

    plain = weights.integers("", real[:, None], np.abs(real) / 127, bias, source, out.scale)
    assert largest(plain).max() > 4
    searched = affine.steep_channels_searched(plain, real, bias, source, out)
    assert largest(searched).max() <= 1
    gentle = np.abs(slope) <= 127
    assert np.array_equal(searched.weights[gentle], plain.weights[gentle])


def test_rounding_keeps_sums() -> None:
    rng = np.random.default_rng(4)
    real = rng.normal(0, 30, (50, 16))
    plain, kept = np.rint(real), requantize.rounded(real, np.ones((50, 1)))
    assert np.abs(kept - real).max() <= 1
    assert np.abs((kept - real).sum(axis=1)).max() <= 0.5 < np.abs((plain - real).sum(axis=1)).max()


def twice(sums: npt.NDArray[np.int64], ratio: float) -> npt.NDArray[np.int64]:
    """TFLite's MultiplyByQuantizedMultiplier: halves up at 31 bits, then halves away from zero at the power of two."""
    fraction, exponent = np.frexp(ratio)
    high = (sums * int(np.rint(fraction * 2.0**31)) + 2**30) >> 31
    bits = -int(exponent)
    half = (1 << bits) >> 1
    return np.where(high >= 0, (high + half) >> bits, -((-high + half) >> bits))


@pytest.mark.parametrize("ratio", [0.3436, 0.2501, 0.2251, 0.1249, 0.0626, 0.7, 0.501, 0.011])
def test_two_roundings_are_followed_behind_a_relu(ratio: float) -> None:
    own = np.array([[7.0, -3.0, 1.0], [127.0, 0.0, -90.0], [0.0, 0.0, 0.0]])
    step, source = np.full(3, 0.02), Grid(0.5, -128)
    scale_out = 0.5 * 0.02 / ratio
    bias = np.array([11.0, -5.0, 4.0]) * 0.02 * 0.5
    lifted = bias + rounding.lift(np.full(3, ratio)) * scale_out
    made = weights.integers("", own * 0.02, step, lifted, source, scale_out, finest=rounding.FINEST)
    times = np.array([16, 1, 1])
    assert np.array_equal(made.weights[:2], own[:2] * times[:2, None]) and not made.requantized.any()
    sums = np.arange(int(255 / ratio) + 1)
    for channel in range(2):
        extra = made.bias[channel] - source.zero_point * -made.weights[channel].sum(dtype=np.int64)
        extra -= (11, -5)[channel] * times[channel]
        wide = (sums * times[channel] + extra) << made.shift
        given = (wide * int(made.multiplier[channel]) + 2**30) >> 31
        # an output step begins one sum early or late where the lift, rounded to a unit, passes over a whole number
        away = np.count_nonzero(np.diff(given - twice(sums, ratio)))
        assert away <= 2 * 255 * (1 / 32 if times[channel] == 16 else 1 / 2)
        assert np.abs(given - twice(sums, ratio)).max() <= 1


def test_lift_is_the_mean_difference_of_two_roundings() -> None:
    sums = np.arange(200_000)
    for ratio in (0.343618, 0.130073, 0.070717):
        mean = (twice(sums, ratio) - sums * ratio).mean()
        assert float(rounding.lift(np.array([ratio]))[0]) == pytest.approx(mean, abs=2e-3)
    assert rounding.lift(np.array([0.0, 0.5, 0.7, 1.0, 1.5])).tolist() == [0, 0, 0, 0, 0]


def test_grid() -> None:
    grid = Grid(0.5, -10)
    assert grid.range == Clamp(-59.0, 68.5)
    assert grid.quantize([0.25, 0.75, 1e9, -1e9]).tolist() == [-10, -8, 127, -128]
    assert grid.clamp(Clamp(0.0, 6.0)) == (-10, 2) and grid.clamp(Clamp()) == (-128, 127)
    assert not Grid(0.0, 0).is_valid and not Grid(float("nan"), 0).is_valid

"""Pictures held back from a search: what is measured on them, and variations of them."""

from __future__ import annotations

import converted
import numpy as np
import pytest

import linnet
from linnet_converter import augment, planner, validation
from linnet_converter.held_out import HeldOut, surely_less


@pytest.mark.parametrize("name", ["cancelling_sums", "odd_sizes"])
def test_the_error_is_that_of_the_file(name: str) -> None:
    made = converted.hard(name)
    shown = list(converted.pictures(made.float_graph, 5, seed=3))
    held = HeldOut(made.float_graph, made.graph, planner.plan(made.graph), shown)
    integer = validation.IntegerLogits(linnet.load(made.data))
    error = signal = 0.0
    for picture in shown:
        wanted = converted.float_values(made.float_graph, picture)[made.float_graph.logits].ravel().astype(np.float64)
        signal += float(np.square(wanted).sum())
        error += float(np.square(integer.logits(picture) - wanted).sum())
    assert held.error(made.graph) == pytest.approx(error, rel=1e-3)
    assert held.signal == pytest.approx(signal, rel=1e-3)


@pytest.mark.parametrize("shape", [(32, 24, 3), (9, 9, 1), (1, 1, 2)])
def test_variations(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, shape).astype(np.uint8) for _ in range(3)]
    varied = augment.with_variations(pictures, 4, seed=1)
    again = augment.with_variations(pictures, 4, seed=1)
    assert len(varied) == 15
    for first, second in zip(varied, again, strict=True):
        assert first.shape == shape
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, second)
    for original, kept in zip(pictures, varied, strict=False):
        np.testing.assert_array_equal(original, kept)


def test_a_variation_is_a_part_of_the_picture_and_may_be_mirrored() -> None:
    """A ramp along the columns stays one, over at least half of the area, either way round; channels stay apart."""
    ramp = np.zeros((40, 40, 2), np.uint8)
    ramp[:, :, 0] = 6 * np.arange(40)
    ramp[:, :, 1] = 255
    signs, spans = set(), []
    for seed in range(20):
        picture = augment.vary(ramp, np.random.default_rng(seed))
        rises = np.diff(picture[:, :, 0].astype(int), axis=1)
        assert (rises >= 0).all() or (rises <= 0).all()
        signs.add(bool(picture[0, 0, 0] < picture[0, -1, 0]))
        spans.append(abs(int(picture[0, 0, 0]) - int(picture[0, -1, 0])) / 234)
        assert (picture[:, :, 1] == 255).all()
    assert signs == {True, False}
    assert min(spans) > 0.65
    assert max(spans) - min(spans) > 0.1


def test_less_error_counts_where_most_pictures_agree() -> None:
    before = np.full(40, 10.0)
    assert surely_less(before - np.linspace(1, 3, 40), before, 20)
    one_picture = before.copy()
    one_picture[[3, 23]] -= 9.0  # a picture and its variation
    assert not surely_less(one_picture, before, 20)
    assert not surely_less(before, before, 20)
    assert not surely_less(before + 1, before, 20)
    # a picture that gains in one variation what it loses in another counts by their sum
    assert surely_less(before - np.repeat([5.0, -4.0], 20), before, 20)
    # alike variations are no further evidence
    mixed = np.random.default_rng(0).normal(0.35, 1, 20)
    assert not surely_less(before[:20] - mixed, before[:20], 20)
    assert not surely_less(np.tile(before[:20] - mixed, 9), np.tile(before[:20], 9), 20)

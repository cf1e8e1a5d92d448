"""Each channel scaled and shifted by one operator, a depthwise 1x1 convolution: its integers, searched.

A bias counts in units of slope / weight output steps. Where the slope is so steep that even 127 units to the step of
the input are coarser than output steps (a BatchNormalization between two quantizations, of a channel that hardly ever
moves), the largest weight with its nearest bias may miss by several steps. But at most three input values do not
saturate then, and another weight has units that meet them: by Dirichlet's theorem some weight up to 127 comes within
slope / 128 / weight steps of any one, usually far closer.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .network import Grid
from .weights import Integers

STORED = np.arange(-128, 128)

_WEIGHTS = np.arange(127, 15, -1)
_NUDGES = (0, -1, 1)
_STEEPEST = 256.0
"""A slope that takes one input step from one end of int8 to beyond the other: steeper ones do no more."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def least_shift(slope: float) -> int:
    """The shift with which every weight that is tried has a multiplier below 2^30."""
    shift = 0
    while np.rint(slope / _WEIGHTS.min() * 2.0 ** (31 - shift)) >= 2**30:
        shift += 1
    return shift


def best(wanted: IntArray, slope: float, middle: float, zero_point: int, shift: int) -> tuple[int, int, int, int]:
    """Weight, bias and multiplier that come closest to the wanted values, and how many of these they miss.

    wanted: (256,) output values of the inputs STORED.  slope: not zero, output steps per input step.  middle: output
    steps of the stored input 0, less the output's zero point.  Closest is first the largest miss, then their number.
    """
    weights = np.repeat(_WEIGHTS, len(_NUDGES))
    bias = np.rint(middle * weights / abs(slope)).astype(np.int64) + np.tile(_NUDGES, len(_WEIGHTS))
    multiplier = np.rint(abs(slope) / weights * 2.0 ** (31 - shift)).astype(np.int64)
    signed = weights * int(np.sign(slope))
    sums = (signed[:, None] * STORED + bias[:, None]) << shift
    given = zero_point + ((sums * multiplier[:, None] + 2**30) >> 31)
    away = np.abs(np.clip(given, -128, 127) - wanted)
    wrong = np.count_nonzero(away, axis=1)
    found = int((away.max(axis=1) * 256 + wrong).argmin())
    return int(signed[found]), int(bias[found]), int(multiplier[found]), int(wrong[found])


def steep_channels_searched(made: Integers, weights: FloatArray, bias: FloatArray, source: Grid, out: Grid) -> Integers:
    """A depthwise 1x1 convolution's integers with those of the channels searched whose bias is too coarse.

    weights, bias: (channels,), real.
    """
    slope = weights * source.scale / out.scale
    middle = bias / out.scale - slope * source.zero_point
    steep = np.abs(slope) > 127
    # where even the nearest input saturates, the bias does not matter
    steep &= np.abs(middle) < 256 * np.abs(slope)
    if not steep.any():
        return made
    shift = max(made.shift, least_shift(_STEEPEST))
    integers, offsets = made.weights.copy(), made.bias.copy()
    multiplier = np.rint(made.multiplier * 2.0 ** (made.shift - shift)).astype(np.int32)
    for channel in np.flatnonzero(steep):
        found = _steep(float(slope[channel]), float(middle[channel]), out.zero_point, shift)
        integers[channel], offsets[channel], multiplier[channel] = found
    return replace(made, weights=integers, bias=offsets, multiplier=multiplier, shift=shift)


def _steep(slope: float, middle: float, zero_point: int, shift: int) -> tuple[int, int, int]:
    """Weight, bias and multiplier of a channel whose slope is above 127."""
    wanted = np.clip(np.rint(slope * STORED + middle) + zero_point, -128, 127).astype(np.int64)
    if abs(slope) > _STEEPEST:  # turned about the one input that need not saturate
        pivot = float(np.clip(np.rint(-(middle + zero_point) / slope), -128, 127))
        value = float(np.clip(slope * pivot + middle + zero_point, -128, 127))
        slope = math.copysign(_STEEPEST, slope)
        middle = value - zero_point - slope * pivot
    return best(wanted, slope, middle, zero_point, shift)[:3]

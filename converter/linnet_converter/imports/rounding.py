"""TFLite's two roundings, followed with one.

TFLite's reference kernels multiply a sum by a 31-bit number in [0.5, 1) and round, then divide by a power of two and
round again. Where a sum's unit is a sizeable part of an output step (old uint8 files: a third),
the first rounding lifts every value behind a ReLU by up to an eighth of a step in the mean, which adds up over fifty
layers. The law rounds once; one unit more in the bias makes up for most of it. It is added where that gives TFLite's
value for more of all sums. Files of int8 keep their own integers: they are within one step without it.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linnet_converter.qgraph import QOp

_NUDGES = (0, 1, -1)
_MOST_SUMS = 4096

Int64Array = npt.NDArray[np.int64]


def twice(sums: Int64Array, ratio: float) -> Int64Array:
    """sums * ratio as TFLite's MultiplyByQuantizedMultiplier rounds it."""
    fraction, exponent = np.frexp(ratio)
    products = (sums << max(int(exponent), 0)) * int(np.rint(fraction * 2.0**31))
    nudged = products + np.where(products >= 0, 2**30, 1 - 2**30)
    high = np.sign(nudged) * (np.abs(nudged) >> 31)
    bits = max(-int(exponent), 0)
    mask = (1 << bits) - 1
    result: Int64Array = (high >> bits) + ((high & mask) > (mask >> 1) + (high < 0))
    return result


@functools.lru_cache(maxsize=4096)
def _nudge(multiplier: int, shift: int, low: int, high: int) -> int:
    """What to add to a bias; low, high: the clamp, less the zero point."""
    ratio = multiplier * 2.0 ** (shift - 31)
    sums = np.unique(np.linspace((low - 1) / ratio, (high + 1) / ratio, _MOST_SUMS).astype(np.int64))
    wanted = np.clip(twice(sums, ratio), low, high)

    def wrong(nudge: int) -> int:
        given = ((((sums + nudge) << shift) * multiplier) + 2**30) >> 31
        return int(np.count_nonzero(np.clip(given, low, high) != wanted))

    return min(_NUDGES, key=lambda nudge: (wrong(nudge), abs(nudge)))


def followed(op: QOp, zero_point: int) -> QOp:
    """A convolution with its biases so that it rounds like TFLite more often; zero_point: of its output."""
    assert op.bias is not None and op.multiplier is not None
    bias = op.bias.copy()
    low, high = op.clamp[0] - zero_point, op.clamp[1] - zero_point
    for channel in np.flatnonzero(op.multiplier):
        bias[channel] += _nudge(int(op.multiplier[channel]), op.shift, low, high)
    return replace(op, bias=bias)

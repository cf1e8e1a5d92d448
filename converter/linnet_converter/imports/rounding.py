"""TFLite's two roundings, followed with one.

TFLite's reference kernels multiply a sum by a 31-bit number in [0.5, 1) and round, then divide by 2^bits and round
again, halves away from zero. Of a positive sum that is, value by value, one rounding of 2^-(bits+1) more. Where a sum's
unit is a sizeable part of an output step (old uint8 files: up to a third), this lifts every value behind a ReLU by up
to an eighth of a step in the mean, which adds up over fifty layers.

So what ends in a ReLU gets that much more bias. It is less than a unit of most sums; weights that are small integers
are therefore multiplied (weights.py), which makes the units finer. Values of both signs keep their bias: there the two
roundings move away from zero on either side. Files of int8 keep their own integers, whose sums are fine enough.
"""

from __future__ import annotations

import numpy as np

from linnet_converter.graph import FloatArray

FINEST = 16
"""So many times finer than the file's are the units of a sum at most: a 32nd of one is what the bias is off then."""


def lift(ratios: FloatArray) -> FloatArray:
    """What two roundings add to positive values, in output steps.

    ratios: output steps per unit of the file's own sums, 0 where there are none.
    """
    _, exponents = np.frexp(ratios)
    # from 0 on there is nothing left to divide by, and one rounding
    lifted: FloatArray = np.where((ratios > 0) & (exponents < 0), np.ldexp(0.5, exponents), 0.0)
    return lifted

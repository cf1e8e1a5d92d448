"""Additions: the law's factors, and what to do where an addend is too coarse for them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from linnet.format_gen import OpKind
from linnet_converter.graph import Clamp
from linnet_converter.qgraph import QOp, QTensor
from linnet_converter.quantize import SMALLEST_SUM_SCALE

from .network import Grid


def finer_grid(addend: QTensor, other: QTensor, total: Grid) -> Grid | None:
    """A grid for an addend whose steps are more than two of the sum's; None where it needs none, or where adding on a
    coarser grid loses less.

    It is a whole number of times finer, so that nothing is rounded, and as wide as it can be around the values that can
    leave the sum within its range.
    """
    times = math.ceil(addend.scale * SMALLEST_SUM_SCALE / total.scale * (1 + 2.0**-20))
    if times <= 1:
        return None
    scale = float(np.float32(addend.scale / times))
    own, beside = Grid(addend.scale, addend.zero_point).range, Grid(other.scale, other.zero_point).range
    low = max(own.low, total.range.low - beside.high)
    high = min(own.high, total.range.high - beside.low)
    missing = high - low - 255 * scale
    if missing > 0 and addend.scale < 4 * total.scale:
        return None
    low += max(missing, 0.0) / 2
    return Grid(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def add_operator(name: str, operands: Sequence[tuple[int, QTensor]], grid: Grid, activation: Clamp) -> QOp:
    inputs, addends = (operands[0][0], operands[1][0]), (operands[0][1], operands[1][1])
    factor, factor2 = (round(addend.scale / grid.scale * 2**14) for addend in addends)
    assert 0 <= factor < 2**15 and 0 <= factor2 < 2**15
    zeros = addends[0].zero_point * factor + addends[1].zero_point * factor2
    return QOp(
        name=name,
        kind=OpKind.add,
        inputs=inputs,
        output=0,
        clamp=grid.clamp(activation),
        factor=factor,
        factor2=factor2,
        offset=grid.zero_point * 2**14 - zeros + 2**13,
    )

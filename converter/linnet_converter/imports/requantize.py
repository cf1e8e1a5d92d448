"""Weights of one output channel put on a symmetric int8 grid that is not their own.

Only for channels that the law cannot take over (legacy uint8 weights with a zero point, weights of -128). Rounding each
weight by itself would leave an error that adds up: inputs behind a ReLU are all positive, and the taps of a depthwise
convolution see nearly the same value. So weights are rounded such that the sum of their errors vanishes too, and the
scale is searched on which that costs least.
"""

from __future__ import annotations

import numpy as np

from linnet_converter.graph import FloatArray

_SCALES = np.concatenate([np.linspace(0.9, 1.0, 20, endpoint=False), np.linspace(1.0, 1.5, 200)])
"""Scales that are tried, relative to that of the largest weight; below 1 the largest weights are cut."""

_FAR = 2.0**20
"""Steps beyond which it does not matter how far a weight is off the scale (damaged files)."""


def channel(weights: FloatArray, step: float, correlation: float) -> float:
    """The best scale for (taps,) real weights.

    step: the file's own scale, tried too; 0 where there is none.
    correlation: weight of the squared sum of errors beside the sum of squared errors; the more alike the inputs of the
    taps are, the larger.
    """
    natural = float(np.abs(weights).max()) / 127
    if natural == 0:
        return step
    scales = np.append(natural * _SCALES, step if step > 0 else natural)[:, None]
    errors = rounded(weights[None], scales) * scales - weights
    costs = (errors**2).sum(axis=1) + correlation * errors.sum(axis=1) ** 2
    return float(scales[int(costs.argmin()), 0])


def rounded(weights: FloatArray, scales: FloatArray) -> FloatArray:
    """Integers of (rows, taps) weights on (rows, 1) scales, rounded so that each row keeps its sum as far as it can."""
    wanted = np.clip(weights / scales, -_FAR, _FAR)
    exact = np.clip(wanted, -127, 127)
    integers = np.rint(exact)
    missing = np.rint((wanted - integers).sum(axis=1)).astype(np.int64)
    towards = np.sign(missing)[:, None]
    # the taps that lie nearest to the other neighbour in the wanted direction move first
    gain = (exact - integers) * towards
    movable = np.abs(integers + towards) <= 127
    order = np.argsort(np.where(movable, -gain, np.inf), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None].repeat(len(order), axis=0), axis=1)
    moved = (rank < np.abs(missing)[:, None]) & movable
    result: FloatArray = integers + np.where(moved, towards, 0)
    return result

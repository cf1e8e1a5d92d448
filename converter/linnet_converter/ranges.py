"""How the range of an activation tensor is chosen from what was seen of it.

minmax       everything that was seen; Jacob et al. 2018 (arXiv 1712.05877), section 3.
percentile   a fixed share of the values, cut evenly at both ends; Wu et al. 2020 (arXiv 2004.09602), section 3.2.
mse          the range whose 8-bit grid has the least squared error, that is the best SQNR; Nagel et al. 2021,
             "A White Paper on Neural Network Quantization" (arXiv 2106.08295), section 3.1, equation 8.
entropy      the range that loses least information, by Kullback-Leibler divergence over a search of thresholds;
             Migacz 2017, "8-bit Inference with TensorRT" (GTC S7310), asymmetric here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .graph import FloatArray

Range = tuple[float, float]
Method = Literal["minmax", "percentile", "mse", "entropy"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "mse", "entropy")

PERCENTILE = 99.999
"""Share of all values, in percent, that `percentile` keeps; half of the rest is cut at each end."""

BINS = 4096
"""16 bins to a quantization step: a bin's width adds 1/256 of the step's own error."""

LEVELS = 256

_JOINED = 4
"""Bins that `divergence` takes together."""

_COARSE, _FINE = 32, 8
"""Candidates of an end of the range: first over the whole of it, then about the best one."""


@dataclass(frozen=True)
class Histogram:
    """Counts of a tensor's values in equal bins over [low, high], the least and the greatest value seen."""

    low: float
    high: float
    counts: npt.NDArray[np.int64]

    @property
    def centres(self) -> FloatArray:
        width = float(self.high - self.low) / len(self.counts)
        centres: FloatArray = self.low + width * (np.arange(len(self.counts), dtype=np.float64) + 0.5)
        return centres


Cost = Callable[[Histogram, Range], float]


def grid(bounds: Range) -> tuple[float, int]:
    """Scale and zero point of the 8-bit grid that covers bounds and zero: what the quantizer will use."""
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    scale = (high - low) / (LEVELS - 1)
    return scale, int(np.clip(np.rint(-128 - low / scale), -128, 127))


def squared_error(histogram: Histogram, bounds: Range) -> float:
    """Sum of squared differences between the values and their places on the grid."""
    scale, zero = grid(bounds)
    values = histogram.centres
    stored = np.clip(np.rint(values / scale) + zero, -128, 127)
    return float(histogram.counts @ np.square(scale * (stored - zero) - values))


def divergence(histogram: Histogram, bounds: Range) -> float:
    """KL divergence of the values, as they look once quantized, from the values cut to the range.

    Cut values count in the last bin inside, so that a range pays for what it cuts; a level's count is spread evenly
    over those of its bins that hold any. Zero is left out, because every grid holds it exactly and half of the values
    may be zero.
    """
    scale, zero = grid(bounds)
    # bins are joined: each must hold enough values to say what the distribution is
    counts = histogram.counts.reshape(-1, _JOINED).sum(axis=1).astype(np.float64)
    centres = histogram.centres.reshape(-1, _JOINED).mean(axis=1)
    counts[np.abs(centres) <= (histogram.high - histogram.low) / len(counts)] = 0
    inside = np.flatnonzero((centres >= min(bounds[0], 0.0)) & (centres <= max(bounds[1], 0.0)))
    if not counts.any():
        return 0.0
    if not len(inside) or not counts[inside].any():
        return np.inf
    level = np.clip(np.rint(centres[inside] / scale) + zero, -128, 127).astype(np.int64) + 128
    kept = counts[inside]
    cut = kept.copy()
    cut[0] += counts[: inside[0]].sum()
    cut[-1] += counts[inside[-1] + 1 :].sum()
    used = kept > 0
    total, bins = np.bincount(level, kept, LEVELS), np.bincount(level, used, LEVELS)
    spread = np.where(used, (total / np.maximum(bins, 1))[level], 0.0)
    # a bin that only cut values fall into has no counterpart: let it cost much, not everything
    p, q = cut / cut.sum(), np.maximum(spread / max(spread.sum(), 1.0), 1e-12)
    held = p > 0
    return float(p[held] @ np.log(p[held] / q[held]))


def search(histogram: Histogram, cost: Cost) -> Range:
    """The range with the least cost: each end in turn from coarse to fine, twice where both ends can move."""
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if high <= low:
        return histogram.low, histogram.high
    low_end, high_end = low, high
    for _ in range(1 if low == 0 or high == 0 else 2):
        if high > 0:
            high_end = high * _best_share(lambda share, at=low_end: cost(histogram, (at, high * share)))  # type: ignore[misc]
        if low < 0:
            low_end = low * _best_share(lambda share, at=high_end: cost(histogram, (low * share, at)))  # type: ignore[misc]
    return low_end, high_end


def _best_share(cost: Callable[[float], float]) -> float:
    """The share of an end, in (0, 1], that costs least. Of equals the largest."""
    coarse = np.arange(_COARSE, 0, -1) / _COARSE
    best = float(coarse[np.argmin([cost(float(share)) for share in coarse])])
    fine = best + np.arange(_FINE - 1, -_FINE, -1) / (_COARSE * _FINE)
    fine = fine[fine <= 1]
    return float(fine[np.argmin([cost(float(share)) for share in fine])])


def keep_percentile(histogram: Histogram, percentile: float) -> Range:
    """The range that keeps `percentile` percent of the values."""
    tail = histogram.counts.sum() * (1 - percentile / 100) / 2
    width = (histogram.high - histogram.low) / len(histogram.counts)
    first = int(np.searchsorted(np.cumsum(histogram.counts), tail, side="right"))
    last = int(np.searchsorted(np.cumsum(histogram.counts[::-1]), tail, side="right"))
    return histogram.low + first * width, histogram.high - last * width


def choose(histogram: Histogram, method: Method, percentile: float = PERCENTILE) -> Range:
    """The range of one tensor."""
    if method == "minmax" or histogram.high <= histogram.low:
        return histogram.low, histogram.high
    if method == "percentile":
        return keep_percentile(histogram, percentile)
    return search(histogram, squared_error if method == "mse" else divergence)

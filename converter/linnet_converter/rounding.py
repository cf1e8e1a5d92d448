"""Which way each weight is rounded: such that the layer's output, not the weight, errs least.

With weights off by d (in steps of the weight scale) an output errs by x . d, so that over the inputs x that occur its
mean square is d' H d, H the second moment of x; the mean of the error is left to the bias, so H is x's covariance.
That is the objective of Nagel et al. 2020 (AdaRound, arXiv 2004.10568, equation 13) and of Frantar et al. 2022 (GPTQ,
arXiv 2210.17323); layers of this size are minimized weight by weight until nothing improves.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from .graph import FloatArray

Rounding = Literal["nearest", "covariance", "adaround"]
"""nearest: each weight by itself.  covariance: `descend`.  adaround: also from where adaround.py ends, if lower."""
METHODS: tuple[Rounding, ...] = ("nearest", "covariance", "adaround")

DAMPING = 0.01
"""Added to H's diagonal, in units of its mean: few pictures were seen, and an error never seen is an error."""

_SWEEPS = 20
_CLIPS = np.linspace(1.0, 0.5, 51)


def covariance(x: npt.NDArray[np.float32], weight: npt.NDArray[np.float32] | None = None) -> FloatArray:
    """Damped covariance (taps, taps) of x (positions, taps), positions counted by weight (positions,)."""
    weight = np.ones(len(x), np.float32) if weight is None else weight
    total = max(float(weight.sum()), 1e-9)
    centred = x - (weight @ x) / np.float32(total)
    return damped(((centred * weight[:, None]).T @ centred).astype(np.float64) / total)


def damped(moments: FloatArray) -> FloatArray:
    """H (..., taps, taps) with its diagonal raised."""
    diagonal = np.einsum("...ii->...i", moments)
    raised = moments.copy()
    np.einsum("...ii->...i", raised)[...] += DAMPING * diagonal.mean(axis=-1, keepdims=True) + 1e-12
    return raised


def descend(target: FloatArray, moments: FloatArray, start: FloatArray | None = None) -> FloatArray:
    """Integers next to target (out, taps), each its floor or ceiling, for which d' H d is least in each row.

    target: weights in units of their scale, in [-127, 127].  moments: H, (taps, taps) for all rows or (out, taps,
    taps).  start: such integers to begin with, the nearest if none are given. Coordinate descent: it never ends above
    where it starts, and a target of integers stays as it is.
    """
    shared = moments.ndim == 2
    low, high = np.floor(target), np.ceil(target)
    chosen = np.rint(target) if start is None else start.copy()
    diagonal = np.einsum("...ii->...i", moments)
    delta = chosen - target
    # d' H, kept up to date as single weights move
    slope = delta @ moments if shared else np.einsum("ot,ots->os", delta, moments)
    for _ in range(_SWEEPS):
        moved = False
        for tap in range(target.shape[1]):
            curvature = diagonal[..., tap]
            other = low[:, tap] + high[:, tap] - chosen[:, tap]
            step = other - chosen[:, tap]
            # (d + step e)' H (d + step e) - d' H d
            gain = step * (2 * slope[:, tap] + step * curvature)
            step = np.where(gain < -1e-12, step, 0.0)
            if step.any():
                moved = True
                chosen[:, tap] += step
                slope += step[:, None] * (moments[tap] if shared else moments[:, tap])
        if not moved:
            break
    return chosen


def lower_of_both(target: FloatArray, moments: FloatArray, start: FloatArray) -> FloatArray:
    """`descend` from the nearest integers and from start; of each row what has the lower d' H d."""
    made = [descend(target, moments, begin) for begin in (None, start)]
    errors = [error(target, each, moments) for each in made]
    return np.where((errors[1] < errors[0])[:, None], made[1], made[0])


def error(target: FloatArray, chosen: FloatArray, moments: FloatArray) -> FloatArray:
    """d' H d of each row, (out,)."""
    delta = chosen - target
    products = "ot,ts,os->o" if moments.ndim == 2 else "ot,ots,os->o"
    found: FloatArray = np.einsum(products, delta, moments, delta, optimize=True)
    return found


def clipped_scales(weights: FloatArray) -> FloatArray:
    """The scale of each row of weights (out, taps) with the least squared error under nearest rounding, (out,).

    Nagel et al. 2021 (arXiv 2106.08295), section 3.1: a search from the row's maximum / 127 downwards to a half of it.
    """
    widest = np.abs(weights).max(axis=1) / 127
    best, least = widest, np.full(len(weights), np.inf)
    for share in _CLIPS:
        scale = np.maximum(widest * share, 1e-300)[:, None]
        found = np.square(np.clip(np.rint(weights / scale), -127, 127) * scale - weights).sum(axis=1)
        # a channel whose maximum is not cut keeps its grid exactly: only a real gain moves it
        better = found < least * (1 - 1e-9)
        best, least = np.where(better, widest * share, best), np.where(better, found, least)
    result: FloatArray = best
    return result

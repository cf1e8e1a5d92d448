"""A convolution's integers from a file's own weights: taken over as they are wherever the law allows it.

The law (docs/numerics.md) has one scale per output channel, no zero point, and weights in [-127, 127]. Weights stored
with a zero point are q - zero_point times the scale, which most often fits that too; where it does not (legacy uint8
files), the channel is quantized anew to its own largest weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet_converter.graph import FloatArray
from linnet_converter.quantize import MAX_TAPS, PRODUCT_BOUND

from . import requantize
from .network import Grid

SMALLEST_RATIO = 2.0**-21
"""A channel whose weight scale asks for less gets a larger one, so that its multiplier keeps ten bits.

That serves the bias: the products of such a channel together move the output by less than a step.
"""

NEAR = 1e-3
"""How far, in steps, a weight may lie from the file's grid and still be taken for a point of it (float32 rounding)."""


@dataclass(frozen=True)
class Integers:
    """weights: (out, taps).  requantized: (out,), channels whose weights are not the file's own integers."""

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.int32]
    shift: int
    requantized: npt.NDArray[np.bool_]


def channel_scales(
    weights: FloatArray, steps: FloatArray, correlation: float = 1.0
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Scale of each output channel of (out, taps) weights, and which of them must be quantized anew."""
    natural = np.abs(weights).max(axis=1) / 127
    usable = steps > 0
    safe = np.where(usable, steps, 1.0)
    integers = weights / safe[:, None]
    on_grid = np.abs(integers - np.rint(integers)).max(axis=1) <= NEAR
    keep = usable & on_grid & (natural <= safe * (1 + NEAR / 127))
    anew = ~keep & (natural > 0)
    scales = np.where(keep, safe, natural)
    for channel in np.flatnonzero(anew):
        scales[channel] = requantize.channel(weights[channel], float(steps[channel]), correlation)
    return scales, anew


def integers(
    name: str,
    weights: FloatArray,
    steps: FloatArray,
    bias: FloatArray,
    source: Grid,
    scale_out: float,
    fraction_bits: int = 0,
    correlation: float = 1.0,
    finest: int = 1,
) -> Integers:
    """weights: (out, taps), real.  steps: (out,).  fraction_bits: 6 where a residual follows, else 0.

    correlation: how alike the taps' inputs are (requantize.py).  finest: weights that are small integers of the file
    may be multiplied by up to so much, on a scale as many times finer: the same weights, with a bias in finer units.

    Raises LinnetError where 32-bit sums cannot hold them.
    """
    taps = weights.shape[1]
    if taps > MAX_TAPS:
        raise LinnetError(f"{name}: {taps} weights per output; at most {MAX_TAPS} fit 32-bit sums")
    own, requantized = channel_scales(weights, steps, correlation)
    unit = source.scale / scale_out * 2**fraction_bits
    spare = 127 // np.maximum(np.rint(np.abs(weights).max(axis=1) / np.where(own > 0, own, 1.0)), 1)
    for shift in range(31):
        # the bias and -zero_in * sum(w) share what the products leave of the accumulator
        room = ((2**31 - 1) >> shift) - 2 * PRODUCT_BOUND * taps
        if room < 2**16:
            break
        lowest = np.maximum(SMALLEST_RATIO / unit, np.abs(bias) / (source.scale * room))
        times = np.where(requantized, 1, np.clip(np.minimum(spare, own // lowest), 1, finest))
        scale = np.maximum(own / times, lowest)
        multiplier = np.rint(unit * scale * 2.0 ** (31 - shift))
        if multiplier.max() >= 2**30:
            continue
        quantized = np.clip(np.rint(weights / scale[:, None]), -127, 127)
        quantized[requantized] = requantize.rounded(weights[requantized], scale[requantized, None])
        offset = np.rint(bias / (source.scale * scale)) - source.zero_point * quantized.sum(axis=1)
        return Integers(
            quantized.astype(np.int8), offset.astype(np.int32), multiplier.astype(np.int32), shift, requantized
        )
    raise LinnetError(
        f"{name}: its output scale {scale_out:g} is too small beside its input and weights ({taps} taps) for 32-bit "
        "sums; quantize the network again with pictures like those it will see"
    )

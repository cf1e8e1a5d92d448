"""How a picture enters an imported network.

A file quantizes its input on a grid of its own. Often that grid is the pixels' (q = pixel - 128), and the pixels are
the input as they are. Otherwise one tiny operator, a depthwise 1x1 convolution, puts each pixel on the file's grid; its
integers are searched (affine.py) so that it gives what the file's own quantization gives, for all 256 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.format_gen import InputKind
from linnet_converter.quantize import Preprocessing

from . import affine
from .network import Grid, ImportedNetwork

PICTURE_CHANNELS = (1, 3)

_PIXELS = np.arange(256)

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scaler:
    """The operator that puts pixel - 128 on a file's grid; weights, bias, multiplier: (channels,)."""

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.int32]
    shift: int
    wrong: int
    """How many of the 256 pixel values, over all channels, it puts one step beside the file's quantization."""


@dataclass(frozen=True)
class InputStage:
    """kind: what the .lnt file takes.  mean, std: of a picture, (channels,).  scaler: None where pixels are the grid.

    wrong: how many of the 256 pixel values, over all channels, enter one step beside the file's quantization.
    """

    kind: InputKind
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    scaler: Scaler | None = None
    wrong: int = 0


def choose(network: ImportedNetwork, preprocessing: Preprocessing | None, tensor_input: bool = False) -> InputStage:
    """What enters: pixels where their meaning is known, else the int8 tensor.

    preprocessing: what the network is fed, one value per channel; None: a file that takes integers takes pixels.
    """
    channels = network.graph.shapes[network.graph.input][2]
    grid = network.grids[network.graph.input]
    if tensor_input:
        return InputStage(InputKind.tensor)
    if preprocessing is None:
        if not network.integer_input or channels not in PICTURE_CHANNELS:
            return InputStage(InputKind.tensor)
        return InputStage(InputKind.pixels, (float(grid.zero_point + 128),) * channels, (1 / grid.scale,) * channels)
    if channels not in PICTURE_CHANNELS:
        raise LinnetError(
            f"input '{network.graph.input}': {channels} channels are no picture; leave out --preprocess, --mean, --std"
        )
    real = preprocessing.apply(np.repeat(_PIXELS[:, None], channels, axis=1).astype(np.uint8))
    real = real.astype(np.float32) * network.graph.input_scale.astype(np.float32)
    real = (real + network.graph.input_shift.astype(np.float32)).astype(np.float32)
    # in float32, as the interpreters compute it: where pixels fall between two steps, that decides
    steps = np.rint(real / np.float32(grid.scale)).astype(np.int64) + grid.zero_point
    wanted = np.clip(steps, -128, 127).T
    stage = InputStage(InputKind.pixels, preprocessing.mean, preprocessing.std)
    away = np.abs(wanted - (_PIXELS - 128))
    if not away.any():
        return stage
    slope = network.graph.input_scale / np.array(preprocessing.std) / grid.scale
    middle = (
        network.graph.input_scale * (128 - np.array(preprocessing.mean)) / np.array(preprocessing.std)
        + network.graph.input_shift
    ) / grid.scale
    scaler = _search(wanted, slope, middle, grid)
    # pixels half-way between two steps (mean 127.5) are a matter of rounding; no operator gets them all
    if away.max() <= 1 and np.count_nonzero(away) <= 2 * scaler.wrong:
        return replace(stage, wrong=int(np.count_nonzero(away)))
    return replace(stage, scaler=scaler, wrong=scaler.wrong)


def _search(wanted: IntArray, slope: npt.NDArray[np.float64], middle: npt.NDArray[np.float64], grid: Grid) -> Scaler:
    """wanted: (channels, 256).  slope, middle: (channels,), steps per pixel and the steps of pixel 128."""
    if not (np.isfinite(slope).all() and np.isfinite(middle).all()) or np.any(slope == 0):
        raise LinnetError("the input's normalization is not finite or zero; give other --mean and --std")
    shift = affine.least_shift(float(np.abs(slope).max()))
    found = [affine.best(wanted[i], slope[i], middle[i], grid.zero_point, shift) for i in range(len(slope))]
    weights, bias, multiplier, wrong = (np.array(column) for column in zip(*found, strict=True))
    if shift > 12 or np.abs(bias).max() > ((2**31 - 1) >> shift) - 2**14:
        raise LinnetError("the input's scale is too small beside its normalization; are --mean and --std right?")
    return Scaler(weights.astype(np.int8), bias.astype(np.int32), multiplier.astype(np.int32), shift, int(wrong.sum()))

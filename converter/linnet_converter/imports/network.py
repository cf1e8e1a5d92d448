"""A network as its file quantized it: what both readers give and what assemble.py turns into integers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linnet_converter.graph import Clamp, FloatArray, Graph


@dataclass(frozen=True)
class Grid:
    """The int8 values of a tensor: real = scale * (q - zero_point). uint8 tensors are brought here by subtracting 128.

    scale: a float32 value, as every file stores it.
    """

    scale: float
    zero_point: int

    @property
    def is_valid(self) -> bool:
        return math.isfinite(self.scale) and self.scale > 0 and -128 <= self.zero_point <= 127

    @property
    def range(self) -> Clamp:
        """The real values that it can hold."""
        return Clamp(self.scale * (-128 - self.zero_point), self.scale * (127 - self.zero_point))

    def quantize(self, real: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Nearest values, halves to even, saturated: as QuantizeLinear."""
        steps = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        stored: npt.NDArray[np.int64] = np.clip(steps, -128, 127).astype(np.int64)
        return stored

    def clamp(self, activation: Clamp) -> tuple[int, int]:
        """An activation in the units of the tensor."""
        low, high = (int(self.quantize(bound)) for bound in (activation.low, activation.high))
        return low, high


@dataclass(frozen=True)
class ImportedNetwork:
    """A float graph whose numbers all lie on grids.

    grids: of every tensor that the file quantizes, by the graph's tensor names; also of the input.
    weight_steps: node name -> (out,), the file's weight scale of each output channel; 0 where there is none.
    integer_input: the file itself takes uint8 or int8, so that a picture's bytes can be fed as they are.
    rounds_twice: its biases shall follow TFLite's two roundings (uint8 files), see rounding.py.
    """

    graph: Graph
    grids: Mapping[str, Grid]
    weight_steps: Mapping[str, FloatArray]
    integer_input: bool
    rounds_twice: bool = False

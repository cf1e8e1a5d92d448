"""Calibration pictures that are held back: what candidates are compared on, in the integer arithmetic itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

import linnet

from . import float_model, lnt_file, mixed, validation
from .graph import FloatArray, Graph
from .plan import Plan
from .qgraph import QGraph

Pictures = Sequence[npt.NDArray[np.uint8]]
"""(height, width, channels) each."""


def fed(pictures: Pictures) -> npt.NDArray[np.float32]:
    """What mixed.PIXELS takes: pixel - 128, (pictures, channels, height, width)."""
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) - 128)


class HeldOut:
    """Pictures and the float network's logits on them."""

    def __init__(self, graph: Graph, quantized: QGraph, plan: Plan, pictures: Pictures) -> None:
        """graph: as it was read.  quantized: any int8 network made from it.  plan: one for its shapes."""
        self.pictures, self.plan = pictures, plan
        floats = float_model.session(mixed.to_onnx(graph, quantized, (), [graph.logits]))
        feeds = fed(pictures)
        self.wanted = [floats.run(None, {mixed.PIXELS: feed[None]})[0].astype(np.float64).ravel() for feed in feeds]

    def error(self, quantized: QGraph) -> float:
        """Sum of squared differences of the logits over all pictures."""
        return float(self.errors(quantized).sum())

    def errors(self, quantized: QGraph) -> FloatArray:
        """Sums of squared differences of the logits of each picture: of the .lnt file, run by the C library."""
        model = validation.IntegerLogits(linnet.load(lnt_file.write(quantized, [self.plan])))
        differences: list[FloatArray] = [
            model.logits(picture) - wanted for picture, wanted in zip(self.pictures, self.wanted, strict=True)
        ]
        return np.array([np.square(each).sum() for each in differences])

    @property
    def signal(self) -> float:
        """Sum of squares of the float logits."""
        return float(sum(np.square(each).sum() for each in self.wanted))

    def db(self, errors: FloatArray) -> float:
        """SQNR of the logits in dB."""
        return 10 * float(np.log10(max(self.signal, 1e-30) / max(float(errors.sum()), 1e-30)))


def surely_less(errors: FloatArray, than: FloatArray, groups: int) -> bool:
    """Whether the sum of errors is lower by more than luck with the pictures explains: two standard errors.

    errors, than: of each picture, in the same order, (copies * groups,), a picture's variations `groups` apart
    (augment.with_variations): they count as one, because they are alike.
    """
    gains = (than - errors).reshape(-1, groups).sum(axis=0)
    return bool(gains.mean() > 2 * gains.std(ddof=1) / np.sqrt(groups))

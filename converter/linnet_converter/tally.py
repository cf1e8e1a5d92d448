"""What validation counts: sums over pictures, nothing that grows with their number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Validation:
    """How close the int8 network is to the float one. Percentages are 0 to 100.

    top1_*, top5_*: pictures whose label is the most probable class, or one of five; None without labels.
    agreement: pictures whose most probable class is the same in both.
    sqnr_db: of the logits ahead of any softmax; 10 log10 of the sum of float^2 over the sum of (int8 - float)^2, both
    over all classes of all pictures. Infinite where there is no difference.
    cosine: of the two logit vectors of a picture, the mean over pictures.
    arena_bytes: of the smallest plan in the file.
    reference: what "float" is here: "float", or "quantized" where the original is a quantized network itself.
    """

    images: int
    top1_float: float | None
    top1_int8: float | None
    top5_float: float | None
    top5_int8: float | None
    agreement: float
    sqnr_db: float
    cosine: float
    arena_bytes: int
    reference: str = "float"


@dataclass(frozen=True)
class Compared:
    """One picture in both networks. ranks: how many classes come before its label, in float and in int8."""

    same: bool
    signal: float
    error: float
    cosine: float
    ranks: tuple[int, int] | None


def compared(wanted: Logits, got: Logits, label: int | None) -> Compared:
    """wanted, got: (classes,) of the float and of the int8 network."""
    norms = float(np.linalg.norm(wanted) * np.linalg.norm(got))
    return Compared(
        same=bool(wanted.argmax() == got.argmax()),
        signal=float(wanted @ wanted),
        error=float((got - wanted) @ (got - wanted)),
        # two zero vectors point the same way for our purpose; one alone does not
        cosine=float(wanted @ got) / norms if norms else float(not wanted.any() and not got.any()),
        ranks=None if label is None else (rank(wanted, label), rank(got, label)),
    )


@dataclass
class Tally:
    """Sums over pictures, added in the pictures' order: floating-point sums depend on it."""

    images: int = 0
    same: int = 0
    signal: float = 0.0
    error: float = 0.0
    cosine: float = 0.0
    labelled: int = 0
    top1_float: int = 0
    top1_int8: int = 0
    top5_float: int = 0
    top5_int8: int = 0

    def add(self, one: Compared) -> None:
        self.images += 1
        self.same += one.same
        self.signal += one.signal
        self.error += one.error
        self.cosine += one.cosine
        if one.ranks is not None:
            wanted, got = one.ranks
            self.labelled += 1
            self.top1_float += wanted < 1
            self.top1_int8 += got < 1
            self.top5_float += wanted < 5
            self.top5_int8 += got < 5

    def result(self, arena_bytes: int, reference: str = "float") -> Validation:
        """At least one picture has been added."""

        def share(count: int) -> float | None:
            return 100 * count / self.images if self.labelled else None

        return Validation(
            images=self.images,
            top1_float=share(self.top1_float),
            top1_int8=share(self.top1_int8),
            top5_float=share(self.top5_float),
            top5_int8=share(self.top5_int8),
            agreement=100 * self.same / self.images,
            sqnr_db=_decibels(self.signal, self.error),
            cosine=self.cosine / self.images,
            arena_bytes=arena_bytes,
            reference=reference,
        )


def _decibels(signal: float, error: float) -> float:
    if not error:
        return math.inf
    return 10 * math.log10(signal / error) if signal else -math.inf


def rank(logits: Logits, label: int) -> int:
    """How many classes come before this one; equals by index, as argmax."""
    return int((logits > logits[label]).sum() + (logits[:label] == logits[label]).sum())

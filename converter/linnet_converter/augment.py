"""More pictures from few: random crops, enlarged to the whole, and mirror images. The float network labels them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]

SMALLEST = 0.5
"""Least share of a picture's area that a crop keeps."""


def vary(picture: Picture, rng: np.random.Generator) -> Picture:
    """A crop of (height, width, channels) uint8 at its original size, mirrored every other time."""
    height, width, _ = picture.shape
    side = np.sqrt(rng.uniform(SMALLEST, 1.0))
    rows, columns = max(1, round(height * side)), max(1, round(width * side))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    part = picture[top : top + rows, left : left + columns]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    # channel by channel: networks have any number of them
    planes = [
        Image.fromarray(np.ascontiguousarray(part[:, :, channel])).resize((width, height), Image.Resampling.BILINEAR)
        for channel in range(part.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def with_variations(pictures: Sequence[Picture], copies: int, seed: int) -> list[Picture]:
    """The pictures, and `copies` variations of each."""
    rng = np.random.default_rng(seed)
    return [*pictures, *(vary(picture, rng) for _ in range(copies) for picture in pictures)]

"""One number for all values that an operator computes, the same on every board and in whatever order they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_OFFSET, _PRIME = np.uint32(2166136261), np.uint32(16777619)


def of_values(values: npt.NDArray[Any]) -> int:
    """Of (height, width, channels) integers: FNV-1a of each pixel's place and bytes, summed modulo 2^32."""
    height, width, _ = values.shape
    place = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).astype("<u4")
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<")))
    raw = np.concatenate([place.view(np.uint8), little.view(np.uint8).reshape(height, width, -1)], axis=2)
    hashes = np.full((height, width), _OFFSET)
    with np.errstate(over="ignore"):
        for byte in np.moveaxis(raw, 2, 0):
            hashes = (hashes ^ byte) * _PRIME
        return int(hashes.sum(dtype=np.uint32))

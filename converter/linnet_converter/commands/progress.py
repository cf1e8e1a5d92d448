"""Progress bars on stderr, where somebody is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bars(items: Sequence[T], what: str) -> Iterable[T]:
    """recipe.Track with tqdm."""
    made: Iterable[T] = tqdm(items, desc=what, disable=not sys.stderr.isatty(), leave=False)
    return made


def say(line: str) -> None:
    """One line on stderr, for what takes long."""
    print("linnet:", line, file=sys.stderr)

"""Validation of a model that runs elsewhere: pictures go there in batches, while the reference computes here."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .tally import Compared, Logits
from .validate_files import WAITING, Skipped, lent, read
from .validation import Comparer, Pixels

BATCH_BYTES = 4 << 20
"""Of pictures in memory at a time."""


class Away(Protocol):
    """A model on another machine."""

    def answers(
        self, inputs: Iterable[npt.NDArray[np.uint8]], operator: int | None = None
    ) -> Iterator[tuple[npt.NDArray[np.int32], int]]:
        """In the order of the inputs: the answer or what an operator computed, and the nanoseconds it took."""
        ...


def compare_away(
    paths: Iterable[Path], labels: Mapping[str, int] | None, comparers: Sequence[Comparer], away: Away
) -> Generator[Compared | Skipped, None, None]:
    """As `validate_files.compare_files`, with integers from elsewhere. comparers: for the reference, one a worker."""
    first = comparers[0]
    shape = first.model.input_details.shape
    size = max(1, BATCH_BYTES // int(np.prod(shape)))
    left = iter(paths)
    free: SimpleQueue[Comparer] = SimpleQueue()
    for each in comparers:
        free.put(each)

    def work(path: Path, pixels: Pixels | Skipped, logits: Logits | None) -> Compared | Skipped:
        if isinstance(pixels, Skipped):
            return pixels
        with lent(free) as mine:
            return mine.compare(path.name, pixels, labels, logits)

    waiting: deque[Future[Compared | Skipped]] = deque()
    with ThreadPoolExecutor(len(comparers), thread_name_prefix="validate") as pool:
        try:
            while batch := list(islice(left, size)):
                loaded = list(pool.map(lambda path: read(path, shape), batch))
                answers = away.answers((p for p in loaded if not isinstance(p, Skipped)), first.integer.operator)
                for path, pixels in zip(batch, loaded, strict=True):
                    logits = None if isinstance(pixels, Skipped) else first.integer.real(next(answers)[0])
                    waiting.append(pool.submit(work, path, pixels, logits))
                    if len(waiting) >= WAITING * len(comparers):
                        yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

"""Validation over folders of pictures: several at a time, in their order, and never more in memory than are at work."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from linnet import image
from linnet.errors import LinnetError

from .graph import Shape
from .tally import Compared
from .validation import Comparer, Pixels

WAITING = 4
"""Pictures a worker that have been handed out and not yet counted."""


@dataclass(frozen=True)
class Skipped:
    """A picture that cannot be read: one line that names it."""

    message: str


def read(path: Path, shape: Shape) -> Pixels | Skipped:
    """A picture as a model of this input shape takes it."""
    try:
        return image.fit(image.read_image(path), *shape)
    except LinnetError as error:
        reason = str(error)
        return Skipped(f"skipped {reason}" if reason.startswith(str(path)) else f"skipped {path}: {reason}")


def compare_files(
    paths: Iterable[Path],
    labels: Mapping[str, int] | None,
    comparers: Sequence[Comparer],
) -> Generator[Compared | Skipped, None, None]:
    """Read and compare each picture, as many at a time as there are comparers; what comes out is in the paths' order.

    In threads, because decoding, onnxruntime and the kernels all leave Python to itself meanwhile. Raises LinnetError
    as `Comparer.compare` does.
    """
    workers = len(comparers)
    free: SimpleQueue[Comparer] = SimpleQueue()
    for each in comparers:
        free.put(each)

    def work(path: Path) -> Compared | Skipped:
        with lent(free) as mine:
            pixels = read(path, mine.model.input_details.shape)
            return pixels if isinstance(pixels, Skipped) else mine.compare(path.name, pixels, labels)

    waiting: deque[Future[Compared | Skipped]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="validate") as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(work, path))
                if len(waiting) >= WAITING * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def lent(free: SimpleQueue[Comparer]) -> Iterator[Comparer]:
    """There are as many as workers, so that none of those ever waits here."""
    mine = free.get()
    try:
        yield mine
    finally:
        free.put(mine)

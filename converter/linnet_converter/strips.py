"""Strip tensors: never whole, but computed on the way, a strip of columns at a time, by the operator that reads them.

An output row of a depthwise convolution looks at a window of rows. Some of them are kept, whole, from the step before;
the others lie in strips just wide enough for a few output columns. So an expanded tensor of a 3x3 block costs two rows
and a bit instead of three, one and a bit at stride 2, and what follows it at once (the projection's input) only a
strip. Rows may also be kept for less long and computed again. kernels_c/src/strips.[ch] executes this.
"""

from __future__ import annotations

from dataclasses import dataclass

from linnet.format_gen import Layout, OpKind

from .plan import Placement
from .qgraph import QGraph


@dataclass(frozen=True)
class Strip:
    """A strip tensor of (height, width, channels) and the window that its only reader moves over it.

    kept: rows that stay from step to step, at most kernel - stride; the window's others are computed again.
    columns: output columns of the reader that one strip serves.
    """

    shape: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    kept: int
    columns: int

    @property
    def most_kept(self) -> int:
        """Rows to keep if nothing is to be computed twice."""
        return max(self.kernel[0] - self.stride[0], 0)

    @property
    def strip_bytes(self) -> int:
        """Bytes of one row of a strip."""
        held = min((self.columns - 1) * self.stride[1] + self.kernel[1], max(self.shape[1], self.kernel[1]))
        return held * self.shape[2]

    @property
    def bytes(self) -> int:
        """All that the tensor takes of the arena."""
        return self.kept * self.shape[1] * self.shape[2] + (self.kernel[0] - self.kept) * self.strip_bytes

    @property
    def lead(self) -> int:
        """Steps without output that fill the kept rows before the first output row."""
        return -(-self.kept // self.stride[0])

    def placement(self, offset: int) -> Placement:
        return Placement(offset, self.kept, self.strip_bytes, Layout.strip)

    def computed(self, y: int) -> tuple[range, range]:
        """Rows that the step of output row y computes: again, and for the first time.

        y < 0: a leading step, which computes what it hands on.
        """
        first = y * self.stride[0] - self.pad[0]
        new = first + max(self.kernel[0] - self.stride[0], 0)
        if y < 0:
            return range(0), self._inside(max(new, first + self.kernel[0] - self.kept), first + self.kernel[0])
        again = self._inside(first, first + max(self.kernel[0] - self.kept - self.stride[0], 0))
        return again, self._inside(new, first + self.kernel[0])

    def _inside(self, start: int, stop: int) -> range:
        first = max(start, 0)
        return range(first, max(first, min(stop, self.shape[0])))

    def covers(self, outputs: tuple[int, int]) -> bool:
        """Whether the windows of (rows, columns) outputs touch every row and column, so that everything is computed."""
        return all(
            stride <= kernel and (count - 1) * stride - pad + kernel >= size
            for count, stride, kernel, pad, size in zip(
                outputs, self.stride, self.kernel, self.pad, self.shape[:2], strict=True
            )
        )


def strip_for(graph: QGraph, reader_index: int, kept: int, columns: int) -> Strip:
    """The strip that an operator's first input would be."""
    reader = graph.ops[reader_index]
    window = reader.kind == OpKind.depthwise
    return Strip(
        shape=graph.tensors[reader.inputs[0]].shape,
        kernel=reader.kernel if window else (1, 1),
        stride=reader.stride if window else (1, 1),
        pad=reader.pad if window else (0, 0),
        kept=kept,
        columns=columns,
    )

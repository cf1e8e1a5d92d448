"""The quantized network: integers only, exactly what docs/numerics.md computes and what a .lnt file holds.

Field names are those of struct Op in kernels_c/schema/linnet.fbs. Tensors and operators refer to each other by index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from linnet.format_gen import DType, InputKind, OpKind

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
UInt32Array = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class QTensor:
    """real = scale * (q - zero_point); shape is (height, width, channels)."""

    name: str
    shape: tuple[int, int, int]
    scale: float
    zero_point: int
    dtype: DType = DType.int8

    @property
    def row_bytes(self) -> int:
        return self.shape[1] * self.shape[2] * (4 if self.dtype == DType.int32 else 1)


@dataclass(frozen=True)
class QOp:
    """One operator. Which fields a kind uses is written in docs/numerics.md.

    weights: int8, conv (O, H, W, I), depthwise (H, W, C), pointwise and fully_connected (O, I).
    bias, multiplier: int32 (O,).  pad_values: int8 (I,), conv only.  table: uint32 (65,), softmax only.
    """

    name: str
    kind: OpKind
    inputs: tuple[int, ...]
    output: int
    state: int | None = None
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    shift: int = 0
    clamp: tuple[int, int] = (-128, 127)
    weights: Int8Array | None = None
    bias: Int32Array | None = None
    multiplier: Int32Array | None = None
    pad_values: Int8Array | None = None
    table: UInt32Array | None = None
    factor: int = 0
    factor2: int = 0
    offset: int = 0


@dataclass(frozen=True)
class QGraph:
    """Operator 0 is the input and writes tensor 0; the last operator writes the answer."""

    tensors: tuple[QTensor, ...]
    ops: tuple[QOp, ...]
    input_kind: InputKind = InputKind.pixels
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = field(default=())

    @cached_property
    def _writers(self) -> dict[int, int]:
        return {op.output: index for index, op in enumerate(self.ops)}

    def writer_index(self, tensor: int) -> int:
        """Index of the operator that writes a tensor."""
        return self._writers[tensor]

    def writer(self, tensor: int) -> QOp:
        """The operator that writes a tensor."""
        return self.ops[self._writers[tensor]]

    def is_output(self, tensor: int) -> bool:
        """Whether an operator computes the tensor, rather than using it as its state."""
        return tensor in self._writers

    def readers(self, tensor: int) -> list[int]:
        """Indices of the operators that read a tensor."""
        return self._readers.get(tensor, [])

    @cached_property
    def _readers(self) -> dict[int, list[int]]:
        readers: dict[int, list[int]] = {}
        for index, op in enumerate(self.ops):
            for tensor in dict.fromkeys(op.inputs):
                readers.setdefault(tensor, []).append(index)
        return readers

    @property
    def output(self) -> QTensor:
        return self.tensors[self.ops[-1].output]

    @property
    def logits(self) -> int:
        """Index of the tensor ahead of the final softmax, or of the output."""
        last = self.ops[-1]
        return last.inputs[0] if last.kind == OpKind.softmax else last.output


def macs(graph: QGraph, op: QOp) -> int:
    """Multiply-accumulates of one inference (Conv, depthwise and dense layers, as is usual; the rest counts 0)."""
    if op.weights is None:
        return 0
    height, width, channels = graph.tensors[op.output].shape
    per_output = op.weights.size if op.kind == OpKind.depthwise else op.weights.size // channels
    return height * width * (per_output if op.kind == OpKind.depthwise else channels * per_output)

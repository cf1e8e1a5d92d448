"""The float network in Linnet's own few operators: what a reader makes of an ONNX file, and what is quantized.

Everything here is already folded: BatchNorm, Pad, Dropout, Transpose, Reshape and the like are gone, an activation is a
clamp on the operator before it, weights lie as Linnet stores them. Shapes are (height, width, channels), batch is 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Clamp:
    """An activation: min(max(x, low), high). ReLU6 is (0, 6), none is (-inf, inf)."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def is_identity(self) -> bool:
        return self.low == -math.inf and self.high == math.inf


@dataclass(frozen=True)
class Conv:
    """A convolution; a dense layer is one with a 1x1 kernel on a 1x1 map.

    weights: (out, kernel_h, kernel_w, in), or (1, kernel_h, kernel_w, channels) where depthwise.
    bias: (out,).  stride: (h, w).  pads: (top, left, bottom, right).
    gain: (out,), each 1 or more, or empty for 1: output channels are that many times what they were in the source, and
    so are the bounds of their activation. Set by equalization only. A tensor's largest channel has gain 1, so that the
    integer network's one clamp at the unscaled bound never passes what the float network would cut.
    """

    name: str
    input: str
    output: str
    weights: FloatArray
    bias: FloatArray
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    depthwise: bool = False
    activation: Clamp = Clamp()
    gain: tuple[float, ...] = ()

    @property
    def channels(self) -> int:
        return int(self.weights.shape[3 if self.depthwise else 0])

    @property
    def gain_of_channels(self) -> FloatArray:
        """(out,), with the ones written out."""
        return np.array(self.gain) if self.gain else np.ones(self.channels)

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def is_pointwise(self) -> bool:
        return not self.depthwise and self.kernel == (1, 1) and self.stride == (1, 1) and not any(self.pads)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Add:
    """Sum of two tensors of the same shape, then the activation."""

    name: str
    inputs: tuple[str, str]
    output: str
    activation: Clamp = Clamp()


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean over height and width: (h, w, c) to (1, 1, c)."""

    name: str
    input: str
    output: str
    activation: Clamp = Clamp()

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Softmax:
    """Softmax over the channels of a (1, 1, c) tensor."""

    name: str
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


Node = Conv | Add | GlobalAveragePool | Softmax


@dataclass(frozen=True)
class Graph:
    """A network with one input and one output, nodes in an order in which they can be run.

    input_scale, input_shift: (channels,) each; the first operators see feed * input_scale + input_shift, where feed is
    what the source network is fed. Identity unless the source held constant Mul/Sub/Add/Div/BatchNorm nodes ahead of
    its first convolution (Keras's Rescaling, Normalization, preprocess_input).
    source_input, source_logits: names of tensors in the source file: its input, and what enters its final softmax
    (its output where there is no softmax).
    source_layout: "NCHW" or "NHWC", how the source's input lies.
    """

    nodes: tuple[Node, ...]
    shapes: dict[str, Shape]
    input: str
    output: str
    input_scale: FloatArray
    input_shift: FloatArray
    source_input: str
    source_logits: str
    source_layout: str

    @property
    def logits(self) -> str:
        """Name of the tensor ahead of the final softmax, or of the output."""
        last = self.nodes[-1]
        return last.input if isinstance(last, Softmax) else self.output

    def consumers(self, tensor: str) -> Iterator[Node]:
        return (node for node in self.nodes if tensor in node.inputs)

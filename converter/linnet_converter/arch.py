"""Reference architectures with seeded weights, for planning, benchmarks and tests; nobody has trained them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from linnet_converter.graph import FloatArray

OPSET = 17
IR_VERSION = 8

Padding = Literal["tf", "torch", "valid"]

# expansion, channels, repeats, stride: table 2 of Sandler et al., MobileNetV2, 2018
V2_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# channels, stride: table 1 of Howard et al., MobileNets, 2017
V1_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round channels to a multiple of divisor, by at most 10 % downwards, as the paper's authors and Keras do."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def mobilenet_v2(
    width: float, size: int, classes: int, seed: int = 0, padding: Literal["tf", "torch"] = "tf"
) -> onnx.ModelProto:
    """MobileNetV2 over (1, 3, size, size) float32, logits (1, classes). The same arguments give the same bytes.

    padding: of stride-2 convolutions; "tf" as TensorFlow's SAME (bottom and right on even sizes), "torch" all around.
    """
    net = NetworkBuilder(seed, (3, size, size), padding)
    x = net.conv(net.input, make_divisible(32 * width), 3, 2, clamp=(0.0, 6.0))
    for expansion, base, repeats, first_stride in V2_BLOCKS:
        for repeat in range(repeats):
            x = net.inverted_residual(x, expansion, make_divisible(base * width), first_stride if repeat == 0 else 1)
    x = net.conv(x, make_divisible(1280 * max(width, 1.0)), 1, clamp=(0.0, 6.0))
    return net.finish(net.dense(net.flatten(net.pool(x)), classes))


def mobilenet_v1(
    width: float, size: int, classes: int, seed: int = 0, padding: Literal["tf", "torch"] = "tf"
) -> onnx.ModelProto:
    """MobileNetV1, its channels int(c * width) as in Keras; otherwise as mobilenet_v2."""
    net = NetworkBuilder(seed, (3, size, size), padding)
    x = net.conv(net.input, int(32 * width), 3, 2, clamp=(0.0, 6.0))
    for base, stride in V1_BLOCKS:
        x = net.depthwise(x, 3, stride, clamp=(0.0, 6.0))
        x = net.conv(x, int(base * width), 1, clamp=(0.0, 6.0))
    return net.finish(net.dense(net.flatten(net.pool(x)), classes))


class NetworkBuilder:
    """Write an ONNX network operator by operator; methods take and give tensor names.

    Weights are normal with a variance that keeps activations about 1, or given. shapes: (channels, height, width).
    """

    def __init__(self, seed: int, input_shape: tuple[int, int, int], padding: Padding = "tf") -> None:
        # RandomState's stream is frozen by numpy, default_rng's is not
        self.random = np.random.RandomState(seed)
        self.input = "input"
        self.padding: Padding = padding
        self.shapes: dict[str, tuple[int, int, int]] = {self.input: input_shape}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def normal(self, shape: Sequence[int], deviation: float) -> FloatArray:
        return self.random.standard_normal(tuple(shape)) * deviation

    def node(self, op: str, inputs: Sequence[str], shape: tuple[int, int, int], **attributes: Any) -> str:
        """Any node with one output; its name and its output's are its op and number."""
        name = f"{op}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        self.shapes[name] = shape
        return name

    def constant(self, values: FloatArray | Sequence[float] | float) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def conv(
        self,
        x: str,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        clamp: tuple[float, float] | None = None,
        pads: tuple[int, int, int, int] | None = None,
        weights: FloatArray | None = None,
        bias: FloatArray | None = None,
    ) -> str:
        """Convolution; weights (out, in, kernel, kernel), bias (out,), pads (top, left, bottom, right)."""
        inputs = self.shapes[x][0]
        if weights is None:
            gain = 2.0 if clamp else 1.0
            weights = self.normal((channels, inputs, kernel, kernel), (gain / (inputs * kernel**2)) ** 0.5)
        return self._windowed(x, channels, kernel, stride, clamp, pads, weights, bias, group=1)

    def depthwise(
        self,
        x: str,
        kernel: int = 3,
        stride: int = 1,
        clamp: tuple[float, float] | None = None,
        pads: tuple[int, int, int, int] | None = None,
        weights: FloatArray | None = None,
        bias: FloatArray | None = None,
    ) -> str:
        """Depthwise convolution; weights (channels, 1, kernel, kernel), otherwise as conv."""
        channels = self.shapes[x][0]
        if weights is None:
            weights = self.normal((channels, 1, kernel, kernel), (2.0 if clamp else 1.0) ** 0.5 / kernel)
        return self._windowed(x, channels, kernel, stride, clamp, pads, weights, bias, group=channels)

    def _windowed(
        self,
        x: str,
        channels: int,
        kernel: int,
        stride: int,
        clamp: tuple[float, float] | None,
        pads: tuple[int, int, int, int] | None,
        weights: FloatArray,
        bias: FloatArray | None,
        group: int,
    ) -> str:
        _, height, width = self.shapes[x]
        if pads is None:
            (top, bottom), (left, right) = (self._pad(length, kernel, stride) for length in (height, width))
            pads = (top, left, bottom, right)
        shape = (
            channels,
            (height + pads[0] + pads[2] - kernel) // stride + 1,
            (width + pads[1] + pads[3] - kernel) // stride + 1,
        )
        constants = [self.constant(weights), self.constant(self.normal((channels,), 0.1) if bias is None else bias)]
        made = self.node(
            "Conv",
            [x, *constants],
            shape,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=pads,
            group=group,
        )
        return made if clamp is None else self.clip(made, *clamp)

    def _pad(self, length: int, kernel: int, stride: int) -> tuple[int, int]:
        if self.padding == "valid":
            return 0, 0
        if self.padding == "torch":
            return kernel // 2, kernel // 2
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        return total // 2, total - total // 2

    def inverted_residual(self, x: str, expansion: int, channels: int, stride: int) -> str:
        """Expand, depthwise, project, and the shortcut where shapes allow."""
        inputs = self.shapes[x][0]
        inner = x if expansion == 1 else self.conv(x, inputs * expansion, 1, clamp=(0.0, 6.0))
        inner = self.conv(self.depthwise(inner, 3, stride, clamp=(0.0, 6.0)), channels, 1)
        return self.add(x, inner) if stride == 1 and channels == inputs else inner

    def clip(self, x: str, low: float, high: float) -> str:
        """Clip; an infinite bound is left out."""
        bounds = [self.constant(bound) if np.isfinite(bound) else "" for bound in (low, high)]
        return self.node("Clip", [x, *bounds[: 2 if bounds[1] else 1]], self.shapes[x])

    def add(self, a: str, b: str) -> str:
        return self.node("Add", [a, b], self.shapes[a])

    def pool(self, x: str) -> str:
        return self.node("GlobalAveragePool", [x], (self.shapes[x][0], 1, 1))

    def flatten(self, x: str) -> str:
        channels, height, width = self.shapes[x]
        return self.node("Flatten", [x], (channels * height * width, 1, 1), axis=1)

    def dense(self, x: str, outputs: int, weights: FloatArray | None = None, bias: FloatArray | None = None) -> str:
        """Gemm on a flattened tensor; weights (out, in)."""
        inputs = self.shapes[x][0]
        if weights is None:
            weights = self.normal((outputs, inputs), inputs**-0.5)
        constants = [self.constant(weights), self.constant(self.normal((outputs,), 0.1) if bias is None else bias)]
        return self.node("Gemm", [x, *constants], (outputs, 1, 1), transB=1)

    def softmax(self, x: str) -> str:
        return self.node("Softmax", [x], self.shapes[x], axis=1)

    def finish(self, output: str) -> onnx.ModelProto:
        """The model: input (1, channels, height, width), output (1, classes), a vector."""
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info(self.input, TensorProto.FLOAT, [1, *self.shapes[self.input]])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, self.shapes[output][0]])],
            self._constants,
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="linnet")
        onnx.checker.check_model(model, full_check=True)
        return model

"""Small seeded networks that make quantization hard, each a function that returns an ONNX model.

Inputs are (1, channels, height, width) float32, meant to be fed values of about -1 to 1; outputs are 10 logits unless
said otherwise. NETWORKS maps a name to each function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from linnet_converter.arch import NetworkBuilder
from linnet_converter.graph import FloatArray

RELU6 = (0.0, 6.0)
RELU = (0.0, float("inf"))
CLASSES = 10


def _head(net: NetworkBuilder, x: str) -> onnx.ModelProto:
    return net.finish(net.dense(net.flatten(net.pool(x)), CLASSES))


def wide_channel_ranges() -> onnx.ModelProto:
    """Weights and biases of neighbouring channels differ by up to three decades, in every kind of convolution."""
    net = NetworkBuilder(1, (3, 24, 24))
    spread = np.logspace(-2, 1, 16)
    x = net.conv(net.input, 16, 3, 2, RELU, weights=net.normal((16, 3, 3, 3), 0.3) * spread[:, None, None, None])
    x = net.depthwise(x, 3, 1, RELU, weights=net.normal((16, 1, 3, 3), 0.4) * spread[::-1, None, None, None])
    x = net.conv(x, 24, 1, weights=net.normal((24, 16, 1, 1), 0.3) * np.logspace(-1.5, 1.5, 24)[:, None, None, None])
    return _head(net, net.inverted_residual(x, 6, 24, 1))


def dead_channels() -> onnx.ModelProto:
    """Channels whose weights are all zero or tiny, with and without a bias, in each kind of convolution."""
    net = NetworkBuilder(2, (3, 20, 20))

    def kill(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        bias = net.normal((weights.shape[0],), 0.2)
        weights[0:2], weights[2:4] = 0.0, 1e-13
        bias[0:4] = 0.0, 1.5, 0.0, -1.5
        weights[4], bias[4] = 1e-13, 3.0
        weights[5], bias[5] = 1e-6, 5.0
        return weights, bias

    weights, bias = kill(net.normal((12, 3, 3, 3), 0.3))
    x = net.conv(net.input, 12, 3, 2, RELU6, weights=weights, bias=bias)
    weights, bias = kill(net.normal((12, 1, 3, 3), 0.4))
    x = net.depthwise(x, 3, 1, RELU6, weights=weights, bias=bias)
    weights, bias = kill(net.normal((16, 12, 1, 1), 0.4))
    x = net.conv(x, 16, 1, weights=weights, bias=bias)
    x = net.flatten(net.pool(net.inverted_residual(x, 2, 16, 1)))
    weights, bias = kill(net.normal((CLASSES, 16), 0.4))
    return net.finish(net.dense(x, CLASSES, weights, bias))


def zero_activations() -> onnx.ModelProto:
    """A ReLU whose bias is so negative that its tensor is always zero: a calibrated range of nothing, twice."""
    net = NetworkBuilder(3, (3, 16, 16))
    x = net.conv(net.input, 8, 3, 2, RELU6)
    dead = net.conv(x, 16, 1, clamp=RELU6, bias=np.full(16, -1e3))
    dead = net.depthwise(dead, 3, 1, RELU6, bias=np.full(16, -1.0))
    x = net.add(x, net.conv(dead, 8, 1, bias=np.zeros(8)))
    return _head(net, net.conv(x, 12, 1, clamp=RELU))


def all_zero_network() -> onnx.ModelProto:
    """Weights of zero everywhere: the answer is the last bias."""
    net = NetworkBuilder(4, (3, 8, 8))
    x = net.conv(net.input, 8, 3, 1, RELU6, weights=np.zeros((8, 3, 3, 3)), bias=np.zeros(8))
    return net.finish(net.dense(net.flatten(net.pool(x)), CLASSES, weights=np.zeros((CLASSES, 8))))


def _residual(seed: int, factor: float) -> onnx.ModelProto:
    net = NetworkBuilder(seed, (3, 24, 24))
    x = net.conv(net.conv(net.input, 12, 3, 2, RELU6), 12, 1)
    for _ in range(2):
        inner = net.depthwise(net.conv(x, 36, 1, clamp=RELU6), 3, 1, RELU6)
        x = net.add(x, net.conv(inner, 12, 1, weights=net.normal((12, 36, 1, 1), 0.2 * factor), bias=np.zeros(12)))
    return _head(net, x)


def small_branch() -> onnx.ModelProto:
    """Residual branches 50 times smaller than their shortcuts."""
    return _residual(5, 0.02)


def large_branch() -> onnx.ModelProto:
    """Residual branches 50 times larger than their shortcuts: the shortcut is near one output step."""
    return _residual(6, 50.0)


def ratios_over_a_half() -> onnx.ModelProto:
    """Outputs with a range far smaller than input times weights: requantization ratios from 0.5 to far over 1."""
    net = NetworkBuilder(7, (3, 20, 20))
    x = net.conv(net.input, 8, 3, 2, (0.0, 0.02))
    # large weights into a narrow clamp: one step of the sum is many steps of the output
    x = net.conv(x, 16, 1, clamp=(-0.001, 0.001), weights=net.normal((16, 8, 1, 1), 3.0), bias=np.zeros(16))
    x = net.depthwise(x, 3, 1, (0.0, 0.0005), weights=net.normal((16, 1, 3, 3), 2.0), bias=np.zeros(16))
    x = net.conv(x, 16, 1, weights=net.normal((16, 16, 1, 1), 500.0), bias=np.zeros(16))
    return _head(net, net.conv(x, 16, 3, 1, RELU))


def cancelling_sums() -> onnx.ModelProto:
    """Pairs of opposite weights over equal channels: the output is a small difference of large products."""
    net = NetworkBuilder(8, (3, 16, 16))
    half = net.normal((8, 3, 3, 3), 0.3)
    x = net.conv(net.input, 16, 3, 2, RELU6, weights=np.concatenate([half, half]), bias=np.full(16, 0.5))
    weights = net.normal((12, 8, 1, 1), 2.0)
    difference = np.concatenate([weights, -weights + net.normal(weights.shape, 0.01)], axis=1)
    return _head(net, net.conv(net.conv(x, 12, 1, weights=difference, bias=np.zeros(12)), 16, 3, 1, RELU))


def large_depthwise() -> onnx.ModelProto:
    """5x5 and 7x7 depthwise convolutions, stride 1 and 2, the last as large as its map."""
    net = NetworkBuilder(9, (3, 28, 28))
    x = net.conv(net.input, 8, 3, 2, RELU6)
    x = net.conv(net.depthwise(x, 5, 1, RELU6), 16, 1)
    x = net.conv(net.depthwise(x, 5, 2, RELU6), 16, 1)
    x = net.depthwise(x, 7, 1, RELU, pads=(0, 0, 0, 0))
    return net.finish(net.dense(net.flatten(x), CLASSES))


def stride_2_paddings() -> onnx.ModelProto:
    """Stride 2 with every placement of padding, on odd and even maps, ordinary and depthwise."""
    net = NetworkBuilder(10, (3, 47, 42))
    x = net.conv(net.input, 8, 3, 2, RELU6, pads=(0, 1, 1, 0))
    x = net.depthwise(x, 3, 2, RELU6, pads=(1, 1, 1, 1))
    x = net.conv(x, 12, 3, 1, RELU6, pads=(1, 0, 0, 1))
    x = net.depthwise(x, 3, 2, RELU6, pads=(0, 0, 1, 1))
    x = net.depthwise(x, 5, 1, RELU6, pads=(2, 2, 2, 2))
    x = net.conv(x, 16, 3, 2, RELU6, pads=(1, 1, 0, 0))
    return _head(net, x)


def odd_sizes() -> onnx.ModelProto:
    """Odd, unequal height and width, channel counts that are no multiple of anything, TensorFlow padding."""
    net = NetworkBuilder(11, (3, 37, 21))
    x = net.conv(net.input, 7, 3, 2, RELU6)
    x = net.inverted_residual(x, 3, 7, 1)
    x = net.inverted_residual(x, 5, 13, 2)
    x = net.inverted_residual(x, 3, 13, 1)
    return _head(net, net.conv(x, 19, 1, clamp=RELU6))


def torch_padding() -> onnx.ModelProto:
    """Padding all around on stride 2, even size: the bottom and right padding is never read."""
    net = NetworkBuilder(12, (3, 32, 32), "torch")
    x = net.inverted_residual(net.conv(net.input, 8, 3, 2, RELU6), 6, 12, 2)
    return _head(net, net.inverted_residual(x, 6, 12, 1))


def valid_padding() -> onnx.ModelProto:
    """No padding anywhere; the last rows and columns of some maps are not read."""
    net = NetworkBuilder(13, (3, 30, 31), "valid")
    x = net.conv(net.input, 8, 3, 2, RELU6)
    x = net.conv(net.depthwise(x, 3, 2, RELU6), 12, 1)
    return _head(net, net.conv(net.depthwise(x, 3, 1, RELU), 12, 1))


def full_convolutions() -> onnx.ModelProto:
    """Ordinary 3x3 and 5x5 convolutions amid the network, with a zero point that is not at the end of the range."""
    net = NetworkBuilder(14, (3, 20, 20))
    x = net.conv(net.conv(net.input, 8, 3, 1, RELU6), 12, 1)
    x = net.conv(x, 12, 3, 2, RELU6)
    x = net.conv(net.conv(x, 8, 5, 1), 8, 3, 1, (-1.0, 1.0))
    return _head(net, x)


def add_then_relu() -> onnx.ModelProto:
    """ResNet's order: the activation follows the addition; and an addition of two branches, neither a shortcut."""
    net = NetworkBuilder(15, (3, 20, 20))
    x = net.conv(net.input, 12, 3, 2, RELU)
    x = net.clip(net.add(net.conv(net.conv(x, 12, 3, 1, RELU), 12, 3), x), *RELU)
    left, right = net.conv(x, 16, 1), net.conv(net.depthwise(x, 3, 1, RELU6), 16, 1)
    return _head(net, net.clip(net.add(left, right), *RELU6))


def chained_adds() -> onnx.ModelProto:
    """Additions whose operands are additions, a tensor read three times, and one added to itself."""
    net = NetworkBuilder(16, (3, 16, 16))
    x = net.conv(net.conv(net.input, 8, 3, 2, RELU6), 8, 1)
    first = net.add(x, net.conv(x, 8, 1))
    second = net.add(first, net.conv(first, 8, 3))
    third = net.add(first, second)
    return _head(net, net.conv(net.add(third, third), 12, 1, clamp=RELU6))


def hidden_dense() -> onnx.ModelProto:
    """Dense layers with ReLU between the pool and the logits, ending in a softmax."""
    net = NetworkBuilder(17, (3, 16, 16))
    x = net.flatten(net.pool(net.conv(net.conv(net.input, 8, 3, 2, RELU6), 24, 1, clamp=RELU6)))
    x = net.clip(net.dense(x, 32), *RELU)
    x = net.clip(net.dense(x, 17), *RELU6)
    return net.finish(net.softmax(net.dense(x, CLASSES)))


def flattened_map() -> onnx.ModelProto:
    """No pooling: a dense layer over a map of 4x5 pixels."""
    net = NetworkBuilder(18, (3, 16, 20))
    x = net.conv(net.depthwise(net.conv(net.input, 8, 3, 2, RELU6), 3, 2, RELU6), 6, 1)
    return net.finish(net.dense(net.flatten(x), CLASSES))


def one_channel() -> onnx.ModelProto:
    """A grey picture."""
    net = NetworkBuilder(19, (1, 28, 28))
    x = net.inverted_residual(net.conv(net.input, 8, 3, 2, RELU6), 4, 12, 2)
    return _head(net, net.inverted_residual(x, 4, 12, 1))


def depthwise_first() -> onnx.ModelProto:
    """A depthwise convolution reads the picture."""
    net = NetworkBuilder(20, (3, 24, 24))
    x = net.conv(net.depthwise(net.input, 3, 2, RELU6), 12, 1, clamp=RELU6)
    return _head(net, net.inverted_residual(x, 4, 12, 1))


def pointwise_first() -> onnx.ModelProto:
    """A 1x1 convolution reads the picture, and a 1x1 convolution of stride 2 follows."""
    net = NetworkBuilder(21, (3, 17, 18))
    x = net.conv(net.conv(net.input, 8, 1, clamp=RELU6), 12, 1, 2)
    return _head(net, net.conv(net.depthwise(x, 3, 1, RELU), 12, 1))


def shortcut_from_input() -> onnx.ModelProto:
    """The picture itself is a shortcut."""
    net = NetworkBuilder(22, (3, 16, 16))
    x = net.add(net.conv(net.input, 3, 3), net.input)
    return _head(net, net.conv(x, 12, 3, 2, RELU6))


def large_biases() -> onnx.ModelProto:
    """Biases a thousand times the weighted sums, cancelled in the next layer."""
    net = NetworkBuilder(23, (3, 16, 16))
    bias = net.normal((8,), 300.0)
    x = net.conv(net.input, 8, 3, 2, bias=bias)
    weights = net.normal((12, 8, 1, 1), 0.3)
    x = net.conv(x, 12, 1, clamp=RELU6, weights=weights, bias=net.normal((12,), 0.5) - weights[:, :, 0, 0] @ bias)
    return _head(net, net.conv(x, 12, 3, 1, RELU))


def clamps_of_every_kind() -> onnx.ModelProto:
    """Bounds that are negative, positive, one-sided, and an interval without zero."""
    net = NetworkBuilder(24, (3, 16, 16))
    x = net.conv(net.input, 8, 3, 2, (-1.0, float("inf")))
    x = net.conv(net.depthwise(x, 3, 1, (-float("inf"), 0.5)), 12, 1, clamp=(0.25, 2.0))
    x = net.clip(net.pool(net.conv(x, 12, 3, 1, (-2.0, -0.125))), -1.0, 0.0)
    return net.finish(net.dense(net.flatten(x), CLASSES))


def tiny_maps() -> onnx.ModelProto:
    """Maps of one pixel, where 3x3 kernels read padding almost only."""
    net = NetworkBuilder(25, (3, 5, 4))
    x = net.conv(net.input, 8, 3, 2, RELU6)
    x = net.inverted_residual(x, 4, 8, 2)
    x = net.inverted_residual(net.inverted_residual(x, 4, 8, 2), 4, 8, 1)
    return _head(net, net.conv(x, 12, 3, 1, RELU6))


def wide_logits() -> onnx.ModelProto:
    """1001 logits of very different sizes; most are far below one step of an 8-bit scale over them all."""
    net = NetworkBuilder(26, (3, 16, 16))
    x = net.flatten(net.pool(net.conv(net.conv(net.input, 8, 3, 2, RELU6), 32, 1, clamp=RELU6)))
    weights = net.normal((1001, 32), 0.3) * np.logspace(-3, 1, 1001)[:, None]
    return net.finish(net.softmax(net.dense(x, 1001, weights)))


NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    make.__name__: make
    for make in (
        wide_channel_ranges,
        dead_channels,
        zero_activations,
        all_zero_network,
        small_branch,
        large_branch,
        ratios_over_a_half,
        cancelling_sums,
        large_depthwise,
        stride_2_paddings,
        odd_sizes,
        torch_padding,
        valid_padding,
        full_convolutions,
        add_then_relu,
        chained_adds,
        hidden_dense,
        flattened_map,
        one_channel,
        depthwise_first,
        pointwise_first,
        shortcut_from_input,
        large_biases,
        clamps_of_every_kind,
        tiny_maps,
        wide_logits,
    )
}

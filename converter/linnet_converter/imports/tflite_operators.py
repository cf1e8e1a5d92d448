"""TFLite operators: which become operators of the graph, which only change what a tensor is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from linnet_converter.graph import Add, Clamp, Conv, GlobalAveragePool, Softmax

from .tflite_file import TfliteOperator
from .tflite_walk import ACTIVATIONS, CONVERT_AGAIN, FULL_INTEGER, READS, TfliteWalk, Value, grid

Handler = Callable[[TfliteWalk, TfliteOperator], None]


def _fully_connected(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator)
    shape = walk.shapes[value.tensor]
    matrix, steps = walk.weights(operator, channel_axis=0)
    if (
        operator.options.get("WeightsFormat", 0)
        or matrix.ndim != 2
        or matrix.shape[1] != shape[0] * shape[1] * shape[2]
    ):
        operator.fail(f"its weights {matrix.shape} do not fit a tensor {shape}", READS)
    weights = matrix.reshape(-1, *shape)
    bias = walk.bias(operator, steps * walk.grids[value.tensor].scale)
    node = Conv("", value.tensor, "", weights, bias, activation=walk.activation(operator))
    walk.emit(operator, node, (1, 1, len(weights)), grid(walk.output(operator)))
    walk.set_steps(operator, steps)


def _add(walk: TfliteWalk, operator: TfliteOperator) -> None:
    first, second = walk.value(operator, 0), walk.value(operator, 1)
    shape = walk.shapes[first.tensor]
    if walk.shapes[second.tensor] != shape:
        operator.fail(f"adds {shape} and {walk.shapes[second.tensor]}", "add tensors of the same shape")
    node = Add("", (first.tensor, second.tensor), "", walk.activation(operator))
    walk.emit(operator, node, shape, grid(walk.output(operator)))


def _pad(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator, padded=True)
    given, fill = walk.constant(operator, 1), walk.constant(operator, 2)
    if given is None or given.data is None or given.data.shape != (4, 2) or given.data.min() < 0:
        operator.fail("its paddings are not four pairs of 0 or more", READS)
    if fill is not None and fill.data is not None and np.any(fill.data != fill.zero_points[:1]):
        operator.fail("pads with other than zero", "pad with zeros")
    widths = given.data.astype(int)
    if widths[[0, 3]].any():
        operator.fail(f"pads {widths.tolist()}", "pad height and width only")
    if grid(walk.output(operator)) != walk.grids[value.tensor]:
        operator.fail("its output has another scale than its input", CONVERT_AGAIN)
    more = (widths[1, 0], widths[2, 0], widths[1, 1], widths[2, 1])
    pads = [int(a + b) for a, b in zip(value.pads, more, strict=True)]
    walk.forward(operator, replace(value, pads=(pads[0], pads[1], pads[2], pads[3])))


def _average_pool(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator)
    shape = walk.shapes[value.tensor]
    window = operator.options.get("FilterHeight", 0), operator.options.get("FilterWidth", 0)
    if window != shape[:2] or int(np.prod(walk.output(operator).shape)) != shape[2]:
        operator.fail(
            f"its window {window} is not the whole map {shape[:2]}", "only global average pooling is supported"
        )
    _pool(walk, operator, value)


def _mean(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator)
    given = walk.constant(operator, 1)
    axes = (
        sorted({int(axis) % 4 for axis in given.data.ravel()}) if given is not None and given.data is not None else []
    )
    if axes != [1, 2] or len(walk.file.tensors[operator.inputs[0]].shape) != 4:
        operator.fail(f"averages over the axes {axes}", "only the mean over height and width is supported")
    _pool(walk, operator, value)


def _pool(walk: TfliteWalk, operator: TfliteOperator, value: Value) -> None:
    node = GlobalAveragePool("", value.tensor, "", walk.activation(operator))
    channels = walk.shapes[value.tensor][2]
    walk.emit(operator, node, (1, 1, channels), grid(walk.output(operator)))


def _softmax(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator)
    shape = walk.shapes[value.tensor]
    if operator.options.get("Beta", 1.0) != 1.0 or shape[:2] != (1, 1):
        operator.fail(f"beta {operator.options.get('Beta', 1.0)}, shape {shape}", "Softmax must be over class scores")
    walk.logits = walk.file.tensors[operator.inputs[0]].name
    walk.emit(operator, Softmax("", value.tensor, ""), shape, None)


def _reshape(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator)
    shape, made = walk.shapes[value.tensor], walk.output(operator).shape
    # the order of the elements stays, so a vector is the map read row by row
    if int(np.prod(made)) != int(np.prod(shape)) or (made[1:] != shape and max(made, default=1) != int(np.prod(made))):
        operator.fail(f"makes {made} of {shape}", "reshape only to flatten a map or a vector")
    walk.forward(operator, value)


def _quantize(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator, padded=True)
    if value.has_softmax or walk.output(operator).index == walk.file.output:
        walk.forward(operator, value)
        return
    made = grid(walk.output(operator))
    if value.tensor not in walk.grids:  # a float input
        walk.grids[value.tensor] = made
    if walk.grids[value.tensor] == made:
        walk.forward(operator, value)
    else:
        walk.requantize(operator, value, made, Clamp())


def _dequantize(walk: TfliteWalk, operator: TfliteOperator) -> None:
    value = walk.value(operator)
    if walk.output(operator).index != walk.file.output and not value.has_softmax:
        operator.fail("part of the network is float", FULL_INTEGER)
    walk.forward(operator, value)


def _activation(activation: Clamp) -> Handler:
    def apply(walk: TfliteWalk, operator: TfliteOperator) -> None:
        value = walk.value(operator)
        walk.requantize(operator, value, grid(walk.output(operator)), activation)

    return apply


def _convolution(depthwise: bool) -> Handler:
    return lambda walk, operator: walk.convolve(operator, depthwise)


HANDLERS: dict[str, Handler] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average_pool,
    "CONV_2D": _convolution(False),
    "DEPTHWISE_CONV_2D": _convolution(True),
    "DEQUANTIZE": _dequantize,
    "FULLY_CONNECTED": _fully_connected,
    "MEAN": _mean,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _quantize,
    "RELU": _activation(ACTIVATIONS[1]),
    "RELU6": _activation(ACTIVATIONS[3]),
    "RELU_N1_TO_1": _activation(ACTIVATIONS[2]),
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SQUEEZE": _reshape,
}

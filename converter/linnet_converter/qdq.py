"""The quantized network as QDQ ONNX: its twin in the field's own notation, which onnxruntime can run.

Every int8 tensor is a QuantizeLinear/DequantizeLinear pair with Linnet's scales; weights and biases are the very
integers of the .lnt file behind DequantizeLinear. In real arithmetic the twin computes what the law computes; it rounds
requantization factors and residual sums less, so single operators may differ by one step (docs/numerics.md).

The input is pixel - 128 as int8, NCHW (or the int8 input tensor); the output is float.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from linnet.format_gen import DType, OpKind

from .qgraph import QGraph, QOp, QTensor

OPSET = 17
IR_VERSION = 8


class Builder:
    """Collects nodes and initializers."""

    def __init__(self, graph: QGraph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: npt.NDArray[np.generic] | np.generic) -> str:
        self.initializers[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{output}:{kind}", **attributes))
        return output

    def _parameters(self, tensor: QTensor) -> tuple[str, str]:
        return (
            self.constant(f"{tensor.name}:scale", np.float32(tensor.scale)),
            self.constant(f"{tensor.name}:zero_point", np.int8(tensor.zero_point)),
        )

    def dequantized(self, tensor: QTensor, stored: str) -> str:
        """The real values of an int8 tensor, under the tensor's own name."""
        return self.node("DequantizeLinear", [stored, *self._parameters(tensor)], tensor.name)

    def quantized(self, tensor: QTensor, real: str) -> str:
        """Quantize real values; QuantizeLinear saturates, tighter clamps have been applied before."""
        return self.node("QuantizeLinear", [real, *self._parameters(tensor)], f"{tensor.name}:int8")

    def weights(self, op: QOp, layout: npt.NDArray[np.int8], scales: npt.NDArray[np.float64]) -> str:
        name = f"{op.name}:weights"
        self.constant(f"{name}:int8", layout)
        self.constant(f"{name}:scale", scales.astype(np.float32))
        self.constant(f"{name}:zero_point", np.zeros(len(scales), np.int8))
        return self.node("DequantizeLinear", [f"{name}:int8", f"{name}:scale", f"{name}:zero_point"], name, axis=0)

    def bias(self, op: QOp, values: npt.NDArray[np.int64], scales: npt.NDArray[np.float64]) -> str:
        name = f"{op.name}:bias"
        self.constant(f"{name}:int32", values.astype(np.int32))
        self.constant(f"{name}:scale", scales.astype(np.float32))
        return self.node("DequantizeLinear", [f"{name}:int32", f"{name}:scale"], name, axis=0)


def clamped(builder: Builder, op: QOp, out: QTensor, real: str) -> str:
    """Apply the operator's clamp where it is tighter than int8."""
    if op.clamp == (-128, 127):
        return real
    low, high = ((limit - out.zero_point) * out.scale for limit in op.clamp)
    low = -3.0e38 if op.clamp[0] == -128 else low
    high = 3.0e38 if op.clamp[1] == 127 else high
    bounds = [
        builder.constant(f"{op.name}:low", np.float32(low)),
        builder.constant(f"{op.name}:high", np.float32(high)),
    ]
    return builder.node("Clip", [real, *bounds], f"{op.name}:clipped")


def weight_scales(graph: QGraph, op: QOp) -> npt.NDArray[np.float64]:
    """The scale of each output channel's weights, from the multipliers: what the integers stand for."""
    assert op.multiplier is not None
    fraction = 6 if len(op.inputs) > 1 else 0
    ratio = op.multiplier.astype(np.float64) / 2.0 ** (31 - op.shift + fraction)
    return ratio * graph.tensors[op.output].scale / graph.tensors[op.inputs[0]].scale


def _convolution(builder: Builder, op: QOp, out: QTensor) -> str:
    assert op.weights is not None and op.bias is not None
    graph, source = builder.graph, builder.graph.tensors[op.inputs[0]]
    scales = weight_scales(graph, op)
    if op.kind == OpKind.depthwise:
        layout = op.weights.transpose(2, 0, 1)[:, None]
    elif op.kind == OpKind.conv:
        layout = op.weights.transpose(0, 3, 1, 2)
    else:
        layout = op.weights[:, :, None, None]
    wide = layout.astype(np.int64)
    # the file's bias holds -zero_in * sum(w), which dequantized inputs bring by themselves
    bias = op.bias + source.zero_point * wide.sum(axis=(1, 2, 3))
    x = source.name
    if op.pad_values is not None and np.any(op.pad_values != source.zero_point):
        # Conv pads with real zero: shift each channel so that its pad value is zero, and make up for it in the bias
        border = op.pad_values.astype(np.int64) - source.zero_point
        bias = bias + np.einsum("oihw,i->o", wide, border)
        shift = builder.constant(f"{op.name}:border", (border * source.scale).astype(np.float32)[None, :, None, None])
        x = builder.node("Sub", [x, shift], f"{op.name}:shifted")
    height, width, channels = out.shape
    bottom = (height - 1) * op.stride[0] + op.kernel[0] - op.pad[0] - source.shape[0]
    right = (width - 1) * op.stride[1] + op.kernel[1] - op.pad[1] - source.shape[1]
    real_scales = scales * source.scale
    return builder.node(
        "Conv",
        [x, builder.weights(op, layout, scales), builder.bias(op, bias, real_scales)],
        f"{op.name}:real",
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=[op.pad[0], op.pad[1], max(bottom, 0), max(right, 0)],
        group=channels if op.kind == OpKind.depthwise else 1,
    )


def operator(builder: Builder, op: QOp) -> str:
    """Nodes of one operator, from dequantized inputs to a real output before its QuantizeLinear."""
    out = builder.graph.tensors[op.output]
    inputs = [builder.graph.tensors[i].name for i in op.inputs]
    if op.kind == OpKind.softmax:
        return builder.node("Softmax", inputs, f"{op.name}:real", axis=1)
    if op.kind == OpKind.avg_pool:
        return builder.node("GlobalAveragePool", inputs, f"{op.name}:real")
    if op.kind == OpKind.add:
        return builder.node("Add", inputs, f"{op.name}:real")
    real = _convolution(builder, op, out)
    return builder.node("Add", [real, inputs[1]], f"{op.name}:sum") if len(inputs) > 1 else real


def to_onnx(graph: QGraph, only: int | None = None) -> onnx.ModelProto:
    """The QDQ twin of the whole network, or of operator `only` alone (its inputs and output as stored).

    Whole: input int8 NCHW named like the network's input + ":int8", output the real logits or probabilities.
    One operator: int8 (or, for softmax, real) inputs and an int8 (or real) output.
    """
    builder = Builder(graph)
    ops = graph.ops[1:] if only is None else (graph.ops[only],)
    entering = [graph.ops[0].output] if only is None else list(dict.fromkeys(ops[0].inputs))
    feeds = []
    for index in entering:
        tensor = graph.tensors[index]
        height, width, channels = tensor.shape
        stored = tensor.dtype == DType.int8
        name = f"{tensor.name}:int8" if stored else tensor.name
        kind = TensorProto.INT8 if stored else TensorProto.FLOAT
        feeds.append(helper.make_tensor_value_info(name, kind, [1, channels, height, width]))
        if stored:
            builder.dequantized(tensor, name)
    result = ""
    for op in ops:
        out = graph.tensors[op.output]
        real = operator(builder, op)
        if out.dtype == DType.int32:
            result = builder.node("Identity", [real], out.name)
            continue
        result = builder.quantized(out, clamped(builder, op, out, real))
        if only is None:
            result = builder.dequantized(out, result)
    last = graph.tensors[ops[-1].output]
    stored = only is not None and last.dtype == DType.int8
    shape = [1, last.shape[2], last.shape[0], last.shape[1]]
    answer = helper.make_tensor_value_info(result, TensorProto.INT8 if stored else TensorProto.FLOAT, shape)
    model = helper.make_model(
        helper.make_graph(builder.nodes, "linnet_qdq", feeds, [answer], list(builder.initializers.values())),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="linnet",
    )
    onnx.checker.check_model(model)
    return model

"""A network of which some operators are int8 and the others float, as ONNX: what one layer's quantization does.

Int8 operators compute what the .lnt file's integers stand for, as in qdq.py; float ones are the float graph's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from linnet.format_gen import DType, OpKind

from . import float_model, qdq, quantize, side_by_side
from .graph import Graph, Node
from .qgraph import QGraph
from .quantize import Preprocessing
from .side_by_side import stands_for

Part = Literal["both", "weights", "outputs"]

PIXELS = "linnet.pixels"
"""Name of the input: pixel - 128 as float32, (1, channels, height, width)."""


def unrounded(quantized: QGraph, op: int) -> str:
    """Name of an int8 operator's real result, ahead of clamp and rounding."""
    one = quantized.ops[op]
    return f"{one.name}:{'sum' if one.weights is not None and len(one.inputs) == 2 else 'real'}"


def beside(name: str) -> str:
    """Name of the float result of an int8 operator's float original, on the same inputs."""
    return f"{name}:float"


def to_onnx(
    graph: Graph, quantized: QGraph, int8: Collection[int], outputs: Sequence[str], part: Part = "both"
) -> onnx.ModelProto:
    """The network with the operators of index `int8` quantized: their weights and biases, their output, or both.

    graph: the float network of the same channel scales (equalize.rescale).  outputs: names of tensors of either
    network, of what `unrounded` and `beside` name.
    """
    source = quantized.ops[0].output
    tensors = list(quantized.tensors)
    tensors[source] = replace(tensors[source], name=PIXELS)
    named = replace(quantized, tensors=tuple(tensors))
    builder = qdq.Builder(named)
    floats: list[onnx.TensorProto] = []
    gain, shift = quantize.stored_input(graph, Preprocessing(quantized.mean, quantized.std))
    scaled = builder.node(
        "Mul", [PIXELS, builder.constant("linnet.gain", gain.astype(np.float32)[:, None, None])], "linnet.scaled"
    )
    builder.node(
        "Add", [scaled, builder.constant("linnet.shift", shift.astype(np.float32)[:, None, None])], graph.input
    )
    for index, op in enumerate(named.ops):
        out = named.tensors[op.output]
        if op.kind in (OpKind.input, OpKind.softmax):
            continue
        nodes = stands_for(graph, quantized, op)
        if index in int8:
            if beside(out.name) in outputs and nodes:
                nodes[-1] = replace(nodes[-1], output=beside(out.name))
                _floats(nodes, index, builder, floats)
            elif beside(out.name) in outputs:
                builder.node("Identity", [graph.input], beside(out.name))
            if part == "outputs":
                real = nodes[-1].output if nodes else graph.input
                if nodes and real == out.name:
                    real = beside(out.name)
                    nodes[-1] = replace(nodes[-1], output=real)
                _floats(nodes, index, builder, floats)
            else:
                real = qdq.operator(builder, op)
            if part == "weights":
                bounds = side_by_side.bounds(graph, quantized, op)
                low, high = (builder.constant(f"{op.name}:bound{i}", bound) for i, bound in enumerate(bounds))
                builder.node("Min", [builder.node("Max", [real, low], f"{out.name}:raised"), high], out.name)
            elif out.dtype == DType.int32:
                builder.node("Identity", [real], out.name)
            else:
                builder.dequantized(out, builder.quantized(out, qdq.clamped(builder, op, out, real)))
            continue
        _floats(nodes, index, builder, floats)
        if not nodes:
            builder.node("Identity", [graph.input], out.name)
    height, width, channels = named.tensors[source].shape
    fed = helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, [1, channels, height, width])
    body = helper.make_graph(
        builder.nodes,
        "linnet_mixed",
        [fed],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in dict.fromkeys(outputs)],
        [*builder.initializers.values(), *floats],
    )
    opset = [helper.make_opsetid("", float_model.OPSET)]
    return helper.make_model(body, opset_imports=opset, ir_version=float_model.IR_VERSION, producer_name="linnet")


def _floats(nodes: Sequence[Node], index: int, builder: qdq.Builder, constants: list[onnx.TensorProto]) -> None:
    for number, node in enumerate(nodes):
        float_model.append_nodes(node, f"linnet.{index}.{number}", builder.nodes, constants)

"""A Graph as a float ONNX network: what calibration runs, and the proof that folding changed nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from linnet_converter.graph import Add, Clamp, Conv, FloatArray, GlobalAveragePool, Graph, Node
from linnet_converter.onnx_file import load_model

OPSET = 17
IR_VERSION = 8


def to_onnx(graph: Graph, outputs: Sequence[str] | None = None) -> onnx.ModelProto:
    """The graph as ONNX, float32, every tensor (1, channels, height, width), activations as Clip nodes.

    The input is what the first operators see: feed * graph.input_scale + graph.input_shift.
    outputs: names of the graph's tensors to give, by default those of all nodes in their order.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    for number, node in enumerate(graph.nodes):
        append_nodes(node, f"linnet.{number}", nodes, constants)
    names = [node.output for node in graph.nodes] if outputs is None else list(outputs)
    body = helper.make_graph(
        nodes,
        "linnet",
        [_value_info(graph, graph.input)],
        [_value_info(graph, name) for name in names],
        constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(body, opset_imports=opset, ir_version=IR_VERSION, producer_name="linnet")


def _value_info(graph: Graph, name: str) -> onnx.ValueInfoProto:
    height, width, channels = graph.shapes[name]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, height, width])


def append_nodes(node: Node, prefix: str, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> None:
    """Add a node and its activation as ONNX; names of what has none in the graph start with prefix."""

    def constant(name: str, values: FloatArray | float) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, np.float32), f"{prefix}.{name}"))
        return f"{prefix}.{name}"

    clamp = getattr(node, "activation", Clamp())
    target = node.output if clamp.is_identity else f"{prefix}.sum"
    if isinstance(node, Conv):
        weights = node.weights.transpose(3, 0, 1, 2) if node.depthwise else node.weights.transpose(0, 3, 1, 2)
        made = helper.make_node(
            "Conv",
            [node.input, constant("weights", weights), constant("bias", node.bias)],
            [target],
            node.name,
            strides=node.stride,
            pads=node.pads,
            group=weights.shape[0] if node.depthwise else 1,
        )
    elif isinstance(node, Add):
        made = helper.make_node("Add", node.inputs, [target], node.name)
    elif isinstance(node, GlobalAveragePool):
        made = helper.make_node("GlobalAveragePool", [node.input], [target], node.name)
    else:
        made = helper.make_node("Softmax", [node.input], [target], node.name, axis=1)
    nodes.append(made)
    if isinstance(node, Conv) and node.gain and clamp.high < math.inf:  # Clip's bounds are scalars
        cut = target if clamp.low == -math.inf else f"{prefix}.cut"
        if cut != target:
            nodes.append(helper.make_node("Clip", [target, constant("low", clamp.low)], [cut], f"{prefix}.clip"))
        highs = constant("highs", clamp.high * node.gain_of_channels[:, None, None])
        nodes.append(helper.make_node("Min", [cut, highs], [node.output], f"{prefix}.min"))
    elif not clamp.is_identity:
        low = constant("low", clamp.low) if clamp.low > -math.inf else ""
        bounds = [low, constant("high", clamp.high)] if clamp.high < math.inf else [low]
        nodes.append(helper.make_node("Clip", [target, *bounds], [node.output], f"{prefix}.clip"))


def session(model: onnx.ModelProto, optimize: bool = True) -> ort.InferenceSession:
    """An onnxruntime session on the processor, quiet."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # numpy works between the runs, and other programs beside them: threads that spin would take its processors
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # between quantized tensors onnxruntime would quantize float weights too, all with one scale
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def check_folding(path: str | Path, graph: Graph, feeds: int = 4, seed: int = 0) -> float:
    """Largest difference between a source file and the graph read from it, relative to the range of the values.

    Both run in onnxruntime on random pictures; the scores ahead of a softmax and the output are compared.
    """
    source = load_model(path)
    wanted = list(dict.fromkeys([graph.source_logits, source.graph.output[0].name]))
    if len(wanted) == 2:
        source.graph.output.insert(0, onnx.ValueInfoProto(name=wanted[0]))
    original = session(source, optimize=False)
    ours = [graph.logits, graph.output][: len(wanted)]
    folded = session(to_onnx(graph, list(dict.fromkeys(ours))), optimize=False)
    half = "float16" in original.get_inputs()[0].type
    double = "double" in original.get_inputs()[0].type
    dtype = np.float16 if half else np.float64 if double else np.float32

    expected: list[list[FloatArray]] = [[] for _ in wanted]
    found: list[list[FloatArray]] = [[] for _ in wanted]
    random = np.random.default_rng(seed)
    scale = np.where(graph.input_scale == 0, 1.0, graph.input_scale)
    for number in range(feeds):
        seen = random.normal(0.0, 0.5 * 2**number, (1, *graph.shapes[graph.input]))
        feed = ((seen - graph.input_shift) / scale).astype(dtype)
        seen = feed.astype(np.float64) * graph.input_scale + graph.input_shift
        placed = feed.transpose(0, 3, 1, 2) if graph.source_layout == "NCHW" else feed
        results = original.run(wanted, {graph.source_input: np.ascontiguousarray(placed)})
        folds = folded.run(ours, {graph.input: np.ascontiguousarray(seen.transpose(0, 3, 1, 2), np.float32)})
        for i in range(len(wanted)):
            expected[i].append(np.asarray(results[i], np.float64).ravel())
            found[i].append(np.asarray(folds[i], np.float64).ravel())
    return max(_relative_difference(np.stack(a), np.stack(b)) for a, b in zip(expected, found, strict=True))


def _relative_difference(expected: FloatArray, found: FloatArray) -> float:
    spread = float(np.ptp(expected)) or float(np.abs(expected).max()) or 1.0
    return float(np.abs(expected - found).max()) / spread

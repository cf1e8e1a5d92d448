"""The QDQ twin in onnxruntime against the oracle: each operator within one step on the same input."""

from __future__ import annotations

from typing import Any

import converted
import hard_networks
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import random_networks

from linnet.format_gen import DType, OpKind
from linnet_converter import oracle, qdq
from linnet_converter.qgraph import QGraph


def run_onnx(model: onnx.ModelProto, *inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The model's one output; inputs (height, width, channels) in the order of the model's."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {slot.name: x.transpose(2, 0, 1)[None] for slot, x in zip(session.get_inputs(), inputs, strict=True)}
    (output,) = session.run(None, feeds)
    answer: npt.NDArray[Any] = output[0].transpose(1, 2, 0)
    return answer


def differences(graph: QGraph, seed: int) -> list[tuple[str, float]]:
    """Per operator, the largest difference in steps (for logits and probabilities, see below) on the oracle's input."""
    values = oracle.run(graph, random_networks.picture(graph, seed))
    result = []
    for index, op in enumerate(graph.ops[1:], 1):
        out = graph.tensors[op.output]
        inputs = []
        for tensor in dict.fromkeys(op.inputs):
            stored = values[tensor]
            real = graph.tensors[tensor].dtype == DType.int32
            inputs.append((stored * graph.tensors[tensor].scale).astype(np.float32) if real else stored.astype(np.int8))
        twin = run_onnx(qdq.to_onnx(graph, only=index), *inputs)
        computed = values[op.output].astype(np.float64)
        reference = twin.astype(np.float64) / (out.scale if out.dtype == DType.int32 else 1)
        difference = float(np.abs(computed - reference).max())
        if op.kind == OpKind.fully_connected:  # float32 holds 24 bits of a logit
            difference /= max(1.0, float(np.abs(reference).max()) * 2**-23)
        if op.kind == OpKind.softmax:  # probabilities to 3e-5, and what float32 leaves of the twin's logits
            largest = float(np.abs(inputs[0]).max())
            difference /= (3e-5 + largest * 2**-23) * 2**30
        result.append((f"{op.kind.name} {op.name}", difference))
    return result


@pytest.mark.parametrize("name", sorted(hard_networks.NETWORKS))
def test_operators_within_one_step(name: str) -> None:
    graph = converted.hard(name).graph
    for seed in range(2):
        for operator, difference in differences(graph, seed):
            assert difference <= 1, f"{operator} differs by {difference} steps"


@pytest.mark.parametrize("name", sorted(hard_networks.NETWORKS))
def test_whole_twin_gives_the_same_answer(name: str) -> None:
    """End to end the twin drifts by single steps; its answer stays as close to Linnet's as int8 is to float."""
    graph = converted.hard(name).graph
    signal = error = 0.0
    for picture in converted.pictures(converted.hard(name).float_graph, 4, seed=2):
        entered = (picture.astype(np.int16) - 128).astype(np.int8)
        real = (oracle.run(graph, picture)[graph.ops[-1].output] - graph.output.zero_point) * graph.output.scale
        twin = run_onnx(qdq.to_onnx(graph), entered)
        signal += float((real**2).sum())
        error += float(((real - twin) ** 2).sum())
    assert error <= signal * 1e-2

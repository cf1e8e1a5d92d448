"""Old uint8 TFLite files, one weight scale per tensor, made from int8 files: no converter writes them any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest


def as_uint8(source: Path, target: Path, widen: float = 1.0) -> Path:
    """The network of an int8 file that takes uint8 pixels, as an old one.

    widen: one weight of each convolution is made so many times the largest, which leaves few integers to the others.
    """
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="pip install ai-edge-litert")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes(), 0))
    (graph,) = model.subgraphs
    quantize = schema.BuiltinOperator.QUANTIZE
    ends = [o for o in graph.operators if model.operatorCodes[o.opcodeIndex].builtinCode == quantize]
    graph.operators = [o for o in graph.operators if o not in ends]
    graph.inputs, graph.outputs = [ends[0].outputs[0]], [ends[1].inputs[0]]
    (signature,) = model.signatureDefs or (None,)
    if signature is not None:
        signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = graph.inputs[0], graph.outputs[0]
    for operator in graph.operators:
        weights = graph.tensors[operator.inputs[1]] if len(operator.inputs) > 2 else None
        if weights is not None and weights.type == schema.TensorType.INT8:
            _one_scale(model, graph, operator, widen)
    for tensor in graph.tensors:
        if tensor.type == schema.TensorType.INT8 and model.buffers[tensor.buffer].data is None:
            tensor.quantization.zeroPoint = [int(tensor.quantization.zeroPoint[0]) + 128]
        if tensor.type == schema.TensorType.INT8:
            tensor.type = schema.TensorType.UINT8
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target


def _one_scale(model: Any, graph: Any, operator: Any, widen: float) -> None:
    """Weights and bias of a convolution with a single scale and a zero point."""
    tensors: list[Any] = [graph.tensors[i] if i >= 0 else None for i in operator.inputs]
    read, weights, bias = tensors
    steps = np.asarray(weights.quantization.scale, np.float64)
    stored = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8).reshape(weights.shape)
    along = [1] * stored.ndim
    along[weights.quantization.quantizedDimension] = len(steps)
    real = stored * steps.reshape(along)
    real.ravel()[0] = np.abs(real).max() * widen
    low, high = min(real.min(), 0.0), real.max()
    step = np.float32((high - low) / 255)
    zero = int(np.rint(-low / step))
    model.buffers[weights.buffer].data = np.clip(np.rint(real / step) + zero, 0, 255).astype(np.uint8).ravel()
    weights.quantization.scale, weights.quantization.zeroPoint = [float(step)], [zero]
    weights.quantization.quantizedDimension = 0
    if bias is not None:
        unit = np.float64(read.quantization.scale[0]) * step
        sums = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
        sums = np.rint(sums * np.asarray(bias.quantization.scale, np.float64) / unit)
        model.buffers[bias.buffer].data = np.frombuffer(sums.astype(np.int32).tobytes(), np.uint8)
        bias.quantization.scale, bias.quantization.zeroPoint = [float(np.float32(unit))], [0]

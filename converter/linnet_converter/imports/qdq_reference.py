"""A QDQ ONNX file in onnxruntime, as it is written: what an import is held to.

onnxruntime's optimizer would replace the file's nodes by kernels of its own, some of which saturate between sums on
processors without VNNI; it is switched off.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from linnet.errors import LinnetError
from linnet_converter.onnx_file import load_model

from . import qdq_reader


class QdqReference:
    """Asked for the scores ahead of the final softmax, or for all tensors."""

    kind = "quantized"

    def __init__(
        self, path: str | Path, mean: tuple[float, ...], std: tuple[float, ...], all_tensors: bool = False
    ) -> None:
        """mean, std: per channel; the network is fed (pixel - mean) / std.  all_tensors: `tensors` will be asked."""
        self.network = qdq_reader.read(path)
        graph, proto = self.network.graph, load_model(path)
        produced = {output for node in proto.graph.node for output in node.output}
        self._kept = [name for name in graph.shapes if name in produced] if all_tensors else []
        given = {output.name for output in proto.graph.output}
        for name in dict.fromkeys((graph.source_logits, *self._kept)):
            if name not in given:
                proto.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise LinnetError(f"{path}: onnxruntime cannot open it: {' '.join(str(error).split())[:300]}") from error
        fed = next(i for i in self._session.get_inputs() if i.name == graph.source_input)
        self._type = {"tensor(double)": np.float64, "tensor(float16)": np.float16}.get(fed.type, np.float32)
        self._mean, self._std = np.array(mean, np.float64), np.array(std, np.float64)
        self._scores = _quantization(proto, graph.source_logits)
        self.shape = graph.shapes[graph.input]
        self.classes = math.prod(graph.shapes[graph.logits])

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """(classes,) of uint8 (height, width, channels)."""
        (answer,) = self._run(pixels, [self.network.graph.source_logits])
        scale, zero_point = self._scores
        real: npt.NDArray[np.float64] = (np.asarray(answer, np.float64).ravel() - zero_point) * scale
        return real

    def tensors(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.generic]]:
        """Every tensor of the graph that the file has, (height, width, channels), as the file stores it."""
        graph = self.network.graph
        found: dict[str, npt.NDArray[np.generic]] = {}
        for name, values in zip(self._kept, self._run(pixels, self._kept), strict=True):
            shape = graph.shapes[name]
            found[name] = values[0].transpose(1, 2, 0) if values.ndim == 4 else values.reshape(shape)
        found[graph.input] = self._fed(pixels)
        return found

    def _fed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
        """The input, (height, width, channels), on the file's grid."""
        graph, grid = self.network.graph, self.network.grids[self.network.graph.input]
        real = ((pixels.astype(np.float64) - self._mean) / self._std).astype(np.float32)
        real = (real * graph.input_scale + graph.input_shift).astype(np.float32)
        steps = np.rint(real / np.float32(grid.scale)) + grid.zero_point
        stored: npt.NDArray[np.int8] = np.clip(steps, -128, 127).astype(np.int8)
        return stored

    def _run(self, pixels: npt.NDArray[np.uint8], outputs: list[str]) -> list[npt.NDArray[np.generic]]:
        graph = self.network.graph
        if self.network.integer_input:
            kind = np.dtype(np.uint8 if "uint8" in self._session.get_inputs()[0].type else np.int8)
            fed = self._fed(pixels).astype(np.int16) + (128 if kind == np.uint8 else 0)
            batch = fed.astype(kind)
        else:
            batch = ((pixels.astype(np.float64) - self._mean) / self._std).astype(self._type)
        if graph.source_layout == "NCHW":
            batch = batch.transpose(2, 0, 1)
        answers: list[npt.NDArray[np.generic]] = self._session.run(
            outputs, {graph.source_input: np.ascontiguousarray(batch[None])}
        )
        return [np.asarray(answer) for answer in answers]


def _quantization(proto: onnx.ModelProto, name: str) -> tuple[float, int]:
    """Scale and zero point of a tensor that a QuantizeLinear makes; of a float tensor 1 and 0."""
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if name in node.output and node.op_type == "QuantizeLinear":
            scale, zero = (float(onnx.numpy_helper.to_array(constants[key]).ravel()[0]) for key in node.input[1:3])
            return scale, int(zero)
    return 1.0, 0

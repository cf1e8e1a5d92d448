"""A TFLite file in its own interpreter, LiteRT: what an import is held to."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError

from . import tflite_reader

INSTALL = "pip install ai-edge-litert"


def interpreter_module() -> ModuleType:
    """LiteRT's interpreter, or tflite-runtime's. Raises LinnetError where neither is installed."""
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        try:
            from tflite_runtime import interpreter
        except ImportError as error:
            raise LinnetError(f"running a TFLite file needs its interpreter: {INSTALL}") from error
    module: ModuleType = interpreter
    return module


class TfliteReference:
    """Asked for the scores ahead of the final softmax, or for all tensors.

    Runs the interpreter's own kernels, not XNNPACK's, which round otherwise: the optimized ones, or the reference
    kernels (slow: a second a picture for a large network).
    """

    kind = "quantized"

    def __init__(
        self, path: str | Path, mean: tuple[float, ...], std: tuple[float, ...], reference_kernels: bool = False
    ) -> None:
        """mean, std: per channel; the network's real input is (pixel - mean) / std."""
        module = interpreter_module()
        self.network = tflite_reader.read(path)
        graph = self.network.graph
        kinds = module.OpResolverType
        try:
            self._interpreter = module.Interpreter(
                model_path=str(path),
                num_threads=1,
                experimental_op_resolver_type=kinds.BUILTIN_REF
                if reference_kernels
                else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise LinnetError(
                f"{path}: the interpreter cannot open it: {' '.join(str(error).split())[:300]}"
            ) from error
        self._fed = self._interpreter.get_input_details()[0]
        self._details = {detail["name"]: detail for detail in self._interpreter.get_tensor_details()}
        self._mean, self._std = np.array(mean, np.float64), np.array(std, np.float64)
        self.shape = graph.shapes[graph.input]
        self.classes = math.prod(graph.shapes[graph.logits])

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """(classes,) of uint8 (height, width, channels)."""
        self._run(pixels)
        detail = self._details[self.network.graph.source_logits]
        values: npt.NDArray[np.float64] = self._interpreter.get_tensor(detail["index"]).astype(np.float64).ravel()
        scale, zero_point = detail["quantization"]
        return np.asarray((values - zero_point) * scale) if scale else values

    def tensors(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.generic]]:
        """Every tensor of the graph that the file has, (height, width, channels), as the file stores it."""
        self._run(pixels)
        shapes = self.network.graph.shapes
        found: dict[str, npt.NDArray[np.generic]] = {}
        for name, shape in shapes.items():
            if name in self._details:
                found[name] = self._interpreter.get_tensor(self._details[name]["index"]).reshape(shape)
        return found

    def _run(self, pixels: npt.NDArray[np.uint8]) -> None:
        real = (pixels.astype(np.float64) - self._mean) / self._std
        kind: Any = self._fed["dtype"]
        if np.issubdtype(kind, np.integer):
            scale, zero_point = self._fed["quantization"]
            limits = np.iinfo(kind)
            real = np.clip(np.rint(real / scale) + zero_point, limits.min, limits.max)
        self._interpreter.set_tensor(self._fed["index"], real.astype(kind)[None])
        self._interpreter.invoke()

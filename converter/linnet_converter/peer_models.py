"""onnxruntime's own int8 files of a float network, for comparison with it: quantize_static as its makers mean it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from . import onnx_reader

Form = Literal["qdq", "qoperator"]
Activations = Literal["u8s8", "s8s8"]
Pixels = npt.NDArray[np.uint8]


class _Feeds(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, name: str, feeds: Iterable[npt.NDArray[np.float32]]) -> None:
        self._name = name
        self._feeds: Iterator[npt.NDArray[np.float32]] = iter(feeds)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        feed = next(self._feeds, None)
        return None if feed is None else {self._name: feed}


class FloatNetwork:
    """A float ONNX file, made ready for quantize_static once: batch 1, BatchNorms folded."""

    def __init__(self, source: str | Path, folder: Path, end_at_logits: bool = False) -> None:
        """folder: where files may lie as long as this is used.  end_at_logits: without a final softmax.

        Raises LinnetError where the file cannot be read.
        """
        graph = onnx_reader.read(source)
        self.channels_first = graph.source_layout == "NCHW"
        self.shape = graph.shapes[graph.input]
        self._input = graph.source_input
        self._folder = folder
        self._ready = folder / "float.onnx"
        model = onnx.load(str(source))
        if end_at_logits and graph.source_logits not in [value.name for value in model.graph.output]:
            del model.graph.output[:]  # the softmax is dropped below as a node that nobody needs
            kind = onnx.TensorProto.FLOAT
            model.graph.output.append(onnx.helper.make_tensor_value_info(graph.source_logits, kind, None))
        for value in model.graph.input:
            if value.name == self._input:
                value.type.tensor_type.shape.dim[0].dim_value = 1
        for value in model.graph.output:  # shapes that were inferred for a free batch
            if value.type.tensor_type.shape.dim:
                value.type.tensor_type.shape.dim[0].dim_value = 1
        del model.graph.value_info[:]
        fixed = folder / "fixed.onnx"
        onnx.save(model, str(fixed))
        quant_pre_process(str(fixed), str(self._ready), skip_symbolic_shape=True)

    def quantized(
        self, activations: Activations, form: Form, pictures: Iterable[Pixels], mean: npt.ArrayLike, std: npt.ArrayLike
    ) -> Path:
        """Write the int8 file: per channel, MinMax over the pictures, which are fed as (pixel - mean) / std."""
        logging.getLogger().setLevel(logging.ERROR)  # quantize_static logs advice to the root logger
        path = self._folder / f"{activations}_{form}.onnx"
        unsigned = activations == "u8s8"
        quantization.quantize_static(
            str(self._ready),
            str(path),
            _Feeds(self._input, (self.feed(picture, mean, std) for picture in pictures)),
            quant_format=quantization.QuantFormat.QDQ if form == "qdq" else quantization.QuantFormat.QOperator,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8 if unsigned else quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return path

    def feed(self, picture: Pixels, mean: npt.ArrayLike, std: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """What the network takes for a picture: float32 of batch 1."""
        real = ((picture - np.asarray(mean)) / np.asarray(std))[None]
        return np.ascontiguousarray(real.transpose(0, 3, 1, 2) if self.channels_first else real, np.float32)

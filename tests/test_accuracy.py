"""The default quality on real networks and pictures: the figures that docs/quantization.md promises.

Calibrated on the 96 pictures, measured on the others, in C. Floors, not records: agreement moves by a picture or two
and dB by a few tenths with every change that has nothing to do with quality.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import linnet
from linnet_converter import conversion, onnx_reader, pictures, validation
from linnet_converter.quantize import Preprocessing


@dataclass(frozen=True)
class Promise:
    """Floors of one network."""

    file: str
    preprocessing: Preprocessing
    agreement: float
    sqnr_db: float
    label_offset: int | None = None


KERAS = Preprocessing((127.5,), (127.5,))
PROMISES = {
    "V1 0.25@96 vww": Promise("mobilenet_v1_0.25_96_vww.onnx", Preprocessing((0.0,), (255.0,)), 98.7, 29.0),
    "V2 0.5@128 person": Promise("mobilenet_v2_0.5_128_person.onnx", KERAS, 99.0, 27.0),
    "V1 0.25@224": Promise("mobilenet_v1_0.25_224_imagenet.onnx", KERAS, 90.0, 24.0, label_offset=0),
}


@pytest.mark.assets
@pytest.mark.parametrize("promise", PROMISES.values(), ids=PROMISES)
def test_default_quality(promise: Promise, assets: Path) -> None:
    source = assets / "models" / promise.file
    graph = onnx_reader.read(source)
    shape = graph.shapes[graph.input]
    shown = [pixels for _, pixels in pictures.read(pictures.find(assets / "imagenet/calibration"), shape)]
    made = conversion.convert(graph, shown, promise.preprocessing)
    folder = assets / "imagenet/eval"
    labels = None
    if promise.label_offset is not None:
        labels = pictures.labels(folder / "labels.csv", promise.label_offset)
    paths = pictures.find(folder)
    found = validation.compare(linnet.load(made.data), source, pictures.read(paths, shape), labels)
    assert found.agreement >= promise.agreement
    assert found.sqnr_db >= promise.sqnr_db
    if found.top1_float is not None and found.top1_int8 is not None:
        assert found.top1_int8 >= found.top1_float - 1

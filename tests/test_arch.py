"""The reference architectures: their size, their shapes, and that they are the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import onnx
import pytest

from linnet_converter.arch import make_divisible, mobilenet_v1, mobilenet_v2
from linnet_converter.graph import Add, Conv, Graph
from linnet_converter.onnx_reader import read


def _graph(model: onnx.ModelProto, folder: Path) -> Graph:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return read(path)


def _macs(graph: Graph) -> int:
    convs = [node for node in graph.nodes if isinstance(node, Conv)]
    return sum(graph.shapes[conv.output][0] * graph.shapes[conv.output][1] * conv.weights.size for conv in convs)


@pytest.mark.parametrize(
    ("width", "size", "classes", "macs"),
    [(1.0, 224, 1001, 300_775_552), (0.35, 128, 5, 18_947_072), (0.35, 96, 2, 10_656_688)],
)
def test_mobilenet_v2_has_the_published_number_of_macs(
    width: float, size: int, classes: int, macs: int, tmp_path: Path
) -> None:
    graph = _graph(mobilenet_v2(width, size, classes), tmp_path)
    assert _macs(graph) == macs
    assert graph.shapes[graph.output] == (1, 1, classes)
    assert sum(isinstance(node, Conv) for node in graph.nodes) == 53
    assert sum(isinstance(node, Add) for node in graph.nodes) == 10


def test_mobilenet_v1_has_the_macs_of_the_trained_network(tmp_path: Path) -> None:
    # those of models.toml for mobilenet_v1_0.25_96_vww.onnx and mobilenet_v1_0.25_224_imagenet.onnx
    assert _macs(_graph(mobilenet_v1(0.25, 96, 2), tmp_path)) == 7_489_664
    assert _macs(_graph(mobilenet_v1(0.25, 224, 1000), tmp_path)) == 41_030_272


@pytest.mark.parametrize(
    ("value", "channels"),
    [(32 * 0.35, 16), (16 * 0.35, 8), (24 * 0.35, 8), (32 * 1.4, 48), (24 * 1.4, 32),
     (3.0, 8), (1280 * 1.4, 1792), (96 * 0.35, 32),
     (320 * 0.35, 112)],
)  # fmt: skip
def test_channel_rounding_is_that_of_keras(value: float, channels: int) -> None:
    assert make_divisible(value) == channels


def test_width_over_1_widens_the_last_convolution(tmp_path: Path) -> None:
    for width, channels in ((1.4, 1792), (0.35, 1280)):
        graph = _graph(mobilenet_v2(width, 32, 3), tmp_path)
        assert graph.shapes[graph.nodes[-2].output] == (1, 1, channels)


@pytest.mark.parametrize(
    ("padding", "size", "pads"),
    [("tf", 64, (0, 0, 1, 1)), ("tf", 65, (1, 1, 1, 1)), ("torch", 64, (1, 1, 0, 0)), ("torch", 65, (1, 1, 1, 1))],
)
def test_stride_2_padding(
    padding: Literal["tf", "torch"], size: int, pads: tuple[int, int, int, int], tmp_path: Path
) -> None:
    first = _graph(mobilenet_v2(0.35, size, 3, padding=padding), tmp_path).nodes[0]
    assert isinstance(first, Conv)
    assert first.pads == pads


def test_a_seed_gives_the_same_bytes() -> None:
    for make in (mobilenet_v1, mobilenet_v2):
        first, again, other = (make(0.35, 32, 3, seed).SerializeToString(deterministic=True) for seed in (7, 7, 8))
        assert first == again
        assert first != other

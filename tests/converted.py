"""Float networks through the whole converter, on seeded pictures: what several tests start from."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import hard_networks
import numpy as np
import numpy.typing as npt
import onnx

from linnet_converter import conversion, float_model, onnx_reader, recipe
from linnet_converter.graph import Graph
from linnet_converter.quantize import Preprocessing
from linnet_converter.recipe import Recipe

PREPROCESSING = Preprocessing((127.5, 120.25, 110.5), (127.5, 100.0, 127.5))
"""Different per channel, so that a picture's padding differs per channel too."""

Pictures = npt.NDArray[np.uint8]


def pictures(graph: Graph, count: int, seed: int = 0) -> Pictures:
    """(count, height, width, channels): smooth random pictures, which activate networks as noise does not."""
    height, width, channels = graph.shapes[graph.input]
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 4, 4, channels))
    rows, columns = (np.minimum(np.arange(n) * 4 // n, 3) for n in (height, width))
    values = coarse[:, rows][:, :, columns] + rng.normal(0, 20, (count, height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def preprocessing(graph: Graph) -> Preprocessing:
    channels = graph.shapes[graph.input][2]
    return Preprocessing(PREPROCESSING.mean[:channels], PREPROCESSING.std[:channels])


def read(model: onnx.ModelProto) -> Graph:
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(model.SerializeToString())
        file.flush()
        return onnx_reader.read(Path(file.name))


def convert(
    graph: Graph,
    *,
    push_rows: bool = False,
    steps: Recipe = recipe.QUALITIES["default"],
    detailed: bool = False,
    count: int = 48,
) -> conversion.Conversion:
    return conversion.convert(
        graph, list(pictures(graph, count)), preprocessing(graph), push_rows=push_rows, steps=steps, detailed=detailed
    )


@functools.cache
def hard(name: str, steps: Recipe = recipe.QUALITIES["default"]) -> conversion.Conversion:
    """One of the hard networks, converted."""
    return convert(read(hard_networks.NETWORKS[name]()), steps=steps)


def float_values(graph: Graph, picture: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
    """Every tensor of the float graph for one picture, (height, width, channels)."""
    import onnxruntime as ort

    session = ort.InferenceSession(float_model.to_onnx(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    x = preprocessing(graph).apply(picture) * graph.input_scale + graph.input_shift
    names = [output.name for output in session.get_outputs()]
    feed = {session.get_inputs()[0].name: x.astype(np.float32).transpose(2, 0, 1)[None]}
    return {name: value[0].transpose(1, 2, 0) for name, value in zip(names, session.run(None, feed), strict=True)}

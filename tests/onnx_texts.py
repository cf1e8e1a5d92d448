"""Small ONNX networks in onnx's text format, and what everything that is read from one must fulfil."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from linnet.errors import LinnetError
from linnet_converter.float_model import check_folding
from linnet_converter.graph import Add, Conv, GlobalAveragePool, Graph
from linnet_converter.onnx_reader import read

TOLERANCE = 1e-5  # float32 rounding in two orders of summation

SHAPES: dict[str, tuple[int, ...]] = {
    "w": (4, 3, 3, 3), "b": (4,), "wide": (4, 3, 5, 5), "dw": (4, 1, 3, 3), "dw5": (4, 1, 5, 5), "pw": (4, 4, 1, 1),
    "pw3": (4, 3, 1, 1), "mat": (4, 4), "vec": (3,), "vec4": (4,), "chan": (1, 4, 1, 1), "col3": (3, 1, 1),
    "chan3": (1, 3, 1, 1), "last3": (1, 1, 1, 3), "d": (4, 5), "dt": (5, 4), "db": (5,), "big": (256, 5),
    "image": (1, 3, 8, 8), "gamma": (4,), "beta": (4,), "mean": (4,), "gamma3": (3,), "beta3": (3,), "mean3": (3,),
    "grouped": (4, 2, 3, 3), "multiplied": (6, 1, 3, 3), "w1d": (4, 3, 3),
}  # fmt: skip
VALUES: dict[str, Any] = {
    "zero": 0.0, "one": 1.0, "two": 2.0, "six": 6.0, "minus": -1.0, "near": [0.0, 0.0, 6.0, 6.0],
    "nan": float("nan"), "nans": np.full((4, 3, 3, 3), np.nan), "var": [0.5, 1.0, 2.0, 3.0],
    "var3": [0.5, 1.0, 2.0], "negative": [-1.0, 1.0, 1.0, 1.0], "i0": [0], "i1": [1], "im1": [-1], "i23": [2, 3],
    "i12": [1, 2], "i2": [2], "i3": [3], "backwards": [-(2**31)], "bgr": [2, 1, 0], "to_vec": [1, -1],
    "to_rows": [1, 64, 4], "i4": [4], "border": [0, 0, 1, 1, 0, 0, 1, 1], "border_hw": [1, 0, 0, 1],
    "border_nhwc": [0, 1, 0, 0, 0, 0, 1, 0], "crop": [0, 0, -1, 0, 0, 0, 0, 0], "yes": True, "no": False,
    "ratio": 0.5,
}  # fmt: skip


class Source(NamedTuple):
    """A network in onnx's text format."""

    body: str
    given: str = "float[N,3,8,8] x"
    gives: str = "float[N,5] y"
    opset: int = 17


def network(source: Source | str) -> onnx.ModelProto:
    """The model of a text; inputs of nodes that are keys of SHAPES or VALUES become initializers."""
    body, given, gives, opset = Source(source) if isinstance(source, str) else source
    header = f'<ir_version: 8, opset_import: ["" : {opset}]>'
    model = onnx.parser.parse_model(f"{header} net ({given}) => ({gives}) {{ {body} }}")
    random = np.random.default_rng(0)
    fixed = {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in SHAPES.items()}
    for name, value in VALUES.items():
        array = np.asarray(value)
        fixed[name] = array.astype(np.float32) if array.dtype == np.float64 else array
    used = dict.fromkeys(name for node in model.graph.node for name in node.input if name in fixed)
    model.graph.initializer.extend(numpy_helper.from_array(fixed[name], name) for name in used)
    return model


CONV = "c = Conv <pads=[1,1,1,1]> (x, w, b) "
DENSE = " f = Flatten (g) y = Gemm (f, d, db)"
HEAD = " g = GlobalAveragePool (h)" + DENSE
TAIL = " h = Relu (c)" + HEAD
NHWC = "float[N,8,8,3] x"


def check_graph(graph: Graph) -> None:
    """What every graph must fulfil, whatever it was read from."""
    known = {graph.input}
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)
    for node in graph.nodes:
        assert known.issuperset(node.inputs), node.name
        assert node.output not in known
        known.add(node.output)
        shape, first = graph.shapes[node.output], graph.shapes[node.inputs[0]]
        if isinstance(node, Conv):
            kernel, outputs = node.kernel, first[2] if node.depthwise else node.weights.shape[0]
            assert node.weights.shape == ((1, *kernel, first[2]) if node.depthwise else (outputs, *kernel, first[2]))
            assert node.bias.shape == (outputs,) and shape[2] == outputs
            assert node.weights.dtype == node.bias.dtype == np.float64
            for axis in (0, 1):
                padded = first[axis] + node.pads[axis] + node.pads[axis + 2]
                assert shape[axis] == (padded - kernel[axis]) // node.stride[axis] + 1
                read_last = (shape[axis] - 1) * node.stride[axis] + kernel[axis]
                assert node.pads[axis + 2] == max(read_last - first[axis] - node.pads[axis], 0), (
                    "padding that nobody reads"
                )
        elif isinstance(node, Add):
            assert shape == first == graph.shapes[node.inputs[1]]
        elif isinstance(node, GlobalAveragePool):
            assert shape == (1, 1, first[2])
        else:
            assert node is graph.nodes[-1] and shape == first == (1, 1, first[2])
    assert known == set(graph.shapes)
    assert graph.output == graph.nodes[-1].output
    assert graph.input_scale.shape == graph.input_shift.shape == (graph.shapes[graph.input][2],)


def check_file(path: Path, tolerance: float = TOLERANCE) -> Graph:
    graph = read(path)
    check_graph(graph)
    assert check_folding(path, graph) < tolerance
    return graph


def refusal(path: Path) -> str:
    with pytest.raises(LinnetError) as caught:
        read(path)
    message = str(caught.value)
    assert message and "\n" not in message and len(message) < 600
    return message

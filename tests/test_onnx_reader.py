"""Reading ONNX: what is folded computes what the file computes; what cannot be is one line with the node's name."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from hard_networks import NETWORKS
from onnx import numpy_helper

from linnet.errors import LinnetError
from linnet_converter.arch import mobilenet_v1, mobilenet_v2
from linnet_converter.float_model import check_folding
from linnet_converter.graph import Add, Clamp, Conv, GlobalAveragePool, Graph, Softmax
from linnet_converter.onnx_reader import read

TOLERANCE = 1e-5  # float32 rounding in two orders of summation

EXPORTERS = Path(__file__).parent / "exporters"
EXPORTED: list[dict[str, Any]] = tomllib.loads((EXPORTERS / "index.toml").read_text())["model"]
ASSETS = os.environ.get("LINNET_ASSETS")
REAL = sorted((Path(ASSETS) / "models").glob("*.onnx")) if ASSETS else []


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


# Whole networks


@pytest.mark.parametrize("entry", EXPORTED, ids=lambda entry: str(entry["file"]))
def test_exporters(entry: dict[str, Any]) -> None:
    path = EXPORTERS / entry["file"]
    if entry["expect"] == "not-inference":
        assert "training mode" in refusal(path)
    elif entry["expect"] == "unbound-inputs":
        assert "Linnet takes one picture" in refusal(path)
    else:
        graph = check_file(path)
        assert graph.source_layout == entry["layout"]
        channels_last = entry["input"][1:] if entry["layout"] == "NHWC" else [*entry["input"][2:], entry["input"][1]]
        assert list(graph.shapes[graph.input]) == channels_last
        assert graph.shapes[graph.output] == (1, 1, entry["classes"])
        assert isinstance(graph.nodes[-1], Softmax) == (entry["output"] == "softmax")


@pytest.mark.parametrize("name", NETWORKS)
def test_hard_networks(name: str, tmp_path: Path) -> None:
    onnx.save(NETWORKS[name](), tmp_path / "model.onnx")
    check_file(tmp_path / "model.onnx")
    assert NETWORKS[name]().SerializeToString(deterministic=True) == NETWORKS[name]().SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize(
    "model",
    [
        mobilenet_v2(0.35, 96, 5),
        mobilenet_v2(0.35, 65, 5),
        mobilenet_v2(0.5, 64, 5, padding="torch"),
        mobilenet_v1(0.25, 49, 2),
    ],
    ids=["v2", "v2-odd", "v2-torch", "v1-odd"],
)
def test_architectures(model: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "model.onnx")
    check_file(tmp_path / "model.onnx")


@pytest.mark.assets
@pytest.mark.skipif(not REAL, reason="LINNET_ASSETS does not name a folder with models/*.onnx")
@pytest.mark.parametrize("path", REAL, ids=lambda path: str(path.name))
def test_real_networks(path: Path) -> None:
    check_file(path)


# Small networks: one construct each

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

ACCEPTED: dict[str, Source] = {
    # activations
    "relu, then minimum": Source(CONV + "r = Relu (c) h = Min (r, six)" + HEAD),
    "maximum, then minimum": Source(CONV + "r = Max (zero, c) h = Min (six, r)" + HEAD),
    "clip without a lower bound": Source(CONV + "h = Clip (c, , one)" + HEAD),
    "clip without an upper bound": Source(CONV + "h = Clip (c, minus)" + HEAD),
    "clip without bounds": Source(CONV + "h = Clip (c)" + HEAD),
    "clip with crossed bounds": Source(CONV + "r = Clip (c, one, minus) p = Conv (r, pw) h = Relu (p)" + HEAD),
    "clip by attributes": Source(CONV + "h = Clip <min=0.0, max=6.0> (c)" + HEAD, opset=10),
    "clip of clip": Source(CONV + "r = Clip (c, minus, two) s = Relu (r) h = Clip (s, minus, one)" + HEAD),
    "bounds from Constant nodes": Source(
        CONV + "l = Constant <value_float=0.0> () u = Constant <value=float {6}> () h = Clip (c, l, u)" + HEAD
    ),
    "relu of a relu that is read twice": Source(
        CONV + "r = Relu (c) s = Relu (r) p = Conv (s, pw) h = Add (r, p)" + HEAD
    ),
    "relu on the pool and the dense layer": Source(
        CONV + "p = GlobalAveragePool (c) g = Relu (p) f = Flatten (g) q = Gemm (f, d, db) y = Relu (q)"
    ),
    "relu on an addition": Source(CONV + "p = Conv (c, pw) a = Add (c, p) h = Relu (a)" + HEAD),
    "relu behind a transpose": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) r = Relu (t) h = Transpose <perm=[0,3,1,2]> (r)" + HEAD
    ),
    # scales and shifts
    "batch norm": Source(
        CONV + "n = BatchNormalization <epsilon=0.01> (c, gamma, beta, mean, var) h = Relu (n)" + HEAD
    ),
    "batch norm twice": Source(
        CONV + "n = BatchNormalization (c, gamma, beta, mean, var) "
        "m = BatchNormalization (n, beta, gamma, mean, var) h = Relu (m)" + HEAD
    ),
    "batch norm on a depthwise convolution": Source(
        CONV
        + "r = Relu (c) e = Conv <group=4> (r, dw) n = BatchNormalization (e, gamma, beta, mean, var) h = Relu (n)"
        + HEAD
    ),
    "arithmetic with constants": Source(
        CONV
        + "p = Mul (c, chan) q = Add (chan, p) r = Sub (q, two) s = Sub (one, r) t = Div (s, chan) h = Relu (t)"
        + HEAD
    ),
    "arithmetic in NHWC": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) m = Mul (t, vec4) a = Add (m, b) "
        "u = Transpose <perm=[0,3,1,2]> (a) h = Relu (u)" + HEAD
    ),
    "batch norm between pool and dense layer": Source(
        CONV
        + "h = Relu (c) p = GlobalAveragePool (h) q = Flatten (p) g = BatchNormalization (q, gamma, beta, mean, var)"
        + DENSE
    ),
    "batch norm between addition and 1x1 convolution": Source(
        CONV + "p = Conv (c, pw) a = Add (c, p) n = BatchNormalization (a, gamma, beta, mean, var) "
        "e = Conv (n, pw, b) h = Relu (e)" + HEAD
    ),
    "scale between relu and padded convolution": Source(
        CONV + "r = Relu (c) s = Mul (r, chan) e = Conv <group=4, pads=[1,1,1,1]> (s, dw) h = Relu (e)" + HEAD
    ),
    "neutral arithmetic": Source(CONV + "r = Relu (c) s = Mul (r, one) h = Add (s, zero)" + HEAD),
    # the network's input
    "normalization of the input": Source(
        "s = Sub (x, chan3) n = Div (s, col3) c = Conv <pads=[1,1,1,1]> (n, w)" + TAIL
    ),
    "normalization in NHWC": Source(
        "s = Mul (x, last3) n = Add (s, vec) t = Transpose <perm=[0,3,1,2]> (n) c = Conv <pads=[1,1,1,1]> (t, w)"
        + TAIL,
        given=NHWC,
    ),
    "batch norm of the input": Source(
        "n = BatchNormalization (x, gamma3, beta3, mean3, var3) c = Conv <pads=[0,0,1,1], strides=[2,2]> (n, w)" + TAIL
    ),
    "the normalized input read twice": Source(
        "n = Mul (x, chan3) c = Conv <pads=[1,1,1,1]> (n, w) e = Conv (n, pw3) a = Add (c, e) h = Relu (a)" + HEAD
    ),
    "channels reversed by Slice": Source(
        "r = Slice (x, im1, backwards, im1, im1) t = Transpose <perm=[0,3,1,2]> (r) "
        "n = Mul (t, chan3) c = Conv (n, w)" + TAIL,
        given=NHWC,
    ),
    "channels reversed by Gather": Source("r = Gather <axis=1> (x, bgr) c = Conv <pads=[1,0,0,1]> (r, w, b)" + TAIL),
    # padding
    "auto_pad SAME_UPPER": Source('c = Conv <auto_pad="SAME_UPPER", strides=[2,2]> (x, w)' + TAIL),
    "auto_pad SAME_UPPER, odd": Source(
        'c = Conv <auto_pad="SAME_UPPER", strides=[2,2]> (x, wide)' + TAIL, given="float[N,3,9,7] x"
    ),
    "auto_pad SAME_LOWER": Source('c = Conv <auto_pad="SAME_LOWER", strides=[2,2]> (x, w)' + TAIL),
    "auto_pad VALID": Source('c = Conv <auto_pad="VALID", strides=[2,2]> (x, w)' + TAIL),
    "pad node": Source("q = Pad (x, border) c = Conv <strides=[2,2]> (q, w)" + TAIL),
    "pad node with a value, and pads of its own": Source(
        "q = Pad (x, border, zero) c = Conv <pads=[0,1,1,0]> (q, w)" + TAIL
    ),
    "pad node with axes": Source("q = Pad (x, border_hw, , i23) c = Conv (q, w)" + TAIL, opset=18),
    "pad node with attributes": Source(
        'q = Pad <mode="constant", pads=[0,0,0,1,0,0,2,1], value=0.0> (x) c = Conv <strides=[2,2]> (q, w)' + TAIL,
        opset=10,
    ),
    "pad node in NHWC": Source(
        "q = Pad (x, border_nhwc) t = Transpose <perm=[0,3,1,2]> (q) c = Conv <strides=[2,2]> (t, w)" + TAIL, given=NHWC
    ),
    "pad node twice": Source("q = Pad (x, border) r = Pad (q, border) c = Conv <strides=[3,3]> (r, w)" + TAIL),
    "relu behind a pad node": Source(CONV + "q = Pad (c, border) r = Relu (q) h = Conv <group=4> (r, dw)" + HEAD),
    "scale behind a pad node": Source(
        CONV + "q = Pad (c, border) r = Mul (q, chan) h = Conv <group=4> (r, dw5)" + HEAD
    ),
    "padding nobody reads": Source("c = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w)" + TAIL),
    "dilation of a 1x1 kernel": Source("c = Conv <dilations=[2,2]> (x, pw3, b)" + TAIL),
    # pooling
    "mean by attributes": Source(CONV + "h = Relu (c) g = ReduceMean <axes=[2,3], keepdims=0> (h)" + DENSE),
    "mean by negative axes": Source(CONV + "h = Relu (c) g = ReduceMean <axes=[-1,-2]> (h)" + DENSE),
    "mean by input": Source(CONV + "h = Relu (c) g = ReduceMean (h, i23)" + DENSE, opset=18),
    "mean in NHWC": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) g = ReduceMean <keepdims=0> (t, i12)" + DENSE, opset=18
    ),
    "mean of flattened pixels": Source(
        CONV + "u = Unsqueeze (c, i0) t = Squeeze (u, i0) g = GlobalAveragePool (t)" + DENSE
    ),
    "mean in two steps": Source(
        CONV + "m = ReduceMean <axes=[3], keepdims=0> (c) g = ReduceMean <axes=[2], keepdims=0> (m) y = Gemm (g, d, db)"
    ),
    "mean in two steps, dimensions kept": Source(
        CONV + "m = ReduceMean <axes=[2]> (c) g = ReduceMean <axes=[3]> (m)" + DENSE
    ),
    "average pool over the map": Source(CONV + "g = AveragePool <kernel_shape=[8,8]> (c)" + DENSE),
    "average pool with SAME": Source(
        CONV + 'g = AveragePool <kernel_shape=[8,8], strides=[8,8], auto_pad="SAME_UPPER"> (c)' + DENSE
    ),
    "pool twice": Source(CONV + "h = GlobalAveragePool (c)" + HEAD),
    # dense layers
    "matmul and add": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = MatMul (f, d) y = Add (m, db)"),
    "gemm with transB, alpha and beta": Source(
        CONV + "g = GlobalAveragePool (c) f = Flatten (g) y = Gemm <transB=1, alpha=0.5, beta=2.0> (f, dt, db)"
    ),
    "gemm without bias": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) y = Gemm (f, d)"),
    "gemm with one bias": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) y = Gemm (f, d, one)"),
    "dense on a flattened NCHW map": Source(CONV + "f = Flatten (c) y = Gemm (f, big, db)"),
    "dense on a flattened NHWC map": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) f = Reshape (t, to_vec) m = MatMul (f, big) y = Add (m, db)"
    ),
    "dense on a scaled map": Source(
        CONV + "r = Relu (c) s = Mul (r, chan) a = Add (s, chan) f = Flatten (a) y = Gemm (f, big, db)"
    ),
    "dense on each pixel": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) m = MatMul (t, mat) a = Add (m, b) "
        "r = Relu (a) h = Transpose <perm=[0,3,1,2]> (r)" + HEAD
    ),
    "dense on rows of pixels": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) v = Reshape (t, to_rows) m = MatMul (v, mat) "
        "g = ReduceMean <axes=[1]> (m)" + DENSE
    ),
    # around the network
    "softmax of opset 11": Source(
        CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = Gemm (f, d) y = Softmax (m)", opset=11
    ),
    "softmax of opset 13": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = Gemm (f, d) y = Softmax (m)"),
    "softmax ahead of flatten": Source(
        CONV + "h = Relu (c) g = GlobalAveragePool (h) s = Softmax <axis=1> (g) y = Flatten (s)", gives="float[N,4] y"
    ),
    "identity, dropout and cast": Source(
        CONV + "i = Identity (c) o = Dropout (i, ratio, no) h = Cast <to=1> (o) g = GlobalAveragePool (h)" + DENSE
    ),
    "shape computed in the graph": Source(
        CONV + "g = GlobalAveragePool (c) s = Shape (g) n = Gather (s, i0) k = Concat <axis=0> (n, im1) "
        "f = Reshape (g, k) y = Gemm (f, d)"
    ),
    "weights computed in the graph": Source("m = Mul (w, two) c = Conv (x, m) " + TAIL),
    "sum": Source(CONV + "p = Conv (c, pw) h = Sum (c, p)" + HEAD),
    "nodes nobody needs": Source(CONV + "z = MaxPool <kernel_shape=[2,2]> (c)" + TAIL),
    "batch of one": Source(CONV + TAIL, given="float[1,3,8,8] x", gives="float[1,5] y"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str, tmp_path: Path) -> None:
    onnx.save(network(ACCEPTED[case]), tmp_path / "model.onnx")
    check_file(tmp_path / "model.onnx")


REFUSED: dict[str, tuple[Source, tuple[str, ...]]] = {
    # activations
    "unknown activation": (Source(CONV + "h = HardSwish (c)" + HEAD), ("HardSwish 'h'", "ReLU6")),
    "leaky relu": (Source(CONV + "h = LeakyRelu (c)" + HEAD), ("LeakyRelu 'h'",)),
    "bounds per channel": (
        Source(CONV + "t = Transpose <perm=[0,2,3,1]> (c) r = Min (t, near) h = Identity (r)" + HEAD),
        ("Min 'r'", "not one number"),
    ),
    "bound not a number": (Source(CONV + "h = Clip (c, nan)" + HEAD), ("Clip 'h'", "not one number")),
    "bound computed": (Source(CONV + "p = Conv (c, pw) h = Min (c, p)" + HEAD), ("Min 'h'", "computed")),
    "relu of a tensor read elsewhere": (
        Source(CONV + "r = Relu (c) p = Conv (r, pw) h = Add (c, p)" + HEAD),
        ("Relu 'r'", "Conv 'c'", "read elsewhere"),
    ),
    "relu of the input": (Source("r = Relu (x) c = Conv (r, w)" + TAIL), ("Relu 'r'", "input 'x'")),
    "activation that moves the padding": (
        Source(CONV + "q = Pad (c, border) r = Clip (q, one, six) h = Conv (r, pw)" + HEAD),
        ("Clip 'r'", "Pad"),
    ),
    "minimum of three": (Source(CONV + "h = Min (c, zero, six)" + HEAD), ("Min 'h'", "3 operands")),
    # scales and shifts
    "batch norm behind an activation": (
        Source(CONV + "r = Relu (c) n = BatchNormalization (r, gamma, beta, mean, var) h = Relu (n)" + HEAD),
        ("BatchNormalization 'n'", "Conv 'c'", "Relu 'h'"),
    ),
    "batch norm ahead of a padded convolution": (
        Source(
            CONV + "r = Relu (c) n = BatchNormalization (r, gamma, beta, mean, var) "
            "e = Conv <group=4, pads=[1,1,1,1]> (n, dw) h = Relu (e)" + HEAD
        ),
        ("BatchNormalization 'n'", "Conv 'e'"),
    ),
    "batch norm of a tensor read elsewhere": (
        Source(CONV + "n = BatchNormalization (c, gamma, beta, mean, var) h = Add (n, c)" + HEAD),
        ("BatchNormalization 'n'", "read elsewhere", "Add 'h'"),
    ),
    "batch norm at the end": (
        Source(
            CONV + "h = Relu (c) g = GlobalAveragePool (h) f = Flatten (g) "
            "y = BatchNormalization (f, gamma, beta, mean, var)",
            gives="float[N,4] y",
        ),
        ("BatchNormalization 'y'", "cannot be folded"),
    ),
    "batch norm in training": (
        Source(CONV + "n, p, q = BatchNormalization <training_mode=1> (c, gamma, beta, mean, var) h = Relu (n)" + HEAD),
        ("BatchNormalization 'n'", "training mode"),
    ),
    "batch norm over another axis": (
        Source(
            CONV + "t = Transpose <perm=[0,2,3,1]> (c) n = BatchNormalization (t, gamma, beta, mean, var) "
            "h = Transpose <perm=[0,3,1,2]> (n)" + HEAD
        ),
        ("BatchNormalization 'n'", "do not fit"),
    ),
    "negative variance": (
        Source(CONV + "n = BatchNormalization (c, gamma, beta, mean, negative) h = Relu (n)" + HEAD),
        ("BatchNormalization 'n'", "variance"),
    ),
    "product of two tensors": (Source(CONV + "p = Conv (c, pw) h = Mul (c, p)" + HEAD), ("Mul 'h'", "two computed")),
    "difference of two tensors": (Source(CONV + "p = Conv (c, pw) h = Sub (c, p)" + HEAD), ("Sub 'h'", "two computed")),
    "division by a tensor": (Source(CONV + "h = Div (one, c)" + HEAD), ("Div 'h'",)),
    "division by zero": (Source(CONV + "h = Div (c, zero)" + HEAD), ("Div 'h'", "zero")),
    "sum of three": (Source(CONV + "p = Conv (c, pw) h = Sum (c, p, c)" + HEAD), ("Sum 'h'", "3 operands")),
    "addition that broadcasts": (
        Source(CONV + "g1 = GlobalAveragePool (c) h = Add (c, g1)" + HEAD),
        ("Add 'h'", "differ"),
    ),
    "addition in two orders": (
        Source(CONV + "t = Transpose <perm=[0,1,3,2]> (c) h = Add (c, t)" + HEAD),
        ("Add 'h'", "order"),
    ),
    "addition of padded tensors": (Source(CONV + "q = Pad (c, border) h = Add (q, q)" + HEAD), ("Add 'h'", "padded")),
    # the network's input
    "a mean picture": (Source("n = Sub (x, image) c = Conv (n, w)" + TAIL), ("Sub 'n'", "per channel")),
    "two normalizations": (
        Source("n = Mul (x, two) c = Conv (n, w) e = Conv <pads=[0,0,-0,0]> (x, w) h = Add (c, e)" + HEAD),
        ("Conv 'e'", "normalized otherwise"),
    ),
    "input padded ahead of its shift": (
        Source("q = Pad (x, border) n = Sub (q, one) c = Conv (n, w)" + TAIL),
        ("Sub 'n'", "Pad"),
    ),
    "input reshaped": (Source("r = Transpose <perm=[0,2,3,1]> (x) c = Conv (r, wide)" + TAIL), ("Conv 'c'",)),
    "input cut": (Source("r = Slice (x, i1, i4, i3) c = Conv (r, w)" + TAIL), ("Conv 'c'", "whole input")),
    "pool first": (
        Source("p = GlobalAveragePool (x) c = Conv (p, pw3)" + TAIL),
        ("GlobalAveragePool 'p'", "begin with a convolution"),
    ),
    "two inputs": (Source(CONV + TAIL, given="float[N,3,8,8] x, float[1] second"), ("2 inputs", "second")),
    "no batch": (
        Source("u = Unsqueeze (x, i0) c = Conv (u, w)" + TAIL, given="float[3,8,8] x"),
        ("'x'", "3 dimensions"),
    ),
    "a batch of 8": (Source(CONV + TAIL, given="float[8,3,8,8] x"), ("'x'", "batch of 8")),
    "dynamic height": (Source(CONV + TAIL, given="float[N,3,H,W] x"), ("'x'", "fixed height")),
    "integers in": (Source("v = Cast <to=1> (x) c = Conv (v, w)" + TAIL, given="uint8[N,3,8,8] x"), ("'x'", "UINT8")),
    # convolutions
    "grouped": (Source(CONV + "h = Conv <group=2> (c, grouped)" + HEAD), ("Conv 'h'", "2 groups")),
    "depth multiplier": (
        Source(
            "c = Conv <group=3> (x, multiplied) h = Relu (c) g = GlobalAveragePool (h) y = Flatten (g)",
            gives="float[N,6] y",
        ),
        ("Conv 'c'", "depth multiplier 2"),
    ),
    "dilated": (Source("c = Conv <dilations=[2,2]> (x, w)" + TAIL), ("Conv 'c'", "dilations")),
    "stride 5": (Source("c = Conv <strides=[5,5]> (x, w)" + TAIL), ("Conv 'c'", "stride")),
    "1-D": (
        Source("m = Slice (x, i0, i1, i2) s = Squeeze (m, i2) c = Conv (s, w1d) h = Unsqueeze (c, i2)" + HEAD),
        ("Conv 'c'", "2-D"),
    ),
    "weights computed from the input": (
        Source(CONV + "v = Identity (c) h = Conv (c, v)" + HEAD),
        ("Conv 'h'", "not constant"),
    ),
    "wrong number of channels": (Source(CONV + "h = Conv (c, w)" + HEAD), ("Conv 'h'", "do not fit")),
    "kernel larger than its input": (
        Source("c = Conv (x, w)" + TAIL, given="float[N,3,2,2] x"),
        ("Conv 'c'", "larger"),
    ),
    "weights not finite": (Source("c = Conv (x, nans)" + TAIL), ("Conv 'c'", "finite")),
    "transposed": (Source(CONV + "e = ConvTranspose (c, pw) h = Relu (e)" + HEAD), ("ConvTranspose 'e'",)),
    "map rotated": (
        Source(CONV + "t = Transpose <perm=[0,1,3,2]> (c) h = Conv (t, pw)" + HEAD),
        ("Conv 'h'", "Transpose 't'"),
    ),
    # padding
    "pads with a value": (Source("q = Pad (x, border, one) c = Conv (q, w)" + TAIL), ("Pad 'q'", "pads with 1")),
    "pads by reflection": (
        Source('q = Pad <mode="reflect"> (x, border) c = Conv (q, w)' + TAIL),
        ("Pad 'q'", "reflect"),
    ),
    "negative pads": (Source(CONV + "q = Pad (c, crop) h = Conv (q, pw)" + HEAD), ("Pad 'q'", "-1")),
    # pooling
    "max pool": (Source(CONV + "h = MaxPool <kernel_shape=[2,2]> (c)" + HEAD), ("MaxPool 'h'", "stride 2")),
    "average pool of a part": (
        Source(CONV + "h = AveragePool <kernel_shape=[2,2]> (c)" + HEAD),
        ("AveragePool 'h'", "whole map"),
    ),
    "average pool with padding": (
        Source(CONV + "h = AveragePool <kernel_shape=[8,8], pads=[0,0,1,1]> (c)" + HEAD),
        ("AveragePool 'h'",),
    ),
    "mean of one axis": (
        Source(CONV + "m = ReduceMean <axes=[3]> (c) h = Relu (m)" + HEAD),
        ("ReduceMean 'm'", "height and width"),
    ),
    "mean of channels": (
        Source(
            CONV + "m = ReduceMean <axes=[1], keepdims=1> (c) g = ReduceMean <axes=[2,3]> (m) y = Flatten (g)",
            gives="float[N,1] y",
        ),
        ("ReduceMean 'g'", "height and width"),
    ),
    "mean of everything": (
        Source(CONV + "y = ReduceMean <keepdims=1> (c)", gives="float[1,1,1,1] y"),
        ("ReduceMean 'y'",),
    ),
    "mean of one axis at the end": (
        Source(CONV + "m = GlobalAveragePool (c) h = Relu (c) y = ReduceMean <axes=[2]> (h)", gives="float[N,4,1,8] y"),
        ("ReduceMean 'y'", "height and width"),
    ),
    # the end
    "sigmoid": (
        Source(CONV + "h = Relu (c) g = GlobalAveragePool (h) f = Flatten (g) m = Gemm (f, d) y = Sigmoid (m)"),
        ("Sigmoid 'y'", "export without it"),
    ),
    "log softmax": (
        Source(CONV + "h = Relu (c) g = GlobalAveragePool (h) f = Flatten (g) m = Gemm (f, d) y = LogSoftmax (m)"),
        ("LogSoftmax 'y'",),
    ),
    "softmax over another axis": (
        Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = Gemm (f, d) y = Softmax <axis=0> (m)"),
        ("Softmax 'y'", "class"),
    ),
    "softmax in the middle": (
        Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) s = Softmax (f) y = Gemm (s, d)"),
        ("Gemm 'y'", "Softmax"),
    ),
    "a map as the output": (Source(CONV + "y = Relu (c)", gives="float[N,4,8,8] y"), ("Conv 'c'", "map of 8x8x4")),
    "two outputs": (Source(CONV + TAIL, gives="float[N,5] y, float[N,4,8,8] h"), ("2 outputs", "y, h")),
    "classes reordered": (
        Source(
            CONV + "g = GlobalAveragePool (c) f = Flatten (g) r = Slice (f, im1, backwards, i1, im1) y = Identity (r)",
            gives="float[N,4] y",
        ),
        ("Slice 'r'", "rearranges"),
    ),
    "output without the input": (Source("y = Mul (db, two)", gives="float[5] y"), ("output 'y'", "not computed")),
    # the wrong file
    "quantized": (
        Source("q = QuantizeLinear (x, one) v = DequantizeLinear (q, one) c = Conv (v, w)" + TAIL),
        ("QuantizeLinear 'q'", "already quantized"),
    ),
    "cast to integers": (Source(CONV + "v = Cast <to=6> (c) h = Cast <to=1> (v)" + HEAD), ("Cast 'v'", "float")),
    "dropout in training": (Source(CONV + "h = Dropout (c, ratio, yes)" + HEAD), ("Dropout 'h'", "training mode")),
    "reshape that does not fit": (
        Source(CONV + "g = GlobalAveragePool (c) f = Reshape (g, to_rows) y = Gemm (f, d)"),
        ("Reshape 'f'", "cannot be computed"),
    ),
    "unknown operator": (
        Source(CONV + "h = Concat <axis=1> (c, c)" + HEAD),
        ("Concat 'h'", "not supported", "Linnet reads"),
    ),
    "old opset": (Source(CONV + "h = Relu (c)" + HEAD, opset=6), ("opset 6", "opset 11")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    source, expected = REFUSED[case]
    onnx.save(network(source), tmp_path / "model.onnx")
    message = refusal(tmp_path / "model.onnx")
    for part in expected:
        assert part in message


def test_operators_of_another_domain_are_refused(tmp_path: Path) -> None:
    model = network(CONV + TAIL)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.microsoft", "FusedConv"
    onnx.save(model, tmp_path / "model.onnx")
    assert "com.microsoft.FusedConv 'c'" in refusal(tmp_path / "model.onnx")


# Names, values, precision


def test_names_are_those_of_the_file(tmp_path: Path) -> None:
    model = network(CONV + "n = BatchNormalization (c, gamma, beta, mean, var) r = Relu (n) h = Conv (r, pw)" + HEAD)
    for node in model.graph.node:
        node.name = f"{node.op_type} node"  # twice the same for Conv
    model.graph.node[-1].name = ""
    onnx.save(model, tmp_path / "model.onnx")
    graph = read(tmp_path / "model.onnx")
    check_graph(graph)
    assert [node.name for node in graph.nodes] == ["Conv node", "Conv node_2", "GlobalAveragePool node", "y"]
    assert [node.output for node in graph.nodes] == ["r", "h", "g", "y"]
    assert graph.shapes == {"x": (8, 8, 3), "r": (8, 8, 4), "h": (8, 8, 4), "g": (1, 1, 4), "y": (1, 1, 5)}
    assert (graph.source_input, graph.source_logits, graph.logits) == ("x", "y", "y")


def test_softmax_names_its_logits(tmp_path: Path) -> None:
    onnx.save(
        network(
            CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = Gemm (f, d) v = Reshape (m, to_vec) y = Softmax (v)"
        ),
        tmp_path / "model.onnx",
    )
    graph = check_file(tmp_path / "model.onnx")
    assert (graph.source_logits, graph.logits, graph.output) == ("v", "m", "y")


def test_activations_compose(tmp_path: Path) -> None:
    onnx.save(
        network(CONV + "r = Clip (c, minus, six) s = Max (r, zero) h = Min (s, two)" + HEAD), tmp_path / "model.onnx"
    )
    first = read(tmp_path / "model.onnx").nodes[0]
    assert isinstance(first, Conv) and first.activation == Clamp(0.0, 2.0)


def test_normalization_is_reported_per_channel(tmp_path: Path) -> None:
    model = network("s = Sub (x, chan3) n = Div (s, col3) c = Conv (n, w)" + TAIL)
    constants = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float64).ravel() for tensor in model.graph.initializer
    }
    onnx.save(model, tmp_path / "model.onnx")
    graph = read(tmp_path / "model.onnx")
    assert np.allclose(graph.input_scale, 1 / constants["col3"], rtol=1e-12)
    assert np.allclose(graph.input_shift, -constants["chan3"] / constants["col3"], rtol=1e-12)


def test_half_precision_weights(tmp_path: Path) -> None:
    model = network("v = Cast <to=1> (w) c = Conv (x, v, b)" + TAIL)
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), "w"))
    onnx.save(model, tmp_path / "model.onnx")
    check_file(tmp_path / "model.onnx")


def test_half_precision_network(tmp_path: Path) -> None:
    model = network(Source(CONV + TAIL, given="float16[N,3,8,8] x", gives="float16[N,5] y"))
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    onnx.save(model, tmp_path / "model.onnx")
    check_file(tmp_path / "model.onnx", tolerance=0.01)


def test_functions_of_the_file_are_inlined(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17, "own" : 1]> net (float[N,3,8,8] x) => (float[N,5] y)'
        "{ c = own.block (x, w, b) " + TAIL + "}"
        '<domain: "own", opset_import: ["" : 17]> block (i, k, o) => (r) { a = Conv (i, k, o) r = Relu (a) }'
    )
    model.graph.initializer.extend(network(CONV + TAIL).graph.initializer)
    onnx.save(model, tmp_path / "model.onnx")
    graph = check_file(tmp_path / "model.onnx")
    assert graph.nodes[0].output in ("c", "h")


def _wrong(graph: Graph) -> Iterator[Graph]:
    """Graphs with one mistake each."""

    def with_node(index: int, **changes: Any) -> Graph:
        nodes = list(graph.nodes)
        nodes[index] = dataclasses.replace(nodes[index], **changes)
        return dataclasses.replace(graph, nodes=tuple(nodes))

    for index, node in enumerate(graph.nodes):
        if isinstance(node, Conv):
            yield with_node(index, weights=node.weights * 1.01)
            yield with_node(index, bias=node.bias + 0.01)
            if node.pads == (0, 0, 1, 1):
                yield with_node(index, pads=(1, 1, 0, 0))
        if not isinstance(node, Softmax) and node.activation == Clamp(0.0, 6.0):
            yield with_node(index, activation=Clamp(0.0, 1.0))
    yield dataclasses.replace(graph, input_shift=graph.input_shift + 0.01)


def test_check_folding_sees_mistakes() -> None:
    path = EXPORTERS / "keras_rescaling.onnx"
    wrong = list(_wrong(read(path)))
    assert len(wrong) > 20
    for graph in wrong:
        assert check_folding(path, graph) > 1e-4


# Files that are not what they should be


def test_no_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.onnx")
    assert "no such file" in refusal(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"TFL3" * 99, b"\x08\x08", b"text " * 20], ids=range(5))
def test_not_onnx(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    assert "model.onnx" in refusal(tmp_path / "model.onnx")


def test_external_data_is_read_and_missed(tmp_path: Path) -> None:
    onnx.save(
        network(CONV + TAIL),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="model.data",
        size_threshold=0,
    )
    check_file(tmp_path / "model.onnx")
    (tmp_path / "model.data").unlink()
    assert "external data file" in refusal(tmp_path / "model.onnx")


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    data = network(
        CONV + "n = BatchNormalization (c, gamma, beta, mean, var) q = Pad (n, border) h = Conv (q, pw)" + HEAD
    )
    whole = data.SerializeToString()
    random = np.random.default_rng(5)
    path = tmp_path / "model.onnx"
    damaged = [bytearray(whole[:length]) for length in range(0, len(whole), 37)]
    for position in random.integers(0, len(whole), 300):
        damaged.append(bytearray(whole))
        damaged[-1][position] ^= 1 << int(random.integers(8))
    messages = []
    for content in damaged:
        path.write_bytes(content)
        try:
            check_graph(read(path))
        except LinnetError as error:
            messages.append(str(error))
    assert len(messages) > len(damaged) // 4
    assert all(message and "\n" not in message for message in messages)

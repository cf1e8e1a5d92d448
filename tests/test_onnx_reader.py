"""Reading ONNX: what is folded computes what the file computes; what cannot be is one line with the node's name."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hard_networks import NETWORKS
from onnx import numpy_helper
from onnx_texts import CONV, HEAD, TAIL, Source, check_file, check_graph, network, refusal

from linnet.errors import LinnetError
from linnet_converter.arch import mobilenet_v1, mobilenet_v2
from linnet_converter.float_model import check_folding
from linnet_converter.graph import Clamp, Conv, Graph, Softmax
from linnet_converter.onnx_reader import read

EXPORTERS = Path(__file__).parent / "exporters"
EXPORTED: list[dict[str, Any]] = tomllib.loads((EXPORTERS / "index.toml").read_text())["model"]
ASSETS = os.environ.get("LINNET_ASSETS")
REAL = sorted((Path(ASSETS) / "models").glob("*.onnx")) if ASSETS else []


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

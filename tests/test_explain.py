"""`explain` names the layer that was made to be the culprit, and knows equalized networks."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import converted
import hard_networks
import numpy as np
import onnx
import pytest
from PIL import Image

from linnet import cli
from linnet_converter import arch, explain, explain_report, quantize, recipe
from linnet_converter.arch import NetworkBuilder
from linnet_converter.explain import Explanation
from linnet_converter.graph import Conv
from linnet_converter.recipe import Recipe

PLAIN = recipe.QUALITIES["fast"]
CULPRIT = "Conv_4"


def planted() -> onnx.ModelProto:
    """Four convolutions, one of which computes small differences of large products: weights too coarse for it."""
    net = NetworkBuilder(1, (3, 16, 16))
    x = net.conv(net.input, 8, 3, 2, (0.0, 6.0), bias=np.full(8, 3.0))
    x = net.conv(x, 8, 1, clamp=(0.0, 6.0), weights=np.full((8, 8, 1, 1), 0.1) + net.normal((8, 8, 1, 1), 0.02))
    weights = net.normal((8, 8, 1, 1), 1.0)
    weights -= weights.mean(axis=1, keepdims=True)  # its inputs are nearly equal: only their differences are left
    weights[:, 0] += 20.0
    weights[:, 1] -= 20.0
    x = net.conv(x, 8, 1, weights=weights, bias=np.zeros(8))
    x = net.conv(x, 8, 3, 1, (0.0, float("inf")))
    return net.finish(net.dense(net.flatten(net.pool(x)), 10))


@functools.cache
def explained(detailed: bool) -> Explanation:
    graph = converted.read(planted())
    result = converted.convert(graph, steps=Recipe() if detailed else PLAIN, detailed=detailed)
    stages = result.stages if detailed else ()
    return explain.explain(graph, result.graph, list(converted.pictures(graph, 8, seed=3)), stages)


def test_the_planted_culprit_comes_first() -> None:
    found = explained(False)
    assert found.worst_first[0].name == CULPRIT
    worst = found.worst_first[0]
    others = [layer for layer in found.layers if layer.name != CULPRIT]
    assert worst.share > 50
    assert worst.weights_db < min(layer.weights_db for layer in others) - 6
    assert CULPRIT in explain_report.text(found).splitlines()[4]
    assert found.network_db < worst.network_db + 3
    # the fault is in the weights
    assert found.weights_only_db < found.network_db + 3
    assert found.outputs_only_db > found.network_db + 6


def test_a_range_that_is_too_small_shows_as_clipping() -> None:
    graph = converted.read(hard_networks.odd_sizes())
    result = converted.convert(graph, steps=PLAIN)
    stage = result.stages[-1]
    names = {tensor.name for tensor in result.graph.tensors}
    name = next(n.output for n in graph.nodes if isinstance(n, Conv) and n.activation.is_identity and n.output in names)
    low, high = stage.ranges[name]
    tight = {**stage.ranges, name: (low / 4, high / 4)}
    quantized = quantize.quantize(graph, tight, converted.preprocessing(graph))
    found = explain.explain(graph, quantized, list(converted.pictures(graph, 4, seed=3)))
    worst = found.worst_first[0]
    position = next(i for i, op in enumerate(quantized.ops) if quantized.tensors[op.output].name == name)
    assert worst.name == quantized.ops[position].name
    assert worst.clipped > 1
    assert worst.weights_db > worst.alone_db + 10
    assert all(layer.clipped < 1 for layer in found.worst_first[1:])


def test_dead_channels_are_counted() -> None:
    result = converted.hard("dead_channels", PLAIN)
    found = explain.explain(result.float_graph, result.graph, list(converted.pictures(result.float_graph, 4)))
    # those whose weights are 1e-6 or less
    assert found.layers[0].dead == 6
    assert found.layers[0].channels == 12


@pytest.mark.parametrize("name", ["odd_sizes", "dead_channels", "wide_channel_ranges", "depthwise_first", "tiny_maps"])
def test_equalization_is_read_off_the_weights(name: str) -> None:
    """A finished file does not say how channels were scaled; explain finds the very ratios."""
    result = converted.hard(name)
    matched = explain.matching(result.float_graph, result.graph)
    for ours, made in zip(matched.nodes, result.stages[-1].graph.nodes, strict=True):
        if isinstance(ours, Conv) and isinstance(made, Conv):
            alive = np.abs(ours.bias) + np.abs(ours.weights).sum(axis=(0, 1, 2) if ours.depthwise else (1, 2, 3)) > 1e-3
            np.testing.assert_allclose(ours.gain_of_channels[alive], made.gain_of_channels[alive], rtol=1e-9)


def test_steps_end_where_the_network_is() -> None:
    found = explained(True)
    assert list(found.steps) == ["minmax", "ranges", "equalization", "rounding", "bias correction"]
    assert found.steps["bias correction"] == pytest.approx(found.network_db, abs=1e-6)
    assert found.steps["bias correction"] > found.steps["minmax"] + 3
    assert all(list(layer.steps) == list(found.steps) for layer in found.layers)
    assert "helped most" in explain_report.text(found)


@pytest.mark.parametrize("name", sorted(hard_networks.NETWORKS))
def test_every_hard_network_can_be_explained(name: str) -> None:
    result = converted.hard(name)
    found = explain.explain(result.float_graph, result.graph, list(converted.pictures(result.float_graph, 2)))
    assert len(found.layers) == sum(op.kind.name not in {"input", "softmax"} for op in result.graph.ops)
    assert explain_report.text(found)
    assert explain_report.svg(found, "<a & b>").count("<title>") == len(found.layers)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A network, 12 pictures and its .lnt file."""
    model = hard_networks.odd_sizes()
    onnx.save(model, tmp_path / "m.onnx")
    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(converted.pictures(converted.read(model), 12)):
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path


def test_commands(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, lnt, folder = (str(files / name) for name in ("m.onnx", "m.lnt", "pictures"))
    convert = ["convert", model, "-o", lnt, "--calibrate", folder, "--preprocess", "keras"]
    assert cli.main([*convert, "--explain"]) == 0
    told = capsys.readouterr().out
    assert "bias correction" in told
    assert "only this" in told
    assert cli.main(["explain", lnt, "--against", model, "--images", folder, "--json", "--svg", f"{lnt}.svg"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pictures"] == 12
    assert {"name", "alone_db", "network_db", "weights_db", "clipped", "dead", "low", "high"} <= set(
        report["layers"][0]
    )
    assert Path(f"{lnt}.svg").read_text().startswith("<svg")
    assert cli.main([*convert, "--quality", "fast", "--method", "entropy", "--clip-weights", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["recipe"] == {**vars(replace(PLAIN, method="entropy", clip_weights=True))}
    assert cli.main([*convert, "--equalization", "2"]) == 1


def test_the_wrong_network_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, lnt, folder = (str(files / name) for name in ("m.onnx", "m.lnt", "pictures"))
    assert cli.main(["convert", model, "-o", lnt, "--calibrate", folder, "--preprocess", "keras"]) == 0
    other = str(files / "other.onnx")
    onnx.save(arch.mobilenet_v1(0.35, 32, 5), other)
    assert cli.main(["explain", lnt, "--against", other, "--images", folder]) == 1
    assert "was it made from" in capsys.readouterr().err

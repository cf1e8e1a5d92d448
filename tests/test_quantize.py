"""Networks made to be hard, through quantization: close to float, exact in C, and the guards that they need."""

from __future__ import annotations

import converted
import hard_networks
import numpy as np
import pytest
import random_networks
from test_bytes import assert_equal

from linnet.errors import LinnetError
from linnet.format_gen import DType, OpKind
from linnet_converter import oracle, qdq, quantize
from linnet_converter.graph import Clamp, Conv, FloatArray, Graph
from linnet_converter.quantize import Preprocessing

NAMES = sorted(hard_networks.NETWORKS)


def sqnr(name: str) -> float:
    """Signal over error of the logits in dB, over pictures that were not calibrated on."""
    result = converted.hard(name)
    logits = result.graph.tensors[result.graph.logits]
    signal = error = 0.0
    for picture in converted.pictures(result.float_graph, 12, seed=1):
        reference = converted.float_values(result.float_graph, picture)[result.float_graph.logits].astype(np.float64)
        stored = oracle.run(result.graph, picture)[result.graph.logits]
        signal += float((reference**2).sum())
        error += float(((logits.scale * (stored - float(logits.zero_point)) - reference) ** 2).sum())
    return 10 * np.log10(signal / error) if error else np.inf


FLOORS = {"cancelling_sums": 19.0, "large_biases": 3.0, "wide_channel_ranges": 13.0}
"""What 8 bits per tensor can hold of the networks whose point is to need more; the others reach 25 dB."""


@pytest.mark.parametrize("name", NAMES)
def test_hard_networks_stay_close_to_float(name: str) -> None:
    assert sqnr(name) > FLOORS.get(name, 25.0)


@pytest.mark.parametrize("name", NAMES)
def test_hard_networks_in_c(name: str) -> None:
    result = converted.hard(name)
    for seed in range(3):
        assert_equal(result.graph, result.plans[-1], seed)


def hard_ratio(name: str) -> float:
    """The largest requantization ratio of a network."""
    graph = converted.hard(name).graph
    return max(
        float(op.multiplier.max()) / 2.0 ** (31 - op.shift)
        for op in graph.ops
        if op.multiplier is not None and len(op.inputs) == 1 and graph.tensors[op.output].dtype == DType.int8
    )


def test_ratios_over_one_half_occur() -> None:
    """The hard networks do contain what their names promise."""
    assert max(map(hard_ratio, NAMES)) > 1
    assert any(0.5 <= hard_ratio(name) <= 1 for name in NAMES)


def one_conv(weights: FloatArray, bias: FloatArray, pads: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Graph:
    """(o, h, w, i) weights on an 8x8 picture."""
    out = 8 + pads[0] + pads[2] - weights.shape[1] + 1
    return Graph(
        nodes=(Conv("conv", "input", "out", weights, bias, pads=pads, activation=Clamp(0, 6)),),
        shapes={"input": (8, 8, weights.shape[3]), "out": (out, out, weights.shape[0])},
        input="input",
        output="out",
        input_scale=np.ones(weights.shape[3]),
        input_shift=np.zeros(weights.shape[3]),
        source_input="input",
        source_logits="out",
        source_layout="NHWC",
    )


@pytest.mark.parametrize("mean", [0.0, 127.5, 103.53, 255.0])
def test_the_picture_enters_exactly(mean: float) -> None:
    """One weight, no rounding anywhere but in the output: the result is the float result to half a step."""
    graph = one_conv(np.full((1, 1, 1, 1), 1.0), np.array([0.25]))
    quantized = quantize.quantize(graph, {"out": (0.0, 6.0)}, Preprocessing((mean,), (50.0,)))
    out = quantized.tensors[1]
    for value in range(256):
        picture = np.full((8, 8, 1), value, np.uint8)
        stored = int(oracle.run(quantized, picture)[1][0, 0, 0])
        expected = float(np.clip((value - mean) / 50 + 0.25, 0, 6))
        assert abs(out.scale * (stored - out.zero_point) - expected) <= out.scale * 0.51


def test_padding_is_the_mean() -> None:
    """A picture of the mean is zero to the network: its border must not show."""
    rng = np.random.default_rng(0)
    graph = one_conv(rng.normal(size=(4, 3, 3, 3)), np.full(4, 1.0), pads=(1, 1, 1, 1))
    mean = (124.0, 116.0, 104.0)
    quantized = quantize.quantize(graph, {"out": (0.0, 6.0)}, Preprocessing(mean, (58.0, 57.0, 57.0)))
    picture = np.broadcast_to(np.array(mean, np.uint8), (8, 8, 3))
    out = oracle.run(quantized, picture)[1]
    assert len(np.unique(out.reshape(-1, 4), axis=0)) == 1


def test_relu6_is_the_saturation_itself() -> None:
    graph = one_conv(np.full((1, 1, 1, 1), 1.0), np.zeros(1))
    for high, limit in ((6.0, 127), (12.0, 0), (3.0, 127)):
        quantized = quantize.quantize(graph, {"out": (0.0, high)}, Preprocessing((0.0,), (10.0,)))
        low, top = quantized.ops[1].clamp
        assert (low, quantized.tensors[1].zero_point) == (-128, -128)
        assert abs(top - limit) <= 1


def test_exp_table() -> None:
    table = quantize.exp_table()
    assert (table[0], table[64]) == (2**27, 2**26)
    np.testing.assert_allclose(table, 2.0 ** (27 - np.arange(65) / 64), atol=0.5)


def test_softmax_is_close_to_float() -> None:
    names = [name for name in NAMES if converted.hard(name).graph.ops[-1].kind == OpKind.softmax]
    assert names
    for name in names:
        graph = converted.hard(name).graph
        values = oracle.run(graph, random_networks.picture(graph, 0))
        logits = values[graph.logits].ravel() * graph.tensors[graph.logits].scale
        expected = np.exp(logits - logits.max())
        computed = values[graph.ops[-1].output].ravel() * 2.0**-30
        np.testing.assert_allclose(computed, expected / expected.sum(), atol=1e-5, rtol=1e-4)


def test_quantization_is_deterministic() -> None:
    graph = converted.read(hard_networks.NETWORKS[NAMES[0]]())
    assert converted.convert(graph).data == converted.convert(graph).data


def test_twin_holds_the_files_integers() -> None:
    graph = converted.hard(NAMES[0]).graph
    stored = {item.name: item for item in qdq.to_onnx(graph).graph.initializer}
    for op in graph.ops:
        if op.weights is not None:
            assert op.weights.size == np.prod(stored[f"{op.name}:weights:int8"].dims)


@pytest.mark.parametrize(
    ("weights", "pads", "message"),
    [
        (np.ones((1, 17, 1, 1)), (8, 0, 8, 0), "at most 16"),
        (np.ones((1, 1, 1, 1)), (1, 1, 1, 1), "pads so much"),
        (np.full((1, 1, 1, 1), 1e36), (0, 0, 0, 0), "cannot be quantized"),
    ],
)
def test_what_the_file_has_no_room_for_is_named(
    weights: FloatArray, pads: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(LinnetError, match=f"(conv|out): .*{message}"):
        quantize.quantize(one_conv(weights, np.zeros(1), pads), {"out": (0.0, 1e36)}, Preprocessing((0.0,), (1.0,)))

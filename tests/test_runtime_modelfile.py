"""The reader of .lnt files in Python."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import small_networks

from linnet.errors import LinnetError
from linnet.format_gen import Family, InputKind, OpKind
from linnet.modelfile import ModelFile
from linnet_converter import lnt_file, planner

GRAPH = small_networks.classifier(
    softmax=True, labels=("ein", "zwei", "drei", "vier", "fünf", "6", "7", "8", "9", "十")
)
DATA = small_networks.lnt(GRAPH)


def test_fields() -> None:
    file = ModelFile(DATA)
    plan = planner.plan(GRAPH)
    assert file.version == 1
    assert file.file_bytes == len(DATA)
    assert file.input_kind is InputKind.pixels
    assert file.labels == GRAPH.labels
    assert file.op_names == tuple(op.name for op in GRAPH.ops)
    assert file.tensor_names == tuple(tensor.name for tensor in GRAPH.tensors)
    assert (file.mean, file.std) == (GRAPH.mean, GRAPH.std)
    assert file.producer
    assert [file.op_kind(i) for i in range(len(GRAPH.ops))] == [op.kind for op in GRAPH.ops]
    assert [tuple(t)[:3] for t in file.tensors[["height", "width", "channels"]]] == [t.shape for t in GRAPH.tensors]
    (found,) = file.plans
    assert found.family is Family.ref
    assert found.arena_bytes == plan.arena_bytes
    assert found.steps["op"].tolist() == [step.op for step in plan.steps]
    assert found.placements["offset"].tolist() == [placement.offset for placement in plan.placements]


def test_weights_lie_where_operators_point() -> None:
    file = ModelFile(DATA)
    for op, record in zip(GRAPH.ops, file.ops, strict=True):
        if op.weights is not None:
            start = int(record["weights"])
            stored = file.data[start : start + op.weights.size].view(np.int8)
            np.testing.assert_array_equal(stored, op.weights.ravel())
            assert start % 16 == 0


def test_lnt_file_read_gives_what_was_written() -> None:
    graph, plans = lnt_file.read(DATA)
    assert plans == (planner.plan(GRAPH),)
    assert graph.labels == GRAPH.labels
    assert [op.kind for op in graph.ops] == [op.kind for op in GRAPH.ops]


def test_arrays_are_read_only_views() -> None:
    file = ModelFile(bytearray(DATA))
    with pytest.raises(ValueError, match="read-only"):
        file.ops["shift"] = 1


def test_names_may_be_missing() -> None:
    file = ModelFile(DATA)
    file.op_names = ("input", "")
    assert [file.op_name(i) for i in range(3)] == ["input", "operator 1", "operator 2"]


def test_bytes_after_the_model_do_not_matter() -> None:
    assert ModelFile(DATA + b"\xff" * 100).file_bytes == len(DATA)


@pytest.mark.parametrize("length", [*range(200), *range(200, len(DATA), 37)])
def test_cut_short(length: int) -> None:
    with pytest.raises(LinnetError):
        ModelFile(DATA[:length])


def test_a_flipped_bit_is_noticed() -> None:
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(DATA), 200):
        damaged = bytearray(DATA)
        damaged[at] ^= 1 << rng.integers(0, 8)
        with pytest.raises(LinnetError):
            ModelFile(damaged)


def test_a_hostile_file_is_an_error_or_an_answer() -> None:
    """Bytes changed and the CRC made to fit: no other exception than LinnetError."""
    rng = np.random.default_rng(1)
    refused = 0
    for at in [*range(len(DATA) // 2), *rng.integers(0, len(DATA), 500)]:
        damaged = bytearray(DATA)
        damaged[at] = rng.integers(0, 256)
        try:
            sealed = lnt_file.seal(bytes(damaged))
        except (struct.error, ValueError):
            sealed = bytes(damaged)
        try:
            file = ModelFile(sealed)
            for i in range(len(file.ops)):
                file.op_name(i)
                file.op_kind(i)
        except LinnetError:
            refused += 1
    assert refused


def test_not_a_model() -> None:
    with pytest.raises(LinnetError, match="not a Linnet model"):
        ModelFile(b"\x89PNG\r\n\x1a\n" + bytes(100))


def test_another_version_says_what_to_do() -> None:
    newer = bytearray(DATA)
    struct.pack_into("<I", newer, lnt_file.header_offset(DATA), 7)
    with pytest.raises(LinnetError, match="format version 7, this package reads 1: convert it anew"):
        ModelFile(newer)


def test_strings_that_share_bytes_cannot_exhaust_memory() -> None:
    long = "x" * len(DATA)
    data = bytearray(small_networks.lnt(small_networks.classifier(labels=[long, "short"])))
    text = data.index(long.encode()) - 4
    first = next(i for i in range(0, len(data) - 4, 4) if i + struct.unpack_from("<I", data, i)[0] == text)
    assert ModelFile(data).labels == (long, "short")
    struct.pack_into("<I", data, first + 4, text - first - 4)  # the second label is the first one too
    with pytest.raises(LinnetError, match="a string leaves the file"):
        ModelFile(lnt_file.seal(bytes(data)))


def test_operator_kinds_that_do_not_exist() -> None:
    file = ModelFile(DATA)
    file.ops = file.ops.copy()
    file.ops["kind"][1] = 200
    assert file.op_kind(0) is OpKind.input
    with pytest.raises(LinnetError, match="operator kind 200"):
        file.op_kind(1)

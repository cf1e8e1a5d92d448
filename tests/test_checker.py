"""lnt_open refuses, with the right code, every file in which one thing is wrong; the CRC is made right each time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import random_networks
import small_networks

from linnet import _native
from linnet.format_gen import OpKind, Version
from linnet.modelfile import ModelFile
from linnet_converter import lnt_file, planner
from linnet_converter.plan import Plan, Step

ALIGN, TRUNCATED, NOT_A_MODEL, VERSION, CRC, FORMAT, TENSOR, OPERATOR, NO_PLAN, PLACEMENT, STEP, ARENA = range(
    -2, -14, -1
)

GRAPH = small_networks.classifier(softmax=True)
PLAN = planner.plan(GRAPH)
DATA = lnt_file.write(GRAPH, [PLAN])

CONV = 1
EXPAND, DEPTHWISE, PROJECT = 2, 3, 4
POOL, DENSE, SOFTMAX = -3, -2, -1


def code(data: bytes, *, arena_bytes: int | None = None, offset: int = 0) -> int:
    """What lnt_open answers; offset: how far the model is from an aligned address."""
    native = _native.library()
    model = _native.aligned(len(data) + _native.ALIGN)[offset : offset + len(data)]
    model[:] = np.frombuffer(data, np.uint8)
    arena = _native.aligned(1 << 16)
    net = _native.aligned(native.lnt_net_bytes())
    size = arena.size if arena_bytes is None else arena_bytes
    return int(
        native.lnt_open(
            _native.ffi.cast("lnt_net *", _native.pointer(net)),
            _native.pointer(model),
            len(data),
            _native.pointer(arena),
            size,
        )
    )


def patched(change: Callable[[ModelFile], None]) -> bytes:
    """The file with some fields overwritten, sealed anew."""
    copy = bytearray(DATA)
    file = ModelFile(copy)
    change(file)
    return lnt_file.seal(bytes(copy))


def writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory, which ModelFile hands out read-only."""
    memory = _native.ffi.buffer(_native.ffi.cast("char *", array.ctypes.data), array.nbytes)
    return np.frombuffer(memory, array.dtype)


def test_the_file_itself_is_accepted() -> None:
    assert code(DATA) == 0
    assert code(lnt_file.seal(DATA)) == 0
    assert code(DATA + bytes(5)) == 0, "flash may hold more behind the model"


def test_files_of_any_length() -> None:
    """The CRC reads words: bytes behind the last whole one count too."""
    for more in range(1, 8):
        longer = lnt_file.seal(DATA + bytes(range(1, more + 1)))
        assert code(longer) == 0
        for place in range(len(DATA), len(longer)):
            damaged = bytearray(longer)
            damaged[place] ^= 0x40
            assert code(bytes(damaged)) == CRC


def test_memory_that_does_not_fit() -> None:
    assert code(DATA, offset=4) == ALIGN
    assert code(DATA, arena_bytes=PLAN.arena_bytes - 1) == ARENA
    assert code(DATA, arena_bytes=PLAN.arena_bytes) == 0


def test_the_frame() -> None:
    assert code(DATA[:-1]) == TRUNCATED
    assert code(DATA[:7]) == TRUNCATED
    assert code(DATA[:4] + b"LNT0" + DATA[8:]) == NOT_A_MODEL
    flipped = bytearray(DATA)
    flipped[-1] ^= 1
    assert code(bytes(flipped)) == CRC
    other = bytearray(DATA)
    struct.pack_into("<I", other, lnt_file.header_offset(DATA), Version.current + 1)
    assert code(bytes(other)) == VERSION


def op_change(index: int, field: str, value: int) -> bytes:
    return patched(lambda file: writable(file.ops)[index].__setitem__(field, value))


def tensor_change(index: int, field: str, value: int) -> bytes:
    return patched(lambda file: writable(file.tensors)[index].__setitem__(field, value))


def data_change(op: int, field: str, value: int) -> bytes:
    """Overwrite the first int32 that an operator's offset points to."""

    def change(file: ModelFile) -> None:
        at = int(file.ops[op][field])
        writable(file.data)[at : at + 4] = np.frombuffer(struct.pack("<i", value), np.uint8)

    return patched(change)


def bias_limit(op: int) -> int:
    graph_op = GRAPH.ops[op]
    assert graph_op.weights is not None
    channels = GRAPH.tensors[graph_op.output].shape[2]
    return ((2**31 - 1) >> graph_op.shift) - 16384 * (graph_op.weights.size // channels)


@pytest.mark.parametrize("op", [CONV, EXPAND, DEPTHWISE, PROJECT, DENSE])
def test_sums_may_use_all_of_32_bits_and_no_more(op: int) -> None:
    limit = bias_limit(op)
    for bias, expected in ((limit, 0), (-limit, 0), (limit + 1, OPERATOR), (-limit - 1, OPERATOR)):
        assert code(data_change(op, "bias", bias)) == expected
    assert code(data_change(op, "multiplier", 2**30 - 1)) == 0
    assert code(data_change(op, "multiplier", 2**30)) == OPERATOR
    assert code(data_change(op, "multiplier", -1)) == OPERATOR


@pytest.mark.parametrize(
    ("op", "field", "value"),
    [
        (CONV, "kind", 99),
        (CONV, "kind", OpKind.input),
        (CONV, "kind", OpKind.depthwise),
        (CONV, "reserved", 1),
        (CONV, "shift", 31),
        (CONV, "kernel_h", 0),
        (CONV, "stride_w", 0),
        (CONV, "stride_h", 9),
        (CONV, "pad_top", 3),
        (CONV, "pad_left", 3),
        (CONV, "weights", 2**31),
        (CONV, "weights", 2**32 - 1),
        (CONV, "bias", 2**32 - 4),
        (CONV, "bias", 1),
        (CONV, "pad_values", 2**32 - 1),
        (CONV, "input", 99),
        (CONV, "output", 99),
        (CONV, "output", 0),
        (CONV, "input2", 0),
        (EXPAND, "kernel_h", 3),
        (EXPAND, "state", 0),
        (EXPAND, "input", 5),
        (PROJECT, "factor", 2**15),
        (PROJECT, "factor", -1),
        (PROJECT, "offset", 2**30 + 1),
        (PROJECT, "offset", -(2**31)),
        (PROJECT, "input2", 0),
        (POOL, "factor", 2**30),
        (POOL, "offset", 2**31 - 1),
        (POOL, "state", 0xFFFF),
        (DENSE, "input2", 1),
        (SOFTMAX, "shift", 64),
        (SOFTMAX, "factor", -1),
        (SOFTMAX, "weights", 2),
    ],
)
def test_operators(op: int, field: str, value: int) -> None:
    assert code(op_change(op, field, value)) == OPERATOR


def test_clamp_must_not_be_empty() -> None:
    def change(file: ModelFile) -> None:
        ops = writable(file.ops)
        ops[EXPAND]["clamp_min"], ops[EXPAND]["clamp_max"] = 5, 4

    assert code(patched(change)) == OPERATOR


@pytest.mark.parametrize("first", [0, 2**27 - 1, 2**28])
def test_softmax_table(first: int) -> None:
    """T[0] is 2^27, so that the sum is never zero."""
    assert code(data_change(SOFTMAX, "weights", first)) == OPERATOR


@pytest.mark.parametrize(
    ("tensor", "field", "value"),
    [
        (1, "height", 0),
        (1, "channels", 0),
        (1, "zero_point", 128),
        (1, "zero_point", -129),
        (1, "dtype", 2),
        (1, "reserved", 1),
    ],
)
def test_tensors(tensor: int, field: str, value: int) -> None:
    assert code(tensor_change(tensor, field, value)) == TENSOR


def test_a_tensor_whose_shape_does_not_fit_its_operator() -> None:
    assert code(tensor_change(2, "channels", 17)) == OPERATOR
    assert code(tensor_change(2, "height", 65535)) == OPERATOR


def placement_change(index: int, field: str, value: int) -> bytes:
    return patched(lambda file: writable(file.plans[0].placements)[index].__setitem__(field, value))


@pytest.mark.parametrize(
    ("tensor", "field", "value"),
    [
        (1, "offset", 2**32 - 1),
        (1, "offset", PLAN.arena_bytes),
        (1, "rows", 0),
        (1, "rows", 65535),
        (1, "row_bytes", 1),
        (1, "row_bytes", 2**31),
        (1, "layout", 7),
        (1, "reserved", 1),
        (-1, "offset", 2),
    ],
)
def test_placements(tensor: int, field: str, value: int) -> None:
    assert code(placement_change(tensor, field, value)) == PLACEMENT


def with_plan(plan: Plan) -> int:
    return code(lnt_file.write(GRAPH, [plan]))


def test_steps_must_be_complete_and_in_order() -> None:
    steps = PLAN.steps
    assert with_plan(replace(PLAN, steps=steps[:-1])) == STEP, "no answer"
    assert with_plan(replace(PLAN, steps=steps[1:])) == STEP, "no input"
    assert with_plan(replace(PLAN, steps=steps[::-1])) == STEP
    for missing in range(len(steps)):
        assert with_plan(replace(PLAN, steps=steps[:missing] + steps[missing + 1 :])) == STEP, f"step {missing} missing"
    assert with_plan(replace(PLAN, steps=(*steps, Step(len(GRAPH.ops), 0, 1)))) == STEP, "unknown operator"
    assert with_plan(replace(PLAN, steps=(*steps, Step(1, 0, 0)))) == STEP, "no rows"
    assert with_plan(replace(PLAN, steps=(*steps, Step(1, 6, 1)))) == STEP, "rows beyond the tensor"
    assert with_plan(replace(PLAN, steps=())) == FORMAT


def test_rings_must_be_tall_enough() -> None:
    """Every ring one row shorter loses a row that is still wanted."""
    for index, placement in enumerate(PLAN.placements):
        if placement.rows > 1:
            shorter = list(PLAN.placements)
            shorter[index] = replace(placement, rows=placement.rows - 1)
            assert with_plan(replace(PLAN, placements=tuple(shorter))) < 0, f"tensor {index}"


@pytest.mark.parametrize("seed", range(10))
def test_what_is_accepted_after_a_random_move_is_right(seed: int) -> None:
    """Tensors moved anywhere in the arena: refused, or the bytes are those of the oracle."""
    from test_bytes import assert_equal

    rng = np.random.default_rng(seed)
    graph = random_networks.network(seed)
    plan = planner.plan(graph)
    accepted = 0
    for _ in range(60):
        placements = list(plan.placements)
        index = int(rng.integers(len(placements)))
        item = placements[index]
        room = plan.arena_bytes - item.rows * item.row_bytes
        placements[index] = replace(item, offset=int(rng.integers(0, room + 1)) // 4 * 4)
        moved = replace(plan, placements=tuple(placements))
        if code(lnt_file.write(graph, [moved])) == 0:
            accepted += 1
            assert_equal(graph, moved, seed)
    assert accepted < 60


def test_a_file_without_a_plan() -> None:
    assert code(lnt_file.write(GRAPH, [])) == NO_PLAN

"""Write and read .lnt files: the quantized network and its plans as FlatBuffers (docs/format.md).

The same network and plans give the same bytes.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import Protocol

import flatbuffers
import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.format_gen import (
    HEADER_DTYPE,
    OP_DTYPE,
    PLACEMENT_DTYPE,
    STEP_DTYPE,
    TENSOR_DTYPE,
    DType,
    Family,
    InputKind,
    Layout,
    ModelField,
    OpKind,
    PlanField,
    PreprocessingField,
    Version,
)
from linnet.modelfile import FilePlan, ModelFile

from .plan import Placement, Plan, Step
from .qgraph import QGraph, QOp, QTensor

NONE = 0xFFFF
WEIGHT_ALIGNMENT = 16
PRODUCER = "linnet"

_CRC_OFFSET = 8  # of Header.crc within the header


class _Data:
    """The blob that operators point into."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def add(self, array: npt.NDArray[np.generic] | None) -> int:
        if array is None:
            return 0
        alignment = WEIGHT_ALIGNMENT if array.itemsize == 1 else array.itemsize
        self.bytes += bytes(-len(self.bytes) % alignment)
        offset = len(self.bytes)
        self.bytes += array.astype(array.dtype.newbyteorder("<")).tobytes()
        return offset


def _tensor_record(tensor: QTensor) -> tuple[float, ...]:
    return (*tensor.shape, tensor.dtype, 0, tensor.zero_point, tensor.scale)


def _op_record(op: QOp, data: _Data, packed: bytes) -> tuple[int, ...]:
    source = op.inputs[0] if op.inputs else NONE
    second = op.inputs[1] if len(op.inputs) > 1 else NONE
    return (
        op.kind,
        op.shift,
        *op.kernel,
        *op.stride,
        *op.pad,
        *op.clamp,
        source,
        second,
        op.output,
        NONE if op.state is None else op.state,
        0,
        data.add(np.frombuffer(packed, np.int8) if packed else op.weights if op.table is None else op.table),
        data.add(op.bias),
        data.add(op.multiplier),
        data.add(op.pad_values),
        op.factor,
        op.factor2,
        op.offset,
    )


def _vector(builder: flatbuffers.Builder, raw: bytes, count: int, size: int, alignment: int) -> int:
    """A vector of `count` structs (or bytes) given as their raw bytes; the package itself has none for structs."""
    builder.StartVector(size, count, alignment)
    builder.head = builder.head - len(raw)
    builder.Bytes[builder.head : builder.head + len(raw)] = raw
    return int(builder.EndVector())


def _structs(builder: flatbuffers.Builder, records: Sequence[tuple[float, ...]], dtype: npt.DTypeLike) -> int:
    array = np.array(list(records), dtype=dtype)
    return _vector(builder, array.tobytes(), len(array), array.itemsize, 4)


def _strings(builder: flatbuffers.Builder, texts: Sequence[str]) -> int:
    offsets = [builder.CreateString(text) for text in texts]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _table(builder: flatbuffers.Builder, slots: int, offsets: dict[int, int]) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _plan(builder: flatbuffers.Builder, plan: Plan) -> int:
    placements = _structs(
        builder, [(p.offset, p.row_bytes, p.rows, p.layout, 0) for p in plan.placements], PLACEMENT_DTYPE
    )
    steps = _structs(builder, [(s.op, s.y, s.n, 0, s.scratch) for s in plan.steps], STEP_DTYPE)
    builder.StartObject(len(PlanField))
    builder.PrependUint8Slot(PlanField.family, plan.family, 0)
    builder.PrependUint32Slot(PlanField.arena_bytes, plan.arena_bytes, 0)
    builder.PrependUOffsetTRelativeSlot(PlanField.placements, placements, 0)
    builder.PrependUOffsetTRelativeSlot(PlanField.steps, steps, 0)
    return int(builder.EndObject())


class Packed(Protocol):
    """Constants as the kernels of a family want them."""

    def constants(self, op: int) -> bytes:
        """Those of one operator; empty: as docs/format.md has them."""


def write(graph: QGraph, plans: Sequence[Plan], packed: Packed | None = None) -> bytes:
    """The file's bytes for a network and its plans, the fastest first.

    packed: where the plans' family is not `ref`, what takes the place of the weights.
    """
    builder = flatbuffers.Builder(1 << 16)
    data = _Data()
    ops = [_op_record(op, data, packed.constants(i) if packed else b"") for i, op in enumerate(graph.ops)]
    preprocessing = _table(
        builder,
        len(PreprocessingField),
        {
            PreprocessingField.mean: builder.CreateNumpyVector(np.array(graph.mean, np.float32)),
            PreprocessingField.std: builder.CreateNumpyVector(np.array(graph.std, np.float32)),
        },
    )
    plan_offsets = [_plan(builder, plan) for plan in plans]
    builder.StartVector(4, len(plan_offsets), 4)
    for offset in reversed(plan_offsets):
        builder.PrependUOffsetTRelative(offset)
    offsets = {
        ModelField.plans: int(builder.EndVector()),
        ModelField.tensors: _structs(builder, [_tensor_record(t) for t in graph.tensors], TENSOR_DTYPE),
        ModelField.ops: _structs(builder, ops, OP_DTYPE),
        ModelField.labels: _strings(builder, graph.labels),
        ModelField.op_names: _strings(builder, [op.name for op in graph.ops]),
        ModelField.tensor_names: _strings(builder, [tensor.name for tensor in graph.tensors]),
        ModelField.preprocessing: preprocessing,
        ModelField.producer: builder.CreateString(PRODUCER),
        ModelField.data: _vector(builder, bytes(data.bytes), len(data.bytes), 1, WEIGHT_ALIGNMENT),
    }
    builder.StartObject(len(ModelField))
    builder.Prep(4, HEADER_DTYPE.itemsize)
    for _ in range(HEADER_DTYPE.itemsize // 4):
        builder.PrependUint32(0)
    builder.PrependStructSlot(ModelField.header, builder.Offset(), 0)
    builder.PrependUint8Slot(ModelField.input_kind, graph.input_kind, 0)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    builder.Finish(builder.EndObject(), b"LNT1")
    return seal(bytes(builder.Output()))


def header_offset(data: bytes) -> int:
    """Where the header lies in a file."""
    root = struct.unpack_from("<I", data, 0)[0]
    vtable = root - struct.unpack_from("<i", data, root)[0]
    return int(root + struct.unpack_from("<H", data, vtable + 4 + 2 * ModelField.header)[0])


def seal(data: bytes) -> bytes:
    """The same bytes with version, length and CRC filled in."""
    at = header_offset(data)
    sealed = bytearray(data)
    struct.pack_into("<III", sealed, at, Version.current, len(sealed), 0)
    struct.pack_into("<I", sealed, at + _CRC_OFFSET, zlib.crc32(sealed))
    return bytes(sealed)


_WEIGHT_KINDS = (OpKind.conv, OpKind.depthwise, OpKind.pointwise, OpKind.fully_connected)


def _read_op(name: str, record: np.void, tensors: Sequence[QTensor], data: npt.NDArray[np.uint8]) -> QOp:
    def array(offset: str, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.generic]:
        start = int(record[offset])
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if start + size > len(data):
            raise LinnetError(f"damaged model: {name}: its {offset} leave the file")
        return data[start : start + size].view(dtype).reshape(shape)

    kind = OpKind(int(record["kind"]))
    inputs = tuple(int(record[key]) for key in ("input", "input2") if record[key] != NONE)
    output = int(record["output"])
    kernel = (int(record["kernel_h"]), int(record["kernel_w"]))
    arrays = {}
    if kind in _WEIGHT_KINDS:
        channels_in, channels_out = tensors[inputs[0]].shape[2], tensors[output].shape[2]
        shapes = {
            OpKind.conv: (channels_out, *kernel, channels_in),
            OpKind.depthwise: (*kernel, channels_out),
        }
        arrays["weights"] = array("weights", shapes.get(kind, (channels_out, channels_in)), "i1")
        arrays["bias"] = array("bias", (channels_out,), "<i4")
        arrays["multiplier"] = array("multiplier", (channels_out,), "<i4")
        if kind == OpKind.conv:
            arrays["pad_values"] = array("pad_values", (channels_in,), "i1")
    elif kind == OpKind.softmax:
        arrays["table"] = array("weights", (65,), "<u4")
    scalars = {key: int(record[key]) for key in ("shift", "factor", "factor2", "offset")}
    return QOp(
        name=name,
        kind=kind,
        inputs=inputs,
        output=output,
        state=None if record["state"] == NONE else int(record["state"]),
        kernel=kernel,
        stride=(int(record["stride_h"]), int(record["stride_w"])),
        pad=(int(record["pad_top"]), int(record["pad_left"])),
        clamp=(int(record["clamp_min"]), int(record["clamp_max"])),
        **arrays,  # type: ignore[arg-type]  # each key is a field of its own array type
        **scalars,  # type: ignore[arg-type]
    )


def read(data: bytes) -> tuple[QGraph, tuple[Plan, ...]]:
    """Network and plans of a file's bytes.

    Raises LinnetError where the file is damaged; only `linnet.load` (that is, lnt_open) checks it in full. And where
    its constants are packed for a family: nothing undoes that.
    """
    file = ModelFile(data)
    if any(plan.family != Family.ref for plan in file.plans):
        raise LinnetError(f"the model is packed for {file.plans[0].family.name}: give the file it was made from")
    try:
        return _graph(file), tuple(_plan_of(plan) for plan in file.plans)
    except (IndexError, KeyError, ValueError) as error:
        raise LinnetError(f"damaged model: its parts do not fit together ({error})") from error


def _graph(file: ModelFile) -> QGraph:
    tensors = tuple(
        QTensor(
            name=name,
            shape=(int(t["height"]), int(t["width"]), int(t["channels"])),
            scale=float(t["scale"]),
            zero_point=int(t["zero_point"]),
            dtype=DType(int(t["dtype"])),
        )
        for name, t in zip(file.tensor_names, file.tensors, strict=True)
    )
    return QGraph(
        tensors=tensors,
        ops=tuple(_read_op(name, op, tensors, file.data) for name, op in zip(file.op_names, file.ops, strict=True)),
        input_kind=InputKind(file.input_kind),
        mean=tuple(file.mean),
        std=tuple(file.std),
        labels=tuple(file.labels),
    )


def _plan_of(plan: FilePlan) -> Plan:
    return Plan(
        family=plan.family,
        arena_bytes=plan.arena_bytes,
        placements=tuple(
            Placement(int(p["offset"]), int(p["rows"]), int(p["row_bytes"]), Layout(int(p["layout"])))
            for p in plan.placements
        ),
        steps=tuple(Step(int(s["op"]), int(s["y"]), int(s["n"]), int(s["scratch"])) for s in plan.steps),
    )

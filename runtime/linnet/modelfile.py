"""Read a .lnt file's fields: a small bounded FlatBuffers reader. docs/format.md explains every field.

It makes sure that nothing outside the file is read and that the file is the one that was written (length, CRC). Whether
the network in it can be run is for lnt_open, the only full check.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.format_gen import (
    OP_DTYPE,
    PLACEMENT_DTYPE,
    STEP_DTYPE,
    TENSOR_DTYPE,
    Family,
    InputKind,
    ModelField,
    OpKind,
    PlanField,
    PreprocessingField,
    Version,
)

Records = npt.NDArray[np.void]
_Item = TypeVar("_Item")

IDENTIFIER = b"LNT1"
HEADER_FIELDS = ("version", "file_bytes", "crc")


class _Flat:
    """Bounded reads at positions in a FlatBuffer. Positions are bytes from the start; 0 stands for "absent"."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.text_left = len(data)  # so that strings sharing their bytes cannot ask for more memory than the file has

    def number(self, form: str, at: int) -> int:
        if not 0 <= at <= len(self.data) - struct.calcsize(form):
            raise LinnetError("damaged model: an offset leaves the file")
        return int(struct.unpack_from(form, self.data, at)[0])

    def follow(self, at: int) -> int:
        """Position that the unsigned offset at `at` points to."""
        return at + self.number("<I", at)

    def field(self, table: int, slot: int) -> int:
        """Position of a table's field, or 0 where it is absent."""
        vtable = table - self.number("<i", table)
        entry = 4 + 2 * slot
        if entry + 2 > self.number("<H", vtable):
            return 0
        offset = self.number("<H", vtable + entry)
        return table + offset if offset else 0

    def scalar(self, table: int, slot: int, form: str) -> int:
        at = self.field(table, slot)
        return self.number(form, at) if at else 0

    def array(self, table: int, slot: int, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
        """A vector of scalars or structs, read-only and without a copy; empty where absent."""
        form = np.dtype(dtype)
        at = self.field(table, slot)
        if not at:
            return np.empty(0, form)
        vector = self.follow(at)
        count = self.number("<I", vector)
        if count * form.itemsize > len(self.data) - vector - 4:
            raise LinnetError("damaged model: a vector leaves the file")
        return np.frombuffer(self.data, form, count, vector + 4)

    def items(self, table: int, slot: int, read: Callable[[int], _Item]) -> tuple[_Item, ...]:
        """A vector of offsets, each read where it points to."""
        at = self.field(table, slot)
        if not at:
            return ()
        vector = self.follow(at)
        offsets = len(self.array(table, slot, "<u4"))
        return tuple(read(self.follow(vector + 4 + 4 * i)) for i in range(offsets))

    def string(self, at: int) -> str:
        count = self.number("<I", at)
        self.text_left -= count
        if count > len(self.data) - at - 4 or self.text_left < 0:
            raise LinnetError("damaged model: a string leaves the file")
        try:
            return str(self.data[at + 4 : at + 4 + count], "utf-8")
        except UnicodeDecodeError as error:
            raise LinnetError("damaged model: a string is not UTF-8") from error


@dataclass(frozen=True)
class FilePlan:
    """One plan as the file holds it: placements are PLACEMENT_DTYPE, steps STEP_DTYPE, both (n,)."""

    family: Family
    arena_bytes: int
    placements: Records
    steps: Records


class ModelFile:
    """The fields of a .lnt file.

    tensors, ops: structured arrays (n,) of TENSOR_DTYPE and OP_DTYPE.  data: uint8 (bytes,), what operators' offsets
    point into.  labels, op_names, tensor_names: text, empty where the file has none.  mean, std: per input channel, x =
    (pixel - mean) / std, empty where the input is no picture.  All arrays are read-only views of the file's bytes.
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        """Raises LinnetError for anything that is not a whole, unchanged file of this package's version."""
        flat = _Flat(memoryview(data).toreadonly().cast("B"))
        if len(flat.data) < 8 or flat.data[4:8] != IDENTIFIER:
            raise LinnetError("not a Linnet model (no LNT1 identifier): convert one with `linnet convert`")
        root = flat.follow(0)
        self.version, self.file_bytes, self.crc = _header(flat, root)
        self.input_kind = _known(InputKind, flat.scalar(root, ModelField.input_kind, "<B"), "input kind")
        self.tensors: Records = flat.array(root, ModelField.tensors, TENSOR_DTYPE)  # type: ignore[assignment]
        self.ops: Records = flat.array(root, ModelField.ops, OP_DTYPE)  # type: ignore[assignment]
        self.data: npt.NDArray[np.uint8] = flat.array(root, ModelField.data, "u1")  # type: ignore[assignment]
        plans = flat.items(root, ModelField.plans, lambda at: _plan(flat, at))
        self.plans = tuple(plan for plan in plans if plan is not None)
        self.labels = flat.items(root, ModelField.labels, flat.string)
        self.op_names = flat.items(root, ModelField.op_names, flat.string)
        self.tensor_names = flat.items(root, ModelField.tensor_names, flat.string)
        preprocessing = flat.field(root, ModelField.preprocessing)
        self.mean, self.std = _floats(flat, flat.follow(preprocessing)) if preprocessing else ((), ())
        producer = flat.field(root, ModelField.producer)
        self.producer = flat.string(flat.follow(producer)) if producer else ""

    def op_name(self, index: int) -> str:
        """Name of an operator in the source graph, or "operator 7" where the file does not say."""
        name = self.op_names[index] if index < len(self.op_names) else ""
        return name or f"operator {index}"

    def op_kind(self, index: int) -> OpKind:
        """What an operator computes."""
        return _known(OpKind, int(self.ops[index]["kind"]), "operator kind")


_Enum = TypeVar("_Enum", InputKind, OpKind)


def _known(enum: type[_Enum], value: int, what: str) -> _Enum:
    try:
        return enum(value)
    except ValueError as error:
        raise LinnetError(f"damaged model: {what} {value} does not exist") from error


def _header(flat: _Flat, root: int) -> tuple[int, int, int]:
    at = flat.field(root, ModelField.header)
    if not at:
        raise LinnetError("damaged model: it has no header")
    version, file_bytes, crc = (flat.number("<I", at + 4 * i) for i in range(len(HEADER_FIELDS)))
    if version != Version.current:
        raise LinnetError(
            f"the model has format version {version}, this package reads {Version.current.value}: convert it anew"
        )
    if file_bytes > len(flat.data):
        raise LinnetError(f"the model is cut short: {len(flat.data)} of {file_bytes} bytes")
    flat.data = flat.data[:file_bytes]  # what follows in flash is not the model's
    at += 4 * HEADER_FIELDS.index("crc")
    if zlib.crc32(flat.data[at + 4 :], zlib.crc32(bytes(4), zlib.crc32(flat.data[:at]))) != crc:
        raise LinnetError("damaged model: its CRC does not match its bytes")
    return version, file_bytes, crc


def _floats(flat: _Flat, table: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, std = (flat.array(table, slot, "<f4") for slot in (PreprocessingField.mean, PreprocessingField.std))
    return tuple(mean.tolist()), tuple(std.tolist())


def _plan(flat: _Flat, table: int) -> FilePlan | None:
    """None for a kernel family that came after this package."""
    family = flat.scalar(table, PlanField.family, "<B")
    if family not in {known.value for known in Family}:
        return None
    return FilePlan(
        family=Family(family),
        arena_bytes=flat.scalar(table, PlanField.arena_bytes, "<I"),
        placements=flat.array(table, PlanField.placements, PLACEMENT_DTYPE),  # type: ignore[arg-type]
        steps=flat.array(table, PlanField.steps, STEP_DTYPE),  # type: ignore[arg-type]
    )

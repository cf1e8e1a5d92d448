"""What the C library of this machine says of a network's kernels in any family, also one that cannot run here."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence

import numpy as np

from linnet import _native
from linnet.errors import LinnetError
from linnet.format_gen import Family

from . import lnt_file, planner
from .qgraph import QGraph


class HostKernels:
    """One network's kernels in one family: scratch and packed constants (`scratch.Kernels`, `lnt_file.Packed`).

    Raises LinnetError where the library does not have the family.
    """

    def __init__(self, graph: QGraph, family: Family) -> None:
        plan = planner.plan_layer_by_layer(graph)
        raw = np.frombuffer(lnt_file.write(graph, [plan]), np.uint8)
        self.family = family
        self._name = family.name.encode()
        self._native = _native.library()
        self._data, self._arena = _native.aligned(raw.size), _native.aligned(plan.arena_bytes)
        self._data[:] = raw
        self._memory = _native.aligned(self._native.lnt_net_bytes())
        self._net = _native.ffi.cast("lnt_net *", _native.pointer(self._memory))
        at, arena = _native.pointer(self._data), _native.pointer(self._arena)
        _native.check(self._native.lnt_open(self._net, at, raw.size, arena, self._arena.size), "the network")
        self.names = [self._kernel_name(op) for op in range(len(graph.ops))]
        self.scratch_bytes = functools.cache(self._scratch_bytes)

    def _kernel_name(self, op: int) -> str:
        name = self._native.lnt_kernel_name(self._net, self._name, op)
        if name == _native.ffi.NULL:
            raise LinnetError(f"this build of the library has no kernels for {self.family.name}")
        return str(_native.ffi.string(name).decode())

    def _scratch_bytes(self, op: int, n: int, columns: int) -> int:
        needed = int(self._native.lnt_scratch_bytes(self._net, self._name, op, n, columns))
        _native.check(needed, "scratch")
        return needed

    def constants(self, op: int) -> bytes:
        """The packed constants of an operator; none where the kernel takes them as the file has them."""
        count = int(self._native.lnt_constant_bytes(self._net, self._name, op))
        _native.check(count, "packed constants")
        memory = _native.aligned(count)
        packed = self._native.lnt_pack_constants(self._net, self._name, op, _native.pointer(memory), memory.size)
        _native.check(packed, "packed constants")
        return memory[:count].tobytes()


def best(graph: QGraph, families: Sequence[Family]) -> HostKernels:
    """The first of the families that the library has; `ref` is always there."""
    for family in families:
        with contextlib.suppress(LinnetError):
            return HostKernels(graph, family)
    return HostKernels(graph, Family.ref)

"""What a plan for a board may take. `linnet convert`, `plan` and `build` ask here, and so make the same plan."""

from __future__ import annotations

from functools import partial

from linnet.format_gen import Family
from linnet_converter.budget import Budget
from linnet_converter.qgraph import QGraph

from . import Board, board
from .cortex_m import CortexM, family

ALIGNMENT_LOSS = 64
"""Bytes that may be lost between sections."""

_VARIABLES, _FRAME, _RECORD = 400, 64, 12
"""Of boards/firmware: all that has a fixed size; the least that a request's buffer holds; and of each operator."""


def named(name: str, ram: int | None, flash: int | None) -> Budget:
    """`for_board` of the board of this name. Raises LinnetError where there is none."""
    return for_board(board(name), ram, flash=flash)


def for_board(machine: Board, ram: int | None = None, stack: int | None = None, flash: int | None = None) -> Budget:
    """The board's memory, or what is to be used of it.

    ram: with Linux, of the arena; of a microcontroller, of the region for data, where less than all of it, with
    variables, and the stack if that is there.  stack: its bytes, where not the board's default.
    """
    target = machine.cortex_m
    if target is None:
        limit = machine.arena_limit if ram is None else ram
        return Budget(limit, machine.flash_bytes if flash is None else flash, machine.cache_bytes)
    size = target.region(target.data).bytes
    return Budget(
        size if ram is None else min(ram, size),
        target.region(target.model).bytes if flash is None else flash,
        _cache_to_keep(machine, target),
        Family[family(machine.features)],
        partial(_besides, target, stack or target.stack_bytes),
        microcontroller=True,
    )


def variables_bytes(graph: QGraph) -> int:
    """What the firmware keeps in RAM besides arena and stack, a few bytes more at most."""
    _, width, channels = graph.tensors[0].shape
    return _VARIABLES + max(width * channels + 8, _FRAME) + _RECORD * len(graph.ops)


def _besides(target: CortexM, stack_bytes: int, graph: QGraph) -> int:
    return variables_bytes(graph) + ALIGNMENT_LOSS + (stack_bytes if target.stack == target.data else 0)


def _cache_to_keep(machine: Board, target: CortexM) -> int:
    """The cache that the rows of a step should stay in, 0 where that is not worth reading the weights more often.

    A taller step reads them less often. Only where rows come from slower memory than weights is that the smaller gain.
    """
    rows, weights = target.region(target.data), target.region(target.model)
    return machine.cache_bytes if rows.cycles_per_word > weights.cycles_per_word else 0

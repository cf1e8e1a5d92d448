"""What a plan is: where each tensor's rows live, and in which order rows are computed."""

from __future__ import annotations

from dataclasses import dataclass

from linnet.format_gen import Family, Layout


@dataclass(frozen=True)
class Placement:
    """Tensor rows as a ring in the arena: row y at offset + (y % rows) * row_bytes."""

    offset: int
    rows: int
    row_bytes: int
    layout: Layout = Layout.nhwc


@dataclass(frozen=True)
class Step:
    """Compute rows [y, y + n) of operator op (input rows for the kinds input and avg_pool)."""

    op: int
    y: int
    n: int
    scratch: int = 0


@dataclass(frozen=True)
class Plan:
    """One way to run a network for one kernel family. Placements are in the order of the graph's tensors."""

    family: Family
    arena_bytes: int
    placements: tuple[Placement, ...]
    steps: tuple[Step, ...]

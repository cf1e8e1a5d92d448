"""The workstation's subcommands of `linnet`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from linnet import elsewhere
from linnet.report import human_bytes

if TYPE_CHECKING:
    from linnet_converter.budget import Budget
    from linnet_converter.plan import Plan
    from linnet_converter.qgraph import QGraph


def add_input(parser: argparse.ArgumentParser) -> None:
    """--input: see `pushes_rows`."""
    parser.add_argument(
        "--input",
        choices=("whole", "rows"),
        help="whole: the picture lies in RAM; rows: the caller pushes it row by row, which takes less (default: whole; "
        "rows with a microcontroller's --board)",
    )


def pushes_rows(given: str | None, budget: Budget) -> bool:
    """Whether a plan is for rows that are pushed. given: what --input says."""
    return budget.microcontroller if given is None else given == "rows"


def board_budget(name: str, ram: int | None = None, flash: int | None = None) -> Budget:
    """Of the board that --board names; ram, flash: what is to be used instead. Raises LinnetError."""
    found: Budget = elsewhere.provider("budget", "--board")(name, ram, flash)
    return found


def planned(graph: QGraph, plans: Sequence[Plan]) -> dict[str, Any]:
    """What commands say of a file's plans, which go from the fastest to the smallest.

    arena_bytes, recomputed_macs: of the smallest, so that arena_bytes is what the file needs.  fastest_arena_bytes:
    what it takes where there is enough.  plans: each one's arena_bytes, steps, recomputed_macs and family.
    """
    from linnet_converter.planner import extra_macs

    listed = [
        {
            "family": plan.family.name,
            "arena_bytes": plan.arena_bytes,
            "steps": len(plan.steps),
            "recomputed_macs": extra_macs(graph, plan),
        }
        for plan in plans
    ]
    least = min(listed, key=lambda plan: int(str(plan["arena_bytes"])))
    return {
        "arena_bytes": least["arena_bytes"],
        "fastest_arena_bytes": listed[0]["arena_bytes"],
        "recomputed_macs": least["recomputed_macs"],
        "plans": listed,
    }


def arenas(report: Mapping[str, Any]) -> str:
    """The same in words."""
    least, fastest = int(report["arena_bytes"]), int(report["fastest_arena_bytes"])
    if least == fastest:
        return f"{human_bytes(least)} ({least:,} bytes)"
    return f"fastest: {human_bytes(fastest)} ({fastest:,} bytes), smallest: {human_bytes(least)} ({least:,} bytes)"

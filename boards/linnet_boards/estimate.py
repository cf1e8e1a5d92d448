"""How many cycles an inference may take on a core, from the kinds of instructions that it executes: an estimate.

It knows no pipeline: each kind of instruction has one price. Memory is as fast as the processor asks, but for weights,
whose region has a price a word. docs/cortex-m.md says where the prices come from and what they are worth.
"""

from __future__ import annotations

from dataclasses import dataclass

CLASSES = (
    "other",
    "load",
    "store",
    "multiple",
    "multiply",
    "long_multiply",
    "divide",
    "branch",
    "float",
    "vector",
    "vector_memory",
    "loop_end",
    "taken",
    "registers",
)
"""In the order of enum class in qemu/classes.c. taken: branches that are; registers: of multiple loads and stores."""

BESIDE = ("taken", "registers")
"""Those that are no instructions of their own."""

_M4 = {
    "other": 1.0, "load": 1.5, "store": 1.0, "multiple": 1.0, "multiply": 1.0, "long_multiply": 1.0, "divide": 7.0,
    "branch": 1.0, "float": 1.0, "vector": 1.0, "vector_memory": 1.0, "loop_end": 0.0, "taken": 1.5, "registers": 1.0,
}  # fmt: skip

COSTS: dict[str, dict[str, float]] = {
    "Cortex-M0+": _M4 | {"load": 2.0, "store": 2.0, "taken": 1.0},
    "Cortex-M3": _M4 | {"multiply": 1.5, "long_multiply": 4.0},
    "Cortex-M4": _M4,
    "Cortex-M33": _M4 | {"load": 1.2, "taken": 1.2},
    "Cortex-M7": {
        **dict.fromkeys(CLASSES, 0.6), "load": 0.7, "multiply": 0.85, "long_multiply": 0.85, "divide": 5.0,
        "loop_end": 0.0, "taken": 0.5, "registers": 0.5,
    },
    "Cortex-M55": _M4 | {"load": 1.0, "multiply": 1.0, "vector": 1.5, "vector_memory": 1.5, "taken": 1.0},
}  # fmt: skip
"""Cycles of each class."""


@dataclass(frozen=True)
class Estimate:
    """Of one inference. cycles: waiting for weights included.  waiting: of these, the cycles that weights take."""

    core: str
    instructions: int
    cycles: int
    waiting: int
    clock_mhz: int

    @property
    def milliseconds(self) -> float:
        return self.cycles / self.clock_mhz / 1000


def estimate(core: str, clock_mhz: int, counts: dict[str, int], weight_words: int, word_cycles: float) -> Estimate:
    """counts: by class.  weight_words: that the plan's steps read.  word_cycles: what each costs, 1 at least."""
    waiting = weight_words * (word_cycles - 1)
    cycles = sum(count * COSTS[core][name] for name, count in counts.items()) + waiting
    instructions = sum(count for name, count in counts.items() if name not in BESIDE)
    return Estimate(core, instructions, round(cycles), round(waiting), clock_mhz)

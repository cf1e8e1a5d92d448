"""The cycle estimate against published measurements: the table of docs/cortex-m.md, made by `estimate_error.py`.

Published times are of other libraries' code, so it is that code's instructions that are priced here.
"""

from __future__ import annotations

from dataclasses import dataclass

from linnet.report import table
from linnet_boards.estimate import estimate

CMSIS_NN = {
    "Cortex-M4": {
        "other": 11810967, "load": 5023225, "store": 769545, "multiple": 161778, "multiply": 4090221,
        "long_multiply": 231810, "divide": 13, "branch": 1046867, "taken": 656867, "registers": 340650,
    },
    "Cortex-M33": {
        "other": 11867626, "load": 4940216, "store": 767620, "multiple": 165739, "multiply": 4090221,
        "long_multiply": 231810, "divide": 13, "branch": 1046867, "taken": 656867, "registers": 349146,
    },
    "Cortex-M7": {
        "other": 11722823, "load": 5112359, "store": 752328, "multiple": 175611, "multiply": 4090221,
        "long_multiply": 231810, "divide": 13, "branch": 1032513, "taken": 630034, "registers": 368316,
    },
}  # fmt: skip
"""Instructions by class of MobileNetV1 0.25, 96x96, 2 classes, in QEMU: loops written after CMSIS-NN's of 2022 (matrix
product of 2x2 sums, 3x3 depthwise, stem of 2x2 sums on int16, two-step requantization), GCC 12.2 -Ofast."""


@dataclass(frozen=True)
class Published:
    """A measured inference. scale: its instructions over those of CMSIS_NN.  milliseconds, clock_mhz: of the board."""

    core: str
    what: str
    scale: float
    milliseconds: float
    clock_mhz: int
    source: str


TINY = "MLPerf Tiny v1.1 results, closed/Krai"
TINYENGINE = 60.3e6 * 23.5 / 18.95
"""Instructions of 0.35, 144x144, 1000 classes: counted for 0.35, 128x128, 5 classes, in proportion to the MACs."""

PUBLISHED = (
    Published(
        "Cortex-M4", "microTVM with CMSIS-NN, visual wake words, NUCLEO-L4R5ZI", 1, 1000 / 3.324, 120,
        f"{TINY}/results/NUCLEO-L4R5ZI_MICROTVM-CMSIS-NN/vww",
    ),
    Published(
        "Cortex-M33", "microTVM with CMSIS-NN, visual wake words, nRF5340", 1, 1000 / 4.286, 128,
        f"{TINY}/results/NRF5340-DK_MICROTVM-CMSIS-NN/vww",
    ),
    Published(
        "Cortex-M7", "TinyEngine, MobileNetV2 0.35 144x144, STM32H743", TINYENGINE / 23117678, 124, 480,
        "README of mit-han-lab/tinyengine, which does not name the clock: 480 MHz assumed",
    ),
)  # fmt: skip


def errors() -> list[tuple[Published, float, float]]:
    """Each with millions of cycles as estimated, and as measured."""
    found = []
    for each in PUBLISHED:
        priced = estimate(each.core, each.clock_mhz, CMSIS_NN[each.core], 0, 1)
        found.append((each, each.scale * priced.cycles / 1e6, each.milliseconds * each.clock_mhz / 1e3))
    return found


def main() -> None:
    rows = [
        (each.core, each.what, f"{guess:.1f}", f"{real:.1f}", f"{100 * (guess / real - 1):+.0f} %")
        for each, guess, real in errors()
    ]
    print(table(rows, ("core", "what was measured", "estimate, M cycles", "published, M cycles", "error")))
    print("\n" + "\n".join(f"{each.core}: {each.source}" for each in PUBLISHED))


if __name__ == "__main__":
    main()

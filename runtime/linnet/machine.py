"""Whether the machine did anything else while something was measured."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from linnet.measure import Block

_STAT = Path("/proc/stat")
_CPUINFO = Path("/proc/cpuinfo")

OTHERS = 0.1
STOLEN = 0.02
SPREAD = 1.2
PREEMPTED = 50.0
"""More than this is "busy": share of all processors that others used, or that the hypervisor gave to other machines; a
fixed loop's 90th percentile over its median; times a second that an inference had to wait for somebody else."""


@dataclass(frozen=True)
class Report:
    """processors: that this process may use.  load_average: over the last minute, at the beginning.

    others: share of all processors' time that other processes used meanwhile, stolen: that the hypervisor took, 0 to 1;
    None where the system does not say.  loop_spread: 90th percentile over median of a fixed loop, run between blocks.
    preempted_per_second: of measured time.  busy: why the times are not to be trusted far; empty where they are.
    """

    processor: str
    processors: int
    load_average: float
    others: float | None
    stolen: float | None
    loop_spread: float
    preempted_per_second: float
    busy: tuple[str, ...]


@dataclass
class Watch:
    """Looks at the machine from its creation to `report`; `after` is called with every block measured."""

    load_average: float = field(default_factory=lambda: os.getloadavg()[0])
    own_seconds: float = 0.0
    measured_seconds: float = 0.0
    preempted: int = 0
    loops: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = _processor_seconds()

    def after(self, block: Block) -> None:
        self.own_seconds += block.process_seconds
        self.measured_seconds += float(block.seconds.sum())
        self.preempted += block.preempted
        start = time.perf_counter()
        sum(range(30_000))  # under a millisecond of nothing but arithmetic
        self.loops.append(time.perf_counter() - start)

    def report(self) -> Report:
        others, stolen = self._shares()
        spread = float(np.percentile(self.loops, 90) / np.median(self.loops)) if self.loops else 1.0
        preempted = self.preempted / max(self.measured_seconds, 1e-9)
        processors = len(os.sched_getaffinity(0))
        reasons = []
        if others is not None and others > OTHERS:
            reasons.append(f"other processes used {100 * others:.0f} % of the processors")
        if stolen is not None and stolen > STOLEN:
            reasons.append(f"the hypervisor took {100 * stolen:.0f} % of the processors")
        if spread > SPREAD:
            reasons.append(
                f"a fixed loop between the blocks took {spread:.2f} times its median in a tenth of the cases"
            )
        if preempted > PREEMPTED:
            reasons.append(f"inferences were interrupted {preempted:.0f} times a second")
        return Report(
            processor=processor_name(),
            processors=processors,
            load_average=self.load_average,
            others=others,
            stolen=stolen,
            loop_spread=spread,
            preempted_per_second=preempted,
            busy=tuple(reasons),
        )

    def _shares(self) -> tuple[float | None, float | None]:
        now = _processor_seconds()
        if self.started is None or now is None:
            return None, None
        worked, stolen, total = (late - early for late, early in zip(now, self.started, strict=True))
        if total <= 0:
            return None, None
        return max(worked - self.own_seconds, 0.0) / total, stolen / total


def _processor_seconds() -> tuple[float, float, float] | None:
    """(worked, stolen, all) seconds of all processors since the system started."""
    try:
        fields = [int(text) for text in _STAT.read_text().split("\n", 1)[0].split()[1:]]
        user, nice, system, idle, waiting, interrupts, soft, stolen = fields[:8]
    except (OSError, ValueError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    worked = user + nice + system + interrupts + soft
    return worked / tick, stolen / tick, (worked + idle + waiting + stolen) / tick


def processor_name() -> str:
    """What the system calls its processor, "" where it does not say."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    for key in ("model name", "Model", "Hardware"):
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return platform.processor() or platform.machine()

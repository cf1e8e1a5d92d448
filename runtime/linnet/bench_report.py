"""What `linnet bench` prints: docs/bench.md explains every field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from linnet import measure
from linnet.model import TensorDetails
from linnet.modelfile import ModelFile
from linnet.report import table

if TYPE_CHECKING:
    from linnet.commands.bench import Run


class Subject(Protocol):
    """The part of `Model` that a report tells."""

    @property
    def file(self) -> ModelFile: ...
    @property
    def input_details(self) -> TensorDetails: ...
    @property
    def kernels(self) -> str: ...
    @property
    def arena_bytes(self) -> int: ...


def as_json(name: str, model: Subject, runs: Sequence[Run], absent: Mapping[str, str]) -> dict[str, Any]:
    """absent: peers that were asked for and do not work, with the line that says why."""
    macs = sum(measure.macs(model.file))
    return {
        "model": name,
        "input_shape": list(model.input_details.shape),
        "kernels": model.kernels,
        "arena_bytes": model.arena_bytes,
        "macs": macs,
        "runs": [
            {
                "threads": run.threads,
                **asdict(run.statistics),
                "macs_per_second": _rate(macs, run),
                "peers": {
                    key: {
                        "version": peer.version,
                        **peer.notes,
                        **asdict(peer.statistics),
                        **asdict(peer.ratio),
                        "same_top1": peer.same_top1,
                    }
                    for key, peer in run.peers.items()
                },
                "ops": [asdict(each) for each in run.operators],
                "machine": asdict(run.machine),
            }
            for run in runs
        ],
        "absent_peers": dict(absent),
    }


def text(name: str, model: Subject, runs: Sequence[Run], operators: bool = True) -> str:
    """Tables for people; operators of the first number of threads only."""
    macs = sum(measure.macs(model.file))
    shape = "x".join(map(str, model.input_details.shape))
    head = f"{name}: input {shape}, {macs / 1e6:.1f} M MACs, kernels {model.kernels}, arena {model.arena_bytes:,} bytes"
    machine = runs[0].machine
    title = f"{head}\n{machine.processor}, {machine.processors} processors"
    below = [_operators_text(runs[0])] if operators else []
    return "\n\n".join([title, *(_run_text(run, macs) for run in runs), *below])


def _run_text(run: Run, macs: int) -> str:
    rows = [("Linnet", *_times(run.statistics), "", "", "", "")]
    for key, peer in run.peers.items():
        form = f" {peer.notes['format']}" if "format" in peer.notes else ""
        spread = f"{peer.ratio.ratio_p10:.2f} to {peer.ratio.ratio_p90:.2f}"
        rows.append(
            (
                f"{key} {peer.version}{form}",
                *_times(peer.statistics),
                f"{peer.ratio.ratio:.3f}",
                spread,
                f"{peer.ratio.ratio_min:.3f}",
                f"{peer.ratio.ratio_cpu:.3f}",
            )
        )
    times = ("", "median", "p10", "p90", "min", "mean", "processor")
    header: tuple[str, ...] = (*times, "Linnet / it", "p10 to p90", "min / min", "processor")
    if not run.peers:
        rows, header = [row[: len(times)] for row in rows], times
    threads = "1 thread" if run.threads == 1 else f"{run.threads} threads"
    lines = [
        f"{threads}, {run.statistics.runs} inferences each, {_rate(macs, run) / 1e9:.2f} G MAC/s",
        table(rows, header),
    ]
    others = [key for key, peer in run.peers.items() if not peer.same_top1]
    if others:
        lines.append(f"another class for the input than Linnet: {', '.join(others)}")
    if run.machine.busy:
        lines.append(f"the machine was busy: {'; '.join(run.machine.busy)}")
    return "\n".join(lines)


def _operators_text(run: Run) -> str:
    rows = [
        (each.name, each.kind, *_cost(each.median_ms, each.share, each.macs), f"{each.macs_per_second / 1e9:.2f}")
        for each in run.operators
    ]
    header = ("operator", "kind", "time", "share", "MACs", "G MAC/s")
    kinds = [
        (kind, *_cost(ms, share, macs), f"{macs / max(ms, 1e-9) / 1e6:.2f}")
        for kind, (ms, share, macs) in measure.by_kind(run.operators).items()
    ]
    return f"{table(rows, header)}\n\n{table(kinds, ('kind', *header[2:]))}"


def _cost(ms: float, share: float, macs: int) -> tuple[str, str, str]:
    return f"{ms:.3f} ms", f"{100 * share:.1f} %", f"{macs:,}"


def _times(found: measure.Statistics) -> tuple[str, ...]:
    values = (found.median_ms, found.p10_ms, found.p90_ms, found.min_ms, found.mean_ms, found.cpu_ms)
    return tuple(f"{value:.3f} ms" for value in values)


def _rate(macs: int, run: Run) -> float:
    return macs / (1e-3 * run.statistics.median_ms)

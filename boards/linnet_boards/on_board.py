"""`linnet run`, `linnet bench` and the answers for `linnet validate`, on a board or in an emulator."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet import bench_report, measure
from linnet.commands import bench as bench_command
from linnet.commands import run as run_command
from linnet.errors import LinnetError
from linnet.machine import Report
from linnet.model import Model, OperatorTime, load
from linnet.modelfile import ModelFile
from linnet.report import table, to_json

from . import emulator, health
from .deployment import FOLDER
from .device import Device
from .probe import Machine, probe
from .programs import sensible
from .ssh import Ssh

EMULATOR = "emulator"


def _say(line: str) -> None:
    print(line, file=sys.stderr)


# ---------------------------------------------------------------------------------------------- run


def run(args: argparse.Namespace) -> int:
    """`linnet run --on`: pictures are prepared here, answered there, and printed as if they had been answered here."""
    _refuse_emulator(args.on)
    model = load(args.model)
    results: list[dict[str, Any]] = []
    with Ssh(args.on) as ssh:
        device = Device.of(ssh, args.model, ram=args.ram, threads=args.threads, say=_say)
        for picture in args.pictures:
            try:
                values = model.prepare(picture)
            except LinnetError as error:
                results.append({"picture": picture, "error": str(error)})
                _say(f"linnet: error: {error}")
                continue
            start = time.perf_counter()
            ((answer, nanoseconds),) = device.answers([values], on_retry=_say)
            real = model.real(answer.reshape(model.answer_shape))
            results.append(run_command.ranked(model, picture, real, nanoseconds / 1e6, args.top))
            results[-1]["round_trip_milliseconds"] = round(1e3 * (time.perf_counter() - start), 3)
            if not args.json:
                print(run_command.text(results[-1], several=len(args.pictures) > 1), flush=True)
    if args.json:
        print(to_json({"model": args.model, "on": args.on, "pictures": results}))
    return int(any("error" in result for result in results))


def _refuse_emulator(where: str) -> None:
    if where == EMULATOR:
        raise LinnetError(
            "an emulated board with Linux is for `linnet bench`; its results would be those of this machine"
        )


# ---------------------------------------------------------------------------------------------- validate


@contextmanager
def open_answers(
    where: str, model: str, kernels: str | None, ram: int | None, on_retry: Callable[[str], None]
) -> Iterator[Answers]:
    """`linnet validate --on`. on_retry: is told of connections that broke."""
    _refuse_emulator(where)
    with Ssh(where) as ssh:
        yield Answers(Device.of(ssh, model, kernels=kernels, ram=ram, say=_say), on_retry)


@dataclass(frozen=True)
class Answers:
    """A device's, with somebody to tell of broken connections."""

    device: Device
    on_retry: Callable[[str], None]

    def answers(
        self, inputs: Iterable[npt.NDArray[Any]], operator: int | None = None
    ) -> Iterator[tuple[npt.NDArray[np.int32], int]]:
        return self.device.answers(inputs, operator, lambda line: self.on_retry(f"linnet: connecting again: {line}"))


# ---------------------------------------------------------------------------------------------- compare


def hashes(
    where: str, model: str, kernels: str | None, values: npt.NDArray[Any], say: Callable[[str], None]
) -> tuple[int, ...]:
    """`linnet compare --on`: of each operator's values."""
    _refuse_emulator(where)
    with Ssh(where) as ssh:
        return Device.of(ssh, model, kernels=kernels, say=say).hashes(values)


# ---------------------------------------------------------------------------------------------- bench


@dataclass(frozen=True)
class _There:
    """What a report says of the model, where it ran."""

    file: ModelFile
    input_details: Any
    kernels: str
    arena_bytes: int


def bench(args: argparse.Namespace) -> int:
    """`linnet bench --on`. Exit status 1 where the board did not run at its full speed, unless that is allowed."""
    if args.peers or args.svg:
        raise LinnetError("--peers and --svg are for this machine: leave them out with --on")
    model = load(args.model)
    values = model.prepare(args.input if args.input else bench_command.noise(model))
    if args.on == EMULATOR:
        return _count(args, model, values)
    if args.board:
        raise LinnetError("--board is for --on emulator: a board on the network says itself what it is")
    with Ssh(args.on) as ssh:
        device = Device.of(ssh, args.model, kernels=args.kernels, ram=args.ram, say=_say)
        before = probe(ssh, FOLDER)
        runs = []
        for threads in args.threads:
            device.threads = threads
            ran = device.bench(values, args.warmup, args.runs, max(args.runs // 4, 3))
            with sensible(args.on):
                runs.append(_run(model, ran, threads, before))
                there = _There(model.file, model.input_details, str(ran["kernels"]), int(ran["arena_bytes"]))
        after = probe(ssh, FOLDER)
    spoiled = health.spoiled(before, after)
    if args.json:
        report = bench_report.as_json(args.model, there, runs, {})
        verdict = {"valid": not spoiled, "spoiled": spoiled, "throttling_known": health.known(after)}
        print(to_json({**report, "on": args.on, **verdict, "before": asdict(before), "after": asdict(after)}))
    else:
        print(bench_report.text(args.model, there, runs, not args.totals))
        print(_health_text(before, after))
    for reason in spoiled:
        print(
            f"linnet: {'warning' if args.allow_throttled else 'error'}: not valid: {args.on}: {reason}", file=sys.stderr
        )
    return int(bool(spoiled) and not args.allow_throttled)


def _run(model: Model, ran: dict[str, Any], threads: int, machine: Machine) -> bench_command.Run:
    statistics = measure.statistics(
        measure.Times(
            seconds=1e-9 * np.array(ran["nanoseconds"], np.float64),
            cpu_seconds=1e-9 * np.array(ran["cpu_nanoseconds"], np.float64),
        )
    )
    if not (statistics.min_ms > 0 and statistics.cpu_ms >= 0):
        raise ValueError(ran["nanoseconds"])
    times = tuple(
        OperatorTime(
            index=each["index"],
            name=model.file.op_name(each["index"]),
            kind=model.file.op_kind(each["index"]),
            seconds=1e-9 * float(np.median(each["nanoseconds"])),
            steps=each["steps"],
        )
        for each in ran["operators"]
    )
    return bench_command.Run(
        threads=threads,
        statistics=statistics,
        operators=measure.shares(model.file, times, statistics.median_ms),
        peers={},
        machine=Report(
            processor=machine.board or machine.machine,
            processors=machine.processors,
            load_average=math.nan if machine.load is None else machine.load,
            others=None,
            stolen=None,
            loop_spread=math.nan,
            preempted_per_second=math.nan,
            busy=(),
        ),
        times={},
    )


def _health_text(before: Machine, after: Machine) -> str:
    def cell(value: float | None, unit: str) -> str:
        return "unknown" if value is None else f"{value:.0f} {unit}"

    rows = [
        (
            when,
            cell(machine.temperature, "degrees"),
            cell(machine.clock_mhz, "MHz"),
            machine.governor or "unknown",
            "unknown" if machine.throttled is None else f"{machine.throttled:#x}",
        )
        for when, machine in (("before", before), ("after", after))
    ]
    lines = ["", table(rows, ("", "temperature", "clock", "governor", "throttled"))]
    if not health.known(after):
        lines.append("whether it was throttled is not known: there is no vcgencmd, nor a sensor")
    elif past := health.past(before):
        lines.append(f"since it was started there was {' and '.join(past)}; a short one meanwhile would not be noticed")
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- emulator


def _count(args: argparse.Namespace, model: Model, values: npt.NDArray[Any]) -> int:
    where = emulator.emulated_board(args.board)
    path = Path(args.model)
    found = emulator.count(path, model, values, where, args.kernels, args.ram)
    several = [
        emulator.count_threads(path, model, values, where, threads, args.kernels, args.ram)
        for threads in args.threads
        if threads > 1
    ]
    if args.json:
        more = {"threads": [{**asdict(each), "speedup": found.instructions / each.path} for each in several]}
        print(
            to_json(
                {
                    "model": args.model,
                    "on": EMULATOR,
                    **asdict(found),
                    **_per_mac(found.instructions, found.macs),
                    **(more if several else {}),
                }
            )
        )
        return 0
    rows = [
        (
            each.name,
            each.kind,
            each.kernel,
            f"{each.instructions:,}",
            f"{each.macs:,}",
            _ratio(each.instructions, each.macs),
        )
        for each in found.ops
    ]
    head = f"{args.model} on {where.title} ({where.core}), kernels {found.kernels}, one thread, counted by qemu"
    total = (
        f"{found.instructions:,} instructions, {found.macs:,} MACs, {_ratio(found.instructions, found.macs)} per MAC"
    )
    print(f"{head}\n{total}\n\n{table(rows, ('operator', 'kind', 'kernel', 'instructions', 'MACs', 'per MAC'))}")
    if several:
        print(_threads_text(found.instructions, several))
    return 0


def _threads_text(alone: int, several: list[emulator.ThreadsCount]) -> str:
    rows = [("1", f"{alone:,}", f"{alone:,}", f"{alone:,}", "1.00")]
    rows += [
        (
            str(each.threads),
            f"{each.instructions:,}",
            f"{each.busiest:,}",
            f"{each.path:,}",
            f"{alone / each.path:.2f}",
        )
        for each in several
    ]
    heads = ("threads", "instructions", "busiest thread", "waited for", "at best")
    return f"\n{table(rows, heads)}\nat best: how much faster, if a step were handed out in no time"


def _per_mac(instructions: int, macs: int) -> dict[str, float | None]:
    return {"instructions_per_mac": instructions / macs if macs else None}


def _ratio(instructions: int, macs: int) -> str:
    return f"{instructions / macs:.3f}" if macs else ""

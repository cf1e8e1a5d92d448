"""How many instructions an inference executes on a board's processor, counted in qemu's user mode.

A count is no time: it does not know caches, nor how many instructions a core does at once. But it is the same on every
day and every workstation, and what takes fewer instructions of the same kinds is seldom slower.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet import measure
from linnet.errors import LinnetError
from linnet.model import Model

from . import Board, board, names, plugin
from .programs import linnet_run
from .ssh import last_line

_PLUGIN = Path(__file__).parent / "qemu/count.c"
_EMULATORS = {"aarch64": "qemu-aarch64", "armv7": "qemu-arm", "armv6": "qemu-arm"}


@dataclass(frozen=True)
class OperatorCount:
    """instructions: of all its steps in one inference."""

    index: int
    name: str
    kind: str
    kernel: str
    steps: int
    instructions: int
    macs: int


@dataclass(frozen=True)
class Count:
    """Of one inference on one thread, from the picture in memory to the output.

    kernels: the family.  instructions: of the inference as it always runs.  tracing: what more the one executes in
    which operators are told apart; spread over its steps, it is taken off theirs, so that they add up to
    `instructions`.
    """

    board: str
    processor: str
    kernels: str
    macs: int
    instructions: int
    tracing: int
    ops: tuple[OperatorCount, ...]


@dataclass(frozen=True)
class ThreadsCount:
    """One inference on several threads, counted on one: the tasks of a step run one after another and are dealt out
    afterwards, each to the thread that is free first. So nobody waits while it is counted, and what threads would
    execute while they wait, or to hand out a step, is not in it.

    instructions: of all threads.  busiest: of the thread that executes most.  path: along the thread that the others
    wait for in each step, steps of one thread included; at one instruction a cycle, the time.
    """

    threads: int
    instructions: int
    busiest: int
    path: int
    shared_steps: int


def count(
    path: Path,
    model: Model,
    values: npt.NDArray[Any],
    where: Board,
    kernels: str | None = None,
    ram: int | None = None,
) -> Count:
    """path: the model file.  model: the same, opened here.  values: the prepared input.  ram: as `linnet.load` has it.

    Raises LinnetError.
    """
    ran, counts = _run(path, model, values, where, 1, kernels, ram)
    return _result(model, where, ran, counts)


def count_threads(
    path: Path,
    model: Model,
    values: npt.NDArray[Any],
    where: Board,
    threads: int,
    kernels: str | None = None,
    ram: int | None = None,
) -> ThreadsCount:
    """As count(), for two threads or more."""
    ran, counts = _run(path, model, values, where, threads, kernels, ram)
    before = 4 + 2 * len(ran["marks"])
    return deal(ran["tasks"], counts[before:], threads)


def deal(tasks: list[int], counts: npt.NDArray[np.int64], threads: int) -> ThreadsCount:
    """tasks: of each shared step.  counts: at the marks of linnet_run/measure.h: of the inference, its shared steps and
    their tasks. Raises LinnetError where they do not fit.
    """
    if len(counts) != 2 + len(tasks) + 2 * sum(tasks):
        raise LinnetError(f"the counter saw {len(counts)} marks of {len(tasks)} shared steps: please report this")
    of = [0] * threads
    path, at, end = 0, 1, int(counts[0])
    for number in tasks:
        alone = int(counts[at]) - end
        of[0] += alone
        spent = counts[at + 2 : at + 2 + 2 * number : 2] - counts[at + 1 : at + 1 + 2 * number : 2]
        free = [0] * threads
        for each in spent.tolist():
            free[free.index(min(free))] += each
        of = [before + now for before, now in zip(of, free, strict=True)]
        path += alone + max(free)
        at += 1 + 2 * number
        end = int(counts[at - 1])
    alone = int(counts[at]) - end
    of[0] += alone
    return ThreadsCount(threads, sum(of), max(of), path + alone, len(tasks))


def _run(
    path: Path,
    model: Model,
    values: npt.NDArray[Any],
    where: Board,
    threads: int,
    kernels: str | None,
    ram: int | None,
) -> tuple[dict[str, Any], npt.NDArray[np.int64]]:
    """What linnet-run says, and the counter's numbers at its marks."""
    program = linnet_run(where.target)
    with tempfile.TemporaryDirectory(prefix="linnet-count-") as name:
        folder = Path(name)
        np.ascontiguousarray(values).tofile(folder / "input")
        info = json.loads(_emulate(where, [], [str(program), "--info"]))
        counting = plugin.options(_PLUGIN, folder, mark=info["mark"], out=folder / "counts")
        options = ["--marks", "--threads", str(threads), *([] if kernels is None else ["--kernels", kernels])]
        options += [] if ram is None else ["--arena", str(ram)]
        inference = [str(program), str(path.absolute()), str(folder / "input"), *options]
        ran = json.loads(_emulate(where, counting, inference))
        counts = np.array((folder / "counts").read_text().split(), np.int64)
    if ran["answers"][0]["values"] != model.run_quantized(values).ravel().tolist():
        raise LinnetError(f"{path}: the answer there is not the answer here: please report this")
    return ran, counts


def _result(model: Model, where: Board, ran: dict[str, Any], counts: npt.NDArray[np.int64]) -> Count:
    """counts: at every mark; linnet_run/measure.h says what is marked."""
    marks = np.array(ran["marks"], np.int64)
    if len(counts) != 4 + 2 * len(marks):
        raise LinnetError(
            f"the counter saw {len(counts)} marks, linnet-run made {4 + 2 * len(marks)}: please report this"
        )
    whole = int(counts[1] - counts[0])
    ends, starts = counts[3:-1:2], counts[2:-2:2]
    spent = np.bincount(marks, ends - starts, len(model.file.ops))
    steps = np.bincount(marks, minlength=len(model.file.ops))
    tracing = int(spent.sum()) - whole
    exact = spent - tracing * steps / max(steps.sum(), 1)
    rounded = np.diff(np.rint(np.cumsum(exact)), prepend=0).astype(int)  # so that the sum is kept
    macs = measure.macs(model.file)
    return Count(
        board=where.name,
        processor=where.core,
        kernels=ran["kernels"],
        macs=sum(macs),
        instructions=whole,
        tracing=tracing,
        ops=tuple(
            OperatorCount(
                index=i,
                name=model.file.op_name(i),
                kind=model.file.op_kind(i).name,
                kernel=ran["kernel_names"][i],
                steps=int(steps[i]),
                instructions=int(rounded[i]),
                macs=macs[i],
            )
            for i in range(len(macs))
        ),
    )


def emulated_board(name: str | None) -> Board:
    """Raises LinnetError, listing the boards that can be emulated, for any other."""
    known = [each for each in names() if board(each).qemu_cpu]
    if name not in known:
        what = "--on emulator needs --board" if name is None else f"{name!r} cannot be emulated"
        raise LinnetError(f"{what}: one of {', '.join(known)}")
    return board(name)


def _emulate(where: Board, options: list[str], command: list[str]) -> bytes:
    emulator = _EMULATORS[where.target]
    if shutil.which(emulator) is None:
        raise LinnetError(f"{emulator} is not installed: apt install qemu-user")
    done = subprocess.run([emulator, "-cpu", where.qemu_cpu, *options, *command], capture_output=True, check=False)
    if done.returncode:
        raise LinnetError(f"{emulator} -cpu {where.qemu_cpu}: {last_line(done.stderr) or f'status {done.returncode}'}")
    return done.stdout

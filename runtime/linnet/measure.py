"""Measuring inferences: what a runner is, blocks in turn, statistics, and operators' shares.

Times on a machine that does other things too are only comparable within one run and one stretch of it. So whatever is
compared runs in short blocks, one after another in an order drawn anew each round, and what is reported are medians,
their ratio, and how that ratio spreads over the rounds.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from linnet.format_gen import OpKind
from linnet.model import IntArray, Model, OperatorTime
from linnet.modelfile import ModelFile

FloatArray = npt.NDArray[np.float64]

SETTLE = 2
"""Inferences at a block's start that do not count: they fetch the weights into caches that the others have used."""

_IDLE_LIMIT = 0.25
_IDLE_STEP = 0.002


@dataclass(frozen=True)
class Block:
    """Inferences in a row. seconds: of each, (n,).  preempted: how often something else took the processor.

    cpu_seconds: processor time of these inferences, all threads together, spinning ones too.  process_seconds: of the
    whole process since its last block.
    """

    seconds: FloatArray
    preempted: int = 0
    cpu_seconds: float = 0.0
    process_seconds: float = 0.0


@dataclass(frozen=True)
class Times:
    """Of one runner. seconds: of its inferences, (rounds, block).  cpu_seconds: of an inference, (rounds,)."""

    seconds: FloatArray
    cpu_seconds: FloatArray


class Timed(Protocol):
    """Something whose inferences take time. name: how results call it."""

    @property
    def name(self) -> str: ...

    def time(self, runs: int) -> Block:
        """So many inferences in a row, after SETTLE that do not count; returns when all its threads rest."""
        ...


class Runner(Timed, Protocol):
    """A .lnt file, ready to run: in this process, on a board, in an emulator."""

    def run(self, values: npt.NDArray[Any]) -> IntArray:
        """The answer for one prepared input, as `Model.run_quantized` gives it."""
        ...

    def profile(self, runs: int) -> tuple[OperatorTime, ...]:
        """Median time of each operator, what it takes to read the clock included."""
        ...


class LocalRunner:
    """A model in this process, always given the same input."""

    name = "linnet"

    def __init__(self, model: Model, values: npt.NDArray[Any]) -> None:
        """values: what `model.prepare` returned."""
        self.model = model
        self._values = values
        self._spent = time.process_time()

    def run(self, values: npt.NDArray[Any]) -> IntArray:
        return self.model.run_quantized(values)

    def time(self, runs: int) -> Block:
        run, values, clock = self.model.run_quantized, self._values, time.perf_counter
        for _ in range(SETTLE):
            run(values)
        seconds = np.empty(runs)
        before, worked = _preemptions(), time.process_time()
        for i in range(runs):
            start = clock()
            run(values)
            seconds[i] = clock() - start
        preempted, worked = _preemptions() - before, time.process_time() - worked
        wait_until_idle()
        spent, self._spent = self._spent, time.process_time()
        return Block(seconds, preempted, worked, self._spent - spent)

    def profile(self, runs: int) -> tuple[OperatorTime, ...]:
        return self.model.profile(self._values, runs)


def wait_until_idle() -> None:
    """Return when no thread of this process computes or spins any more, or after a quarter of a second."""
    end = time.perf_counter() + _IDLE_LIMIT
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(_IDLE_STEP)
        if time.process_time() - before < _IDLE_STEP / 10:
            return


def _preemptions() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


# ---------------------------------------------------------------------------------------------- blocks in turn


def interleave(
    runners: Sequence[Timed],
    runs: int,
    block: int,
    between: Callable[[Block], None] = lambda _: None,
    seed: int = 0,
) -> dict[str, Times]:
    """Times of each runner's inferences by its name; at least `runs` in all of each.

    In every round each runner has one block; the order within a round is drawn anew. between: called after each block.
    """
    rounds = -(-runs // block)
    draw = random.Random(seed)  # noqa: S311 an order, no secret
    times = {runner.name: Times(np.empty((rounds, block)), np.empty(rounds)) for runner in runners}
    assert len(times) == len(runners), "runners need different names"
    for turn in range(rounds):
        for runner in draw.sample(list(runners), len(runners)):
            measured = runner.time(block)
            times[runner.name].seconds[turn] = measured.seconds
            times[runner.name].cpu_seconds[turn] = measured.cpu_seconds / block
            between(measured)
    return times


@dataclass(frozen=True)
class Statistics:
    """Of inferences, in milliseconds. p10, p90: a tenth of them took no longer, no less.

    cpu_ms: processor time, the median of the blocks' means; a busy machine disturbs it less than the others.
    """

    runs: int
    median_ms: float
    p10_ms: float
    p90_ms: float
    min_ms: float
    mean_ms: float
    cpu_ms: float


def statistics(times: Times) -> Statistics:
    """Of at least one round."""
    seconds = times.seconds
    p10, median, p90 = np.percentile(1e3 * seconds, (10, 50, 90))
    return Statistics(
        runs=seconds.size,
        median_ms=float(median),
        p10_ms=float(p10),
        p90_ms=float(p90),
        min_ms=float(1e3 * seconds.min()),
        mean_ms=float(1e3 * seconds.mean()),
        cpu_ms=float(1e3 * np.median(times.cpu_seconds)),
    )


@dataclass(frozen=True)
class Ratio:
    """How long one thing takes, as a multiple of another.

    ratio: of the medians of all inferences.  ratio_p10, ratio_p50, ratio_p90: of the ratios within one round, of the
    medians of its two blocks; they spread as far as the machine is unsteady.  ratio_min: of the shortest inferences.
    ratio_cpu: of processor times, the median over the rounds; with several threads those that spin count too.
    """

    ratio: float
    ratio_p10: float
    ratio_p50: float
    ratio_p90: float
    ratio_min: float
    ratio_cpu: float


def ratio(ours: Times, theirs: Times) -> Ratio:
    """Of the same rounds."""
    blocks = np.median(ours.seconds, axis=1) / np.median(theirs.seconds, axis=1)
    p10, p50, p90 = np.percentile(blocks, (10, 50, 90))
    return Ratio(
        ratio=float(np.median(ours.seconds) / np.median(theirs.seconds)),
        ratio_p10=float(p10),
        ratio_p50=float(p50),
        ratio_p90=float(p90),
        ratio_min=float(ours.seconds.min() / theirs.seconds.min()),
        ratio_cpu=float(np.median(ours.cpu_seconds / np.maximum(theirs.cpu_seconds, 1e-9))),
    )


# ---------------------------------------------------------------------------------------------- operators


def macs(file: ModelFile) -> tuple[int, ...]:
    """Multiply-accumulates of each operator in one inference; convolutions and dense layers only, as is usual.

    What a plan computes twice counts once.
    """
    return tuple(_macs(file, index) for index in range(len(file.ops)))


def _macs(file: ModelFile, index: int) -> int:
    kind, op = file.op_kind(index), file.ops[index]
    if kind not in {OpKind.conv, OpKind.depthwise, OpKind.pointwise, OpKind.fully_connected}:
        return 0
    out, source = file.tensors[int(op["output"])], file.tensors[int(op["input"])]
    outputs = int(out["height"]) * int(out["width"]) * int(out["channels"])
    taps = int(op["kernel_h"]) * int(op["kernel_w"])
    return outputs * taps * (1 if kind == OpKind.depthwise else int(source["channels"]))


@dataclass(frozen=True)
class OperatorShare:
    """What one operator costs of an inference. share: 0 to 1, of all operators' time.  steps: calls of its kernel."""

    index: int
    name: str
    kind: str
    steps: int
    median_ms: float
    share: float
    macs: int
    macs_per_second: float


def shares(file: ModelFile, times: Sequence[OperatorTime], inference_ms: float) -> tuple[OperatorShare, ...]:
    """Operators' times without what reading the clock took.

    That is the same for every step, and all of it together is what the profiled inference took longer than one of
    `inference_ms` that was not profiled.
    """
    counts = macs(file)
    total = 1e3 * sum(each.seconds for each in times)
    steps = sum(each.steps for each in times)
    clock = max(total - inference_ms, 0.0) / max(steps, 1)
    spent = [max(1e3 * each.seconds - clock * each.steps, 0.0) for each in times]
    whole = sum(spent) or 1.0
    return tuple(
        OperatorShare(
            index=each.index,
            name=each.name,
            kind=each.kind.name,
            steps=each.steps,
            median_ms=ms,
            share=ms / whole,
            macs=counts[each.index],
            macs_per_second=counts[each.index] / (1e-3 * ms) if ms else 0.0,
        )
        for each, ms in zip(times, spent, strict=True)
    )


def by_kind(operators: Sequence[OperatorShare]) -> Mapping[str, tuple[float, float, int]]:
    """(milliseconds, share, MACs) of all operators of a kind, the most expensive kind first."""
    kinds: dict[str, tuple[float, float, int]] = {}
    for each in operators:
        ms, share, count = kinds.get(each.kind, (0.0, 0.0, 0))
        kinds[each.kind] = (ms + each.median_ms, share + each.share, count + each.macs)
    return dict(sorted(kinds.items(), key=lambda item: -item[1][0]))

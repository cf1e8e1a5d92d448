"""`linnet bench`: how long an inference takes, where the time goes, and how long it takes others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from linnet import _threads, bench_report, elsewhere, measure, sizes
from linnet.counts import count, counts
from linnet.errors import LinnetError
from linnet.files import write_atomic
from linnet.machine import Report, Watch
from linnet.measure import LocalRunner, OperatorShare, Runner, Timed, Times
from linnet.model import Model, load
from linnet.report import to_json

if TYPE_CHECKING:
    from linnet_converter.bench_peers import Peers

HELP = "time a .lnt file, operator by operator, and beside other runtimes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M.lnt", help="the model file")
    parser.add_argument(
        "--threads", type=counts, default=(1,), metavar="N,N", help="numbers of threads, each measured (default: 1)"
    )
    parser.add_argument("--runs", type=count, default=100, metavar="N", help="inferences that count (default: 100)")
    parser.add_argument("--warmup", type=count, default=10, metavar="N", help="inferences before them (default: 10)")
    parser.add_argument(
        "--block", type=count, default=5, metavar="N", help="inferences of one runtime in a row (default: 5)"
    )
    parser.add_argument("--kernels", metavar="FAMILY", help="the kernel family (default: the best of this processor)")
    sizes.add_ram(parser)
    parser.add_argument("--input", metavar="PICTURE", help="what `linnet run` takes (default: noise)")
    parser.add_argument("--totals", action="store_true", help="print no tables of operators")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--svg", metavar="FILE", help="draw the times")
    away = parser.add_argument_group("elsewhere")
    elsewhere.add_argument(away, ", which counts instructions")
    away.add_argument(
        "--allow-throttled", action="store_true", help="exit status 0 even where the board did not run at full speed"
    )
    others = parser.add_argument_group("other runtimes, each in a process of its own, in turn with Linnet")
    others.add_argument("--peers", metavar="P,P", help="of onnxruntime, litert, tflite-runtime")
    others.add_argument(
        "--against", metavar="M.onnx", help="the float network, which onnxruntime quantizes with quantize_static"
    )
    others.add_argument("--tflite", metavar="F.tflite", help="the int8 network for litert and tflite-runtime")
    others.add_argument(
        "--calibrate", metavar="DIR", help="pictures for quantize_static (default: noise, the time is the same)"
    )
    others.add_argument(
        "--peer-python",
        action="append",
        default=[],
        metavar="PEER=PYTHON",
        help="run a peer in another environment, as tflite-runtime=/path/bin/python (may be repeated)",
    )


@dataclass(frozen=True)
class PeerTime:
    """How a peer did. same_top1: whether it finds the same class as Linnet in the input.  notes: of its file."""

    version: str
    same_top1: bool
    notes: dict[str, Any]
    statistics: measure.Statistics
    ratio: measure.Ratio


@dataclass(frozen=True)
class Run:
    """One number of threads. times: of each runtime by name."""

    threads: int
    statistics: measure.Statistics
    operators: tuple[OperatorShare, ...]
    peers: dict[str, PeerTime]
    machine: Report
    times: dict[str, Times]


def run(args: argparse.Namespace) -> int:
    """Measure each number of threads, in this process and on this machine, or elsewhere."""
    if args.on:
        return int(elsewhere.provider("bench")(args))
    if args.board or args.allow_throttled:
        raise LinnetError("--board and --allow-throttled go with --on")
    for threads in args.threads:
        _threads.check(threads)
    if args.svg:
        with _workstation("--svg"):
            from linnet_converter import bench_chart
    model = load(args.model, kernels=args.kernels, ram=args.ram)
    values = model.prepare(args.input if args.input else noise(model))
    runs: list[Run] = []
    with ExitStack() as stack:
        peers = None if args.peers is None else stack.enter_context(_peers(args, model, values))
        for threads in args.threads:
            runner = LocalRunner(load(args.model, kernels=args.kernels, ram=args.ram, threads=threads), values)
            runs.append(measured(runner, runner.model, values, threads, args, peers))
    absent = peers.absent if peers else {}
    for line in dict.fromkeys(absent.values()):
        print("linnet: warning:", line, file=sys.stderr)
    if args.svg:
        write_atomic(args.svg, bench_chart.draw(args.model, runs).encode())
    if args.json:
        print(to_json(bench_report.as_json(args.model, model, runs, absent)))
    else:
        print(bench_report.text(args.model, model, runs, operators=not args.totals))
    return 0


def measured(
    runner: Runner,
    model: Model,
    values: npt.NDArray[Any],
    threads: int,
    args: argparse.Namespace,
    peers: Peers | None = None,
) -> Run:
    """Measure a runner, and the peers in turn with it. model: for the names and MACs of its operators."""
    with ExitStack() as stack:
        beside = peers.open(threads, stack) if peers else []
        contenders: Sequence[Timed] = (runner, *beside)
        for each in contenders:
            each.time(args.warmup)
        watch = Watch()
        times = measure.interleave(contenders, args.runs, args.block, watch.after)
        machine = watch.report()
    ours = times[runner.name]
    statistics = measure.statistics(ours)
    top1 = int(runner.run(values).argmax())
    return Run(
        threads=threads,
        statistics=statistics,
        operators=measure.shares(model.file, runner.profile(max(args.runs // 4, 3)), statistics.median_ms),
        peers={
            each.name: PeerTime(
                version=each.version,
                same_top1=each.top1 == top1,
                notes=dict(each.peer.notes),
                statistics=measure.statistics(times[each.name]),
                ratio=measure.ratio(ours, times[each.name]),
            )
            for each in beside
        },
        machine=machine,
        times=times,
    )


def noise(model: Model) -> npt.NDArray[Any]:
    """A seeded input: what an inference takes does not depend on the values."""
    details = model.input_details
    limits = np.iinfo(details.dtype)
    random = np.random.default_rng(0)
    return random.integers(limits.min, limits.max + 1, details.shape, details.dtype)


def _peers(args: argparse.Namespace, model: Model, values: npt.NDArray[Any]) -> Peers:
    with _workstation("--peers"):
        from linnet_converter.bench_peers import Peers
        from linnet_converter.peers import Input
    if not model.is_picture:
        raise LinnetError(f"{args.model}: --peers needs a network that takes pictures")
    details = model.input_details
    return Peers(
        args.peers,
        Input(values, details.mean, details.std),
        args.against,
        args.tflite,
        args.calibrate,
        args.peer_python,
    )


@contextmanager
def _workstation(option: str) -> Iterator[None]:
    """What is imported inside may not be installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("linnet_converter"):
            raise LinnetError(f"{option} needs the workstation's packages: pip install 'linnet[convert]'") from error
        raise

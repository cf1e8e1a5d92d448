"""`linnet bench`: what it measures, how it takes turns, and what it says of the machine."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import random_networks
import small_networks

import linnet
from linnet import cli, machine, measure
from linnet.commands import bench
from linnet.format_gen import OpKind
from linnet.measure import Block, Times
from linnet.model import OperatorTime
from linnet_converter import lnt_file, planner, qgraph

GRAPH = small_networks.classifier()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "m.lnt").write_bytes(small_networks.lnt(GRAPH))
    return tmp_path / "m.lnt"


class Fake:
    """Takes the seconds it is told to, one after another, and keeps a diary."""

    def __init__(self, name: str, diary: list[str], seconds: float) -> None:
        self.name = name
        self.diary = diary
        self.seconds = seconds
        self.inferences = 0

    def time(self, runs: int) -> Block:
        self.diary.append(self.name)
        numbers = np.arange(self.inferences, self.inferences + runs)
        self.inferences += runs
        return Block(self.seconds * (1 + numbers / 100), preempted=2, cpu_seconds=self.seconds * runs)


def test_statistics() -> None:
    # 1 to 11 milliseconds
    found = measure.statistics(Times(np.arange(1, 12).reshape(1, 11) / 1000, np.array([0.005])))
    assert found.runs == 11
    assert (found.median_ms, found.p10_ms, found.p90_ms) == pytest.approx((6, 2, 10))
    assert (found.min_ms, found.mean_ms, found.cpu_ms) == pytest.approx((1, 6, 5))


def test_ratio_is_of_the_medians_and_its_spread_of_the_rounds() -> None:
    ours = np.array([[1.0, 2.0, 9.0], [2.0, 2.0, 2.0], [4.0, 4.0, 4.0]])
    theirs = np.array([[4.0, 4.0, 4.0], [8.0, 8.0, 8.0], [4.0, 4.0, 40.0]])
    found = measure.ratio(Times(ours, np.array([1.0, 2.0, 3.0])), Times(theirs, np.array([10.0, 8.0, 10.0])))
    assert found.ratio == pytest.approx(2 / 4)
    rounds = [2 / 4, 2 / 8, 4 / 4]
    assert found.ratio_p50 == pytest.approx(0.5)
    assert (found.ratio_p10, found.ratio_p90) == pytest.approx(tuple(np.percentile(rounds, (10, 90))))
    assert found.ratio_min == pytest.approx(1 / 4)
    assert found.ratio_cpu == pytest.approx(2 / 8)


def test_blocks_take_turns_in_a_drawn_order() -> None:
    diary: list[str] = []
    runners = [Fake(name, diary, 0.1) for name in "abc"]
    blocks: list[Block] = []
    times = measure.interleave(runners, runs=58, block=3, between=blocks.append)
    rounds = [diary[i : i + 3] for i in range(0, len(diary), 3)]
    assert len(rounds) == 20 == len(blocks) / 3  # 58 inferences need 20 blocks of 3
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert {tuple(each) for each in rounds} == {tuple(x) for x in ("abc", "acb", "bac", "bca", "cab", "cba")}
    for runner in runners:  # nothing is lost, and the rounds are in order
        np.testing.assert_allclose(times[runner.name].seconds, 0.1 * (1 + np.arange(60).reshape(20, 3) / 100))
        np.testing.assert_allclose(times[runner.name].cpu_seconds, [0.1] * 20)
    again: list[str] = []
    measure.interleave([Fake(name, again, 0.1) for name in "abc"], runs=58, block=3, seed=1)
    assert again != diary


@pytest.mark.parametrize("seed", range(8))
def test_macs_are_the_planners(seed: int) -> None:
    graph = random_networks.network(seed)
    file = linnet.load(lnt_file.write(graph, [planner.plan(graph)])).file
    assert measure.macs(file) == tuple(qgraph.macs(graph, op) for op in graph.ops)


def test_reading_the_clock_is_taken_out_of_the_shares() -> None:
    file = linnet.load(small_networks.lnt(GRAPH)).file
    true_ms = np.arange(1.0, len(file.ops) + 1)
    steps = [2 + i % 3 for i in range(len(file.ops))]
    clock = 0.25
    times = [
        OperatorTime(i, file.op_name(i), file.op_kind(i), 1e-3 * (ms + clock * n), n)
        for i, (ms, n) in enumerate(zip(true_ms, steps, strict=True))
    ]
    found = measure.shares(file, times, inference_ms=float(true_ms.sum()))
    np.testing.assert_allclose([each.median_ms for each in found], true_ms)
    np.testing.assert_allclose([each.share for each in found], true_ms / true_ms.sum())
    for each in found:
        assert each.macs_per_second == pytest.approx(each.macs / (1e-3 * each.median_ms))
    kinds = measure.by_kind(found)
    assert sum(ms for ms, _, _ in kinds.values()) == pytest.approx(true_ms.sum())
    assert sum(macs for _, _, macs in kinds.values()) == sum(measure.macs(file))
    assert list(kinds.values()) == sorted(kinds.values(), key=lambda kind: -kind[0])


def test_profile_counts_steps(model: Path) -> None:
    loaded = linnet.load(model)
    calls = [0] * len(loaded.file.ops)

    def count(op: int, *_: Any) -> None:
        calls[op] += 1

    picture = bench.noise(loaded)
    loaded._execute(loaded.prepare(picture), count)
    assert [each.steps for each in loaded.profile(picture, runs=2)] == calls


# ---------------------------------------------------------------------------------------------- the machine


def watch(monkeypatch: pytest.MonkeyPatch, before: tuple[float, ...], after: tuple[float, ...]) -> machine.Report:
    """A report on a machine whose processors worked, were stolen and lasted for so many seconds."""
    readings = iter([before, after])
    monkeypatch.setattr(machine, "_processor_seconds", lambda: next(readings))
    seen = machine.Watch(load_average=0.0)
    for _ in range(4):
        seen.after(Block(np.full(5, 0.2), preempted=0, process_seconds=1.0))
    seen.loops = [1.0] * 10
    return seen.report()


def test_a_quiet_machine_is_not_called_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    report = watch(monkeypatch, (10.0, 1.0, 100.0), (14.2, 1.1, 108.0))
    assert report.others == pytest.approx(0.2 / 8)  # 4.2 s worked, 4 of them the runners'
    assert report.stolen == pytest.approx(0.1 / 8)
    assert report.busy == ()


def test_a_busy_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    report = watch(monkeypatch, (10.0, 1.0, 100.0), (18.0, 2.0, 110.0))
    assert report.busy == (
        "other processes used 40 % of the processors",
        "the hypervisor took 10 % of the processors",
    )
    monkeypatch.setattr(machine, "_processor_seconds", lambda: None)  # a system that does not say
    seen = machine.Watch()
    seen.after(Block(np.full(10, 0.1), preempted=90))
    seen.loops = [1.0] * 8 + [2.0] * 2
    report = seen.report()
    assert (report.others, report.stolen) == (None, None)
    assert report.busy == (
        "a fixed loop between the blocks took 2.00 times its median in a tenth of the cases",
        "inferences were interrupted 90 times a second",
    )


def test_the_system_is_really_asked() -> None:
    before = machine._processor_seconds()
    assert before is not None and before[2] > before[0] > 0
    seen = machine.Watch()
    sum(range(10**7))
    assert seen.report().others is not None
    assert seen.report().processors >= 1
    assert machine.processor_name()


# ---------------------------------------------------------------------------------------------- the command


def test_json(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg = tmp_path / "times.svg"
    options = [
        "--runs",
        "12",
        "--warmup",
        "2",
        "--block",
        "4",
        "--kernels",
        "ref",
        "--json",
        "--svg",
        str(svg),
        "--threads",
        "1,2",
    ]
    assert cli.main(["bench", str(model), *options]) == 0
    answer = json.loads(capsys.readouterr().out)
    loaded = linnet.load(model)
    assert answer["macs"] == sum(measure.macs(loaded.file))
    assert (answer["kernels"], answer["input_shape"]) == ("ref", [12, 10, 3])
    run, several = answer["runs"]
    assert (run["threads"], run["runs"], run["peers"]) == (1, 12, {})
    assert (several["threads"], several["runs"]) == (2, 12)
    assert 0 < run["min_ms"] <= run["p10_ms"] <= run["median_ms"] <= run["p90_ms"]
    assert run["min_ms"] < run["mean_ms"]
    assert run["macs_per_second"] == pytest.approx(answer["macs"] / (run["median_ms"] / 1000))
    assert [op["kind"] for op in run["ops"]] == [op.kind.name for op in GRAPH.ops]
    assert sum(op["share"] for op in run["ops"]) == pytest.approx(1)
    assert run["machine"]["processors"] >= 1
    titles = [element.text or "" for element in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}title")]
    assert sum(title.startswith("Linnet: ") for title in titles) == 2
    assert len(titles) == 2 + len(GRAPH.ops)


def test_table(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", str(model), "--runs", "3", "--warmup", "1"]) == 0
    printed = capsys.readouterr().out
    assert "1 thread, 5 inferences each" in printed  # a whole block
    assert "G MAC/s" in printed
    for kind in (OpKind.conv, OpKind.depthwise, OpKind.avg_pool):
        assert f"\n{kind.name} " in printed


def test_tensor_networks_are_measured_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from linnet.format_gen import InputKind

    path = tmp_path / "t.lnt"
    path.write_bytes(small_networks.lnt(small_networks.classifier(kind=InputKind.tensor)))
    assert cli.main(["bench", str(path), "--runs", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["median_ms"] > 0


@pytest.mark.parametrize("option", [["--threads", "0"], ["--threads", "1,x"], ["--runs", "0"], ["--block", "-1"]])
def test_numbers_must_count_something(model: Path, option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", str(model), *option]) == cli.EXIT_USAGE
    assert option[0] in capsys.readouterr().err


def test_unknown_kernels_are_an_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", str(model), "--kernels", "abacus"]) == 1
    assert "abacus" in capsys.readouterr().err


def test_the_device_needs_nothing_of_the_workstations(model: Path) -> None:
    """numpy and cffi alone; what else is asked for is a line."""
    code = (
        "import sys\n"
        "for name in ('linnet_converter', 'onnx', 'onnxruntime', 'PIL', 'tqdm'): sys.modules[name] = None\n"
        "from linnet.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "bench", str(model), "--runs", "2"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"][0]["median_ms"] > 0
    done = subprocess.run([*command, "--peers", "litert"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'linnet[convert]'" in done.stderr


# ---------------------------------------------------------------------------------------------- make bench


@pytest.mark.parametrize("real", [True, False], ids=["assets", "seeded"])
def test_make_bench_gives_commands_that_are_understood(
    real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import bench as tool

    given: list[list[str]] = []

    def record(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        given.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setenv("LINNET_ASSETS", str(tmp_path) if real else "")
    (tmp_path / tool.TFLITE_PYTHON).parent.mkdir(parents=True)
    (tmp_path / tool.TFLITE_PYTHON).touch()
    monkeypatch.setattr(sys, "argv", ["bench.py", "--plans", "--runs", "7", "--threads", "1,2"])
    tool.main()
    modules = {point.name: point.module for point in entry_points(group=cli.GROUP)}
    beside = []
    tools = set()
    for command in given:
        if command[0] != tool.LINNET:
            assert command[0] == ".venv/bin/python"
            tools.add(command[1])
            continue
        parser = argparse.ArgumentParser(exit_on_error=False)
        import_module(modules[command[1]]).add_arguments(parser)
        parsed = parser.parse_args(command[2:])
        if command[1] == "bench" and parsed.peers:
            assert (parsed.threads, parsed.runs) == ((1, 2), 7)
            beside.append(parsed.peers)
    assert beside == ["onnxruntime,litert,tflite-runtime" if real else "onnxruntime", "onnxruntime"]
    assert tools == {f"tools/{name}.py" for name in ("bench_plans", "separable", "waiting")}
    assert all((Path(__file__).parent.parent / name).is_file() for name in tools)
    printed = capsys.readouterr().out
    assert ("has random weights" in printed) == (not real)
    assert all(f"$ {shlex.join(command)}" in printed for command in given if "bench" in command[1])

"""Models in firmware, run from here: verified, counted, estimated."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import digits
import numpy as np
import pytest
import random_networks
import small_networks

import linnet
from linnet import cli
from linnet.errors import LinnetError
from linnet_boards import board, building, estimate, names, on_firmware
from linnet_boards.on_firmware import FirmwareRunner
from linnet_boards.qemu_board import Counter, Emulated
from linnet_converter import planner
from linnet_converter.planner import Planner
from linnet_converter.qgraph import QGraph
from linnet_converter.weights_read import weight_words

pytestmark = pytest.mark.emulator
KNOWN = Path(__file__).parent / "c/cortex_m/classes.S"


@pytest.fixture(autouse=True)
def _tools(require_tool: Callable[[str, str], str]) -> None:
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    require_tool("qemu-system-arm", "qemu-system-arm")


@pytest.fixture(scope="module")
def graph() -> QGraph:
    return small_networks.classifier(softmax=True)


@pytest.fixture(scope="module")
def path(graph: QGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "m.lnt"
    file.write_bytes(small_networks.lnt(graph))
    return file


def test_classes_of_instructions(tmp_path: Path) -> None:
    """Every class, counted in a program that is known instruction by instruction."""
    elf = tmp_path / "known.elf"
    flags = ["-mcpu=cortex-m55", "-mfloat-abi=hard", "-nostdlib", "-Wl,--section-start=.vectors=0,-Ttext=0x100"]
    subprocess.run(["arm-none-eabi-gcc", *flags, KNOWN, "-o", elf], check=True)
    counter = Counter(elf, tmp_path)
    emulated = Emulated("mps3-an547", elf, counter.options)
    try:
        deadline = time.monotonic() + 30
        counted = tmp_path / "classes.txt"
        while not (counted.exists() and counted.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        counts = counter.take()
    finally:
        emulated.close()
    wanted = {"load": 6, "store": 4, "multiple": 6, "registers": 16, "multiply": 4, "long_multiply": 3, "divide": 2}
    wanted |= {"float": 2, "vector": 3, "vector_memory": 2, "loop_end": 4, "branch": 8, "taken": 5}
    wanted["other"] = 7 + 1 + 3 + 4 + 1  # and the nop at the end mark
    assert counts == wanted


def test_profile_and_answers(graph: QGraph, path: Path) -> None:
    """Counted two ways; a softmax's logits come along; and another network is not taken for this one."""
    with on_firmware.opened("emulator", "mps2-an386", path) as runner:
        picture = random_networks.picture(graph, 1)
        total, costs, guess = runner.profile(picture)
        assert guess and guess.core == "Cortex-M4" and guess.waiting == 0
        assert abs(guess.instructions - total) < 0.01 * total
        assert total - 0.02 * total < sum(cost.count for cost in costs) < total
        assert [cost.kind for cost in costs] == [op.kind.name for op in graph.ops]
        here = linnet.load(path)
        assert runner.run(picture).tolist() == here.run_quantized(picture).tolist()
        pictures = [random_networks.picture(graph, seed) for seed in (2, 3)]
        logits = len(graph.ops) - 2
        for values, (found, nanoseconds) in zip(pictures, runner.answers(pictures, logits), strict=True):
            assert found.tolist() == here.trace(values, [logits])[0].values.ravel().tolist()
            assert nanoseconds > 0
        weights = graph.ops[3].weights
        assert weights is not None
        changed = replace(graph.ops[3], weights=np.negative(weights))
        other = replace(graph, ops=(*graph.ops[:3], changed, *graph.ops[4:]))
        wrong = FirmwareRunner(linnet.load(small_networks.lnt(other)), runner.device, runner.machine)
        with pytest.raises(LinnetError, match=r"mps2-an386: op3 \(\w+\) computes other values than here"):
            wrong.verify(picture)


@contextmanager
def serial_port(line: Emulated) -> Iterator[str]:
    """A pseudo-terminal with an emulated board behind it."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    done = threading.Event()

    def there() -> None:
        while not done.is_set():
            try:
                line.write(os.read(ours, 4096))
            except (OSError, LinnetError):
                return

    def back() -> None:
        while not done.is_set():
            try:
                os.write(ours, line.read(0.1))
            except (OSError, LinnetError):
                return

    threads = [threading.Thread(target=target, daemon=True) for target in (there, back)]
    for thread in threads:
        thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        done.set()
        os.close(theirs)
        threads[1].join()


def test_serial_port(graph: QGraph, path: Path, tmp_path: Path) -> None:
    pytest.importorskip("serial")
    building.build(graph, board("mps2-an385"), tmp_path / "made", push_rows=True)
    line = Emulated("mps2-an385", tmp_path / "made" / building.ELF)
    try:
        with serial_port(line) as port:
            with on_firmware.opened(f"serial:{port}", None, path) as runner:
                assert runner.machine.name == "mps2-an385"
                picture = random_networks.picture(graph, 1)
                there, _ = runner.verify(picture)
                assert there.output == linnet.load(path).run_quantized(picture).tobytes()
            other = tmp_path / "other.lnt"
            other.write_bytes(small_networks.lnt(small_networks.classifier()))
            with (
                pytest.raises(LinnetError, match="mps2-an385 holds another network than"),
                on_firmware.opened(f"serial:{port}", None, other),
            ):
                pass
    finally:
        line.close()


def test_no_such_port(path: Path) -> None:
    pytest.importorskip("serial")
    with (
        pytest.raises(LinnetError, match="/dev/none: the port cannot be opened"),
        on_firmware.opened("serial:/dev/none", None, path),
    ):
        pass


def test_stand_ins() -> None:
    """Boards that QEMU does not have are emulated by one with the same instructions, in their own RAM."""
    for name in names():
        machine = board(name)
        if machine.cortex_m is None:
            with pytest.raises(LinnetError, match="cannot be emulated; known are"):
                on_firmware.emulated(machine)
            continue
        there = on_firmware.emulated(machine)
        assert there.cortex_m and there.cortex_m.flags == machine.cortex_m.flags
        assert there.core == machine.core
        assert (there == machine) == (machine.cortex_m.emulator == name)
        assert machine.core in estimate.COSTS
    assert on_firmware.is_firmware("serial:/dev/ttyACM0", None)
    assert on_firmware.is_firmware("emulator", "mps2-an385")
    assert not on_firmware.is_firmware("emulator", "rpi4")
    assert not on_firmware.is_firmware("emulator", None)
    assert not on_firmware.is_firmware("pi@raspberry", None)


def test_slow_weights() -> None:
    """Words are weights over four, times calls; each costs what its region says."""
    graph = small_networks.classifier()
    sizes = sum(op.weights.size for op in graph.ops if op.weights is not None)
    assert weight_words(graph, planner.plan_layer_by_layer(graph)) == sizes // 4
    rings = planner.plan(graph, strips=False)
    rows = sum(op.weights.size * graph.tensors[op.output].shape[0] for op in graph.ops if op.weights is not None)
    assert weight_words(graph, rings) == rows // 4
    smallest = Planner(graph, push_rows=True).smallest(recompute=True)
    assert weight_words(graph, smallest) > rows // 4
    counts = dict.fromkeys(estimate.CLASSES, 0) | {"other": 100, "taken": 10}
    fast = estimate.estimate("Cortex-M4", 100, counts, 50, 1)
    slow = estimate.estimate("Cortex-M4", 100, counts, 50, 3)
    assert (fast.instructions, fast.waiting) == (100, 0)
    assert slow.cycles - fast.cycles == slow.waiting == 100
    assert slow.milliseconds == slow.cycles / 1e5


def test_commands(graph: QGraph, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """run, bench and validate take --on emulator --board."""
    place = ["--on", "emulator", "--board", "mps2-an386"]
    picture = tmp_path / "picture.npy"
    np.save(picture, random_networks.picture(graph, 1))
    assert cli.main(["run", str(path), str(picture), "--json"]) == 0
    here = json.loads(capsys.readouterr().out)["pictures"][0]["top"]
    assert cli.main(["run", str(path), str(picture), *place, "--json"]) == 0
    there = json.loads(capsys.readouterr().out)
    assert there["pictures"][0]["top"] == here and there["board"] == "mps2-an386"
    assert cli.main(["bench", str(path), *place, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert 0.9 * report["instructions"] < sum(each["instructions"] for each in report["operators"])
    # Two orders of the same divisions: equal but for the last bit of a float.
    assert report["estimate"]["milliseconds"] == pytest.approx(report["estimate"]["cycles"] / 25e3, rel=1e-15)
    assert cli.main(["bench", str(path), *place]) == 0
    assert "estimate: " in capsys.readouterr().out
    assert cli.main(["run", str(path), str(picture), "--board", "mps2-an386"]) == 1
    assert "--board goes with --on emulator" in capsys.readouterr().err


def test_validate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same figures as here, since every value is the same."""
    model = tmp_path / "digits.lnt"
    model.write_bytes(digits.lnt("--quality", "fast"))
    arguments = ["validate", str(model), "--against", str(digits.ONNX), "--images", str(digits.TEST), "--limit", "2"]
    capsys.readouterr()
    assert cli.main([*arguments, "--json"]) == 0
    here = json.loads(capsys.readouterr().out)
    assert cli.main([*arguments, "--json", "--on", "emulator", "--board", "mps2-an500"]) == 0
    assert json.loads(capsys.readouterr().out) == here

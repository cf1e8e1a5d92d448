"""The same bytes on every processor: the C library on emulated ARM (64 bits, 32 bits, Cortex-M) against this one.

Linux programs run in qemu's user mode. Cortex-M programs run bare on one of Arm's MPS boards, talking to us by
semihosting: qemu's user mode has no M-profile processor that works (7.2).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import compiled
import conftest
import pytest
import random_networks
import small_networks
from linnet_clib import ROOT, sources

from linnet_converter import oracle
from linnet_converter.qgraph import QGraph

RUNNER = ROOT / "tests/c/run_model.c"
VECTORS = ROOT / "tests/c/cortex_m/vectors.c"

NETWORKS: dict[str, Callable[[], QGraph]] = {
    "classifier": lambda: small_networks.classifier(softmax=True),
    "random5": lambda: random_networks.network(5),
    "random12": lambda: random_networks.network(12),
}
WAYS: dict[str, list[str]] = {"whole": [], "rows": ["--rows"], "split": ["--split", "3"]}

LINUX = {"aarch64": ["cortex-a53", "cortex-a72", "cortex-a76"], "armhf": ["cortex-a7"]}


@dataclass(frozen=True)
class Board:
    """A board of qemu's, where its memory for code begins (the processor takes its vectors from there), and whether
    programs use its floating point and vectors.
    """

    machine: str
    start: int = 0
    hard: bool = True

    def compiler(self, gcc: str, cpu: str) -> list[str]:
        return [
            gcc,
            f"-mcpu={cpu}",
            "-mthumb",
            f"-mfloat-abi={'hard' if self.hard else 'soft'}",
            "--specs=rdimon.specs",
        ]

    def places(self) -> list[str]:
        """Where the linker is to put a program, which has VECTORS among its files."""
        return [
            f"-Wl,--section-start=.vectors={self.start:#x}",
            f"-Wl,-Ttext-segment={self.start + 0x8000:#x}",
        ]

    def command(self, qemu: str, program: Path, arguments: Sequence[str]) -> list[str]:
        """What runs the program, and ends with it."""
        handed = [f"arg={argument}" for argument in (program.name, *arguments)]
        command = [qemu, "-M", self.machine, "-nographic", "-monitor", "none", "-serial", "none"]
        semihosting = ",".join(["enable=on", "target=native", *handed])
        return [*command, "-semihosting-config", semihosting, "-kernel", str(program)]


CORTEX_M = {
    "cortex-m3": Board("mps2-an385", hard=False),
    "cortex-m4": Board("mps2-an386"),
    "cortex-m7": Board("mps2-an500"),
    "cortex-m33": Board("mps2-an505", 0x10000000),
    "cortex-m55": Board("mps3-an547"),
}

pytestmark = pytest.mark.emulator


@dataclass(frozen=True)
class Answer:
    """What run_model prints: a hash for each operator's output, and the answer's bytes."""

    hashes: tuple[str, ...]
    answer: str


def parse(text: str) -> Answer:
    (answer,) = re.findall(r"^answer ([0-9a-f]+)$", text, re.MULTILINE)
    return Answer(tuple(re.findall(r"^op \d+ \w+ ([0-9a-f]{8})$", text, re.MULTILINE)), answer)


def build(compiler: Sequence[str], output: Path, *more: Path, linking: Sequence[str] = ()) -> Path:
    return compiled.link(compiler, compiled.PLAIN, [RUNNER, *sources(), *more], output, linking)


def run(command: Sequence[str | Path], folder: Path) -> Answer:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return parse(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME.lnt and NAME.bin (an input) of each network."""
    path = tmp_path_factory.mktemp("networks")
    for name, make in NETWORKS.items():
        graph = make()
        (path / f"{name}.lnt").write_bytes(small_networks.lnt(graph))
        random_networks.picture(graph, 1).tofile(path / f"{name}.bin")
    return path


@pytest.fixture(scope="module")
def expected(folder: Path, cc: list[str]) -> dict[str, Answer]:
    """What this machine computes, which is what the oracle says."""
    program = build(cc, folder / "host")
    answers = {}
    for name, make in NETWORKS.items():
        graph = make()
        answers[name] = run([program, f"{name}.lnt", f"{name}.bin"], folder)
        values = oracle.run(graph, random_networks.picture(graph, 1))
        assert len(answers[name].hashes) == len(graph.ops)
        assert answers[name].answer == values[graph.ops[-1].output].tobytes().hex()
    return answers


@pytest.mark.parametrize("target", LINUX)
def test_linux(target: str, folder: Path, expected: dict[str, Answer], cross: Callable[[str], conftest.Cross]) -> None:
    tools = cross(target)
    program = build(tools.cc, folder / target)
    for cpu in LINUX[target]:
        for name, answer in expected.items():
            for way, options in WAYS.items():
                arguments = [f"{name}.lnt", f"{name}.bin", "--poison", *options]
                answered = run([*tools.run, "-cpu", cpu, str(program), *arguments], folder)
                assert answered == answer, f"{cpu}, {name}, {way}"


@pytest.mark.parametrize("cpu", CORTEX_M)
def test_cortex_m(cpu: str, folder: Path, expected: dict[str, Answer], require_tool: Callable[[str, str], str]) -> None:
    gcc = require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    qemu = require_tool("qemu-system-arm", "qemu-system-arm")
    board = CORTEX_M[cpu]
    program = build(board.compiler(gcc, cpu), folder / cpu, VECTORS, linking=board.places())
    for name, answer in expected.items():
        for way, options in WAYS.items():
            arguments = [f"{name}.lnt", f"{name}.bin", "--poison", *options]
            assert run(board.command(qemu, program, arguments), folder) == answer, f"{cpu}, {name}, {way}"

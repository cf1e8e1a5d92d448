"""linnet-run where a file or an option asks for too much memory: one line that says so, and no memory taken."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import compiled
import conftest
import linnet_clib
import linnet_cross
import numpy as np
import pytest
import random_networks
import small_networks

from linnet.format_gen import InputKind
from linnet_converter import lnt_file, planner

MOST_KILOBYTES = 1 << 20  # what the program has taken when it has not taken what it was asked for


def build(cc: Sequence[str], output: Path) -> Path:
    files = [*sorted(linnet_cross.PROGRAM.glob("*.c")), *linnet_clib.sources(), *linnet_clib.host_sources()]
    return compiled.link(cc, compiled.PROGRAM, files, output)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, cc: list[str]) -> Path:
    return build(cc, tmp_path_factory.mktemp("program") / "linnet-run")


def refusal(*command: object) -> str:
    """What the program says when it fails without having touched much memory."""
    with subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 1 and len(said.splitlines()) == 1, said
    assert usage.ru_maxrss < MOST_KILOBYTES
    return said


def test_a_damaged_arena_size_is_found_before_it_is_believed(program: Path, tmp_path: Path) -> None:
    graph = small_networks.classifier()
    plan = planner.plan(graph)
    data = lnt_file.write(graph, [plan])
    arena = struct.pack("<I", plan.arena_bytes)
    assert data.count(arena) == 1
    (tmp_path / "m.lnt").write_bytes(data.replace(arena, struct.pack("<I", 3 << 30)))
    assert "CRC" in refusal(program, tmp_path / "m.lnt", "/dev/null")


@pytest.mark.parametrize("count", [0, 257, 1_000_000_000])
def test_threads(count: int, program: Path, tmp_path: Path) -> None:
    (tmp_path / "m.lnt").write_bytes(small_networks.lnt(small_networks.classifier()))
    said = refusal(program, tmp_path / "m.lnt", "/dev/null", "--threads", count)
    assert "--threads: " in said and ("1 to 256" in said or "smaller number" in said)


@pytest.mark.emulator
def test_inputs_beyond_32_bits(tmp_path: Path, cross: Callable[[str], conftest.Cross]) -> None:
    """A sound file whose input has 2^32 + 131072 bytes, and an input of 131072."""
    tools = cross("armhf")
    program = build(tools.cc, tmp_path / "linnet-run")
    b = random_networks.Builder(np.random.default_rng(1))
    x = b.source((4096, 32769, 32))
    b.dense(b.pool(b.conv(x, 8, (3, 3), (255, 255), depthwise=False)), 10)
    graph = b.graph(InputKind.pixels)
    (tmp_path / "m.lnt").write_bytes(lnt_file.write(graph, [planner.plan(graph, push_rows=True)]))
    (tmp_path / "input").write_bytes(bytes(131072))
    assert "does not fit" in refusal(*tools.run, program, tmp_path / "m.lnt", tmp_path / "input")

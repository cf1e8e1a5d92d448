"""Instructions of several threads: how tasks are dealt out, and `linnet bench --on emulator --threads`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import random_networks

from linnet import cli
from linnet.errors import LinnetError
from linnet.format_gen import InputKind
from linnet_boards import emulator
from linnet_converter import lnt_file, planner


def test_tasks_are_dealt_to_whoever_is_free() -> None:
    # 10 alone; a step of tasks 7 and 5; 4 alone; one of 6, 1, 2; 3 alone. 100 between steps and tasks does not count.
    counts = [0, 10, 110, 117, 217, 222]
    counts += [226, 326, 332, 432, 433, 533, 535]
    counts += [538]
    two = emulator.deal([2, 3], np.array(counts), 2)
    assert two == emulator.ThreadsCount(threads=2, instructions=38, busiest=30, path=30, shared_steps=2)
    three = emulator.deal([2, 3], np.array(counts), 3)
    assert (three.instructions, three.busiest, three.path) == (38, 30, 30)
    # the second step's first task is the shorter one: the busiest thread is not the one that is waited for twice
    counts = [0, 1, 1, 9, 9, 11, 12, 12, 14, 14, 22, 22]
    assert emulator.deal([2, 2], np.array(counts), 2) == emulator.ThreadsCount(2, 22, 12, 18, 2)
    assert emulator.deal([], np.array([5, 25]), 4) == emulator.ThreadsCount(4, 20, 20, 20, 0)
    for wrong in (counts[:-1], [*counts, 30]):
        with pytest.raises(LinnetError, match="marks of 2 shared steps"):
            emulator.deal([2, 2], np.array(wrong), 2)


@pytest.mark.emulator
def test_threads_are_counted(
    tmp_path: Path, require_tool: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two layers that are cut, and little else."""
    require_tool("qemu-aarch64", "qemu-user")
    b = random_networks.Builder(np.random.default_rng(1))
    x = b.pointwise(b.source((16, 16, 16)), 64)
    b.dense(b.pool(b.conv(x, 0, (3, 3), (1, 1), depthwise=True)), 5)
    graph = b.graph(InputKind.pixels)
    path = tmp_path / "m.lnt"
    path.write_bytes(lnt_file.write(graph, [planner.plan_layer_by_layer(graph)]))
    command = ["bench", str(path), "--on", "emulator", "--board", "rpi3", "--threads", "1,2,4"]
    assert cli.main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kernels"] == "neon_inorder"
    alone, (two, four) = found["instructions"], found["threads"]
    assert (two["threads"], four["threads"]) == (2, 4)
    for each in (two, four):
        assert each["shared_steps"] >= 2
        # the same work, and set up for each task
        assert alone - 400 < each["instructions"] < 1.3 * alone
        assert each["instructions"] / each["threads"] <= each["busiest"] <= each["path"]
        assert each["speedup"] == alone / each["path"]
    assert 1.6 < two["speedup"] <= 2 < four["speedup"] <= 4
    assert cli.main(command) == 0
    assert f"{four['path']:,}" in capsys.readouterr().out

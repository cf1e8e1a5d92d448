"""`linnet compare`: what each operator computes elsewhere and here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import random_networks
import small_networks

import linnet
from linnet import cli
from linnet_boards import hashes, places
from linnet_converter.qgraph import QGraph


@pytest.fixture
def graph() -> QGraph:
    return small_networks.classifier(softmax=True)


@pytest.fixture
def model(graph: QGraph, tmp_path: Path) -> Path:
    path = tmp_path / "m.lnt"
    path.write_bytes(small_networks.lnt(graph))
    return path


@pytest.fixture
def picture(graph: QGraph, tmp_path: Path) -> Path:
    path = tmp_path / "picture.npy"
    np.save(path, random_networks.picture(graph, 1))
    return path


@pytest.mark.emulator
def test_an_emulated_board(
    model: Path, picture: Path, capsys: pytest.CaptureFixture[str], require_tool: Callable[[str, str], str]
) -> None:
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    require_tool("qemu-system-arm", "qemu-system-arm")
    place = ["--on", "emulator", "--board", "mps2-an386", "--json"]
    assert cli.main(["compare", str(model), str(picture), *place]) == 0
    told = json.loads(capsys.readouterr().out)
    traced = linnet.load(model).trace(np.load(picture))
    assert [op["there"] for op in told["operators"]] == [hashes.of_values(op.values) for op in traced]
    assert told["same"] and told["first_difference"] is None


def test_a_difference(
    model: Path, picture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first operator that differs is named, and the exit status is 1."""
    there = [hashes.of_values(op.values) for op in linnet.load(model).trace(np.load(picture))]
    monkeypatch.setattr(places, "hashes", lambda *_: tuple(there))
    arguments = ["compare", str(model), str(picture), "--on", "pi"]
    assert cli.main(arguments) == 0
    assert f"all {len(there)} operators compute the same values" in capsys.readouterr().out
    there[4] ^= 1
    there[6] ^= 1 << 31
    assert cli.main(arguments) == 1
    out = capsys.readouterr().out
    assert "op4 (pointwise) is the first of 2 operators that compute other values" in out
    assert [line.split()[0] for line in out.splitlines() if line.rstrip().endswith("differs")] == ["op4", "op6"]
    assert cli.main([*arguments, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["first_difference"]) == (False, "op4")
    assert [op["index"] for op in told["operators"] if op["here"] != op["there"]] == [4, 6]
    del there[-1]
    assert cli.main(arguments) == 1
    assert "9 operators ran there, 10 here: is it the same model?" in capsys.readouterr().err


def test_what_it_needs(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, says in (
        ([], "say with what: --on USER@HOST, --on serial:PORT, or --on emulator --board NAME"),
        (["--board", "rpi4"], "--board goes with --on emulator"),
        (["--on", "emulator", "--board", "rpi4"], "an emulated board with Linux is for `linnet bench`"),
        (
            ["--on", "emulator", "--board", "mps2-an386", "--kernels", "ref"],
            "firmware has its kernels, RAM and one thread",
        ),
    ):
        assert cli.main(["compare", str(model), *options]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("linnet: error: ") and says in line
    assert cli.main(["compare", "none.lnt", "--on", "pi"]) == 1
    assert "none.lnt: No such file" in capsys.readouterr().err

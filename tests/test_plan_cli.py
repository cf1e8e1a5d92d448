"""`linnet plan`, `linnet boards`, and the budgets of `linnet convert`."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import digits
import pytest

import linnet
from linnet import cli
from linnet_boards import board, names
from linnet_converter import budget, lnt_file, onnx_reader, planner, quantize
from linnet_converter.planner import Planner
from linnet_converter.qgraph import QGraph


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert cli.main([*map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert not captured.err
    return captured.out


def json_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    return json.loads(printed(capsys, *arguments, "--json"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of the error."""
    capsys.readouterr()
    assert cli.main([*map(str, arguments)]) == 1
    captured = capsys.readouterr()
    assert not captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith("linnet: error: ")
    return line


@pytest.fixture(scope="module")
def graph() -> QGraph:
    return quantize.shapes_only(onnx_reader.read(digits.ONNX))


# ---------------------------------------------------------------------------------------------- plan


@pytest.mark.parametrize("kind", ["whole", "rows"])
def test_plan(kind: str, graph: QGraph, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn, model = tmp_path / "curve.svg", tmp_path / "digits.lnt"
    report = json_of(capsys, "plan", digits.ONNX, "--input", kind, "--svg", drawn)
    expected = Planner(graph, push_rows=kind == "rows").curve()
    assert [plan["arena_bytes"] for plan in report["plans"]] == [plan.arena_bytes for plan in expected]
    assert [plan["extra_macs"] for plan in report["plans"]] == [planner.extra_macs(graph, plan) for plan in expected]
    for plan in report["plans"]:
        assert plan["extra_percent"] == pytest.approx(100 * plan["extra_macs"] / report["macs"])
        assert sum(stretch["operators"] for stretch in plan["stretches"]) == report["operators"] == len(graph.ops)
        assert any(stretch["recomputed"] for stretch in plan["stretches"]) == (plan["extra_macs"] > 0)

    texts = [element.text or "" for element in ET.parse(drawn).iter("{http://www.w3.org/2000/svg}text")]
    for plan in report["plans"]:
        assert f"{plan['arena_bytes']:,} bytes" in texts

    model.write_bytes(digits.lnt())
    assert json_of(capsys, "plan", model, "--input", kind) == report | {"model": str(model)}

    lines = printed(capsys, "plan", digits.ONNX, "--input", kind).splitlines()
    assert lines[2].split() == ["arena", "more", "MACs", "fused", "operators", "strips", "computed", "again"]
    assert any(line.startswith(f"{expected[0].arena_bytes:,}") for line in lines)


def test_plan_needs_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.lnt: No such file" in refused(capsys, "plan", tmp_path / "none.lnt")
    (tmp_path / "a.lnt").write_bytes(b"no model")
    assert "a.lnt: " in refused(capsys, "plan", tmp_path / "a.lnt")
    assert "none.onnx" in refused(capsys, "plan", tmp_path / "none.onnx")


# ---------------------------------------------------------------------------------------------- boards


def test_boards_are_facts() -> None:
    for name in names():
        machine = board(name)
        assert machine.name == name
        assert 0 < machine.arena_limit <= machine.arena_bytes <= machine.ram_bytes
        assert machine.clock_mhz > 0 and machine.cores > 0 and machine.title and machine.source
        assert machine.l2_bytes == 0 or machine.l2_bytes > machine.l1_bytes > 0
    assert (board("stm32f746-disco").ram_bytes, board("stm32f746-disco").flash_bytes) == (320 << 10, 1 << 20)
    assert board("raspberry-pi-pico").arena_limit == 260 << 10
    assert board("nucleo-h743zi").arena_limit == 512 << 10
    assert board("rpi4").flash_bytes is None
    assert board("rpi4").cache_bytes == 1 << 20


def test_boards_command(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json_of(capsys, "boards")
    assert [entry["name"] for entry in listed] == sorted(names())
    assert {"core", "isa", "ram_bytes", "flash_bytes", "l1_bytes", "l2_bytes", "clock_mhz"} <= listed[0].keys()
    text = printed(capsys, "boards")
    assert all(name in text for name in names())


# ---------------------------------------------------------------------------------------------- convert


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Arguments of a quick `linnet convert`; the model goes to the last."""
    folder = tmp_path_factory.mktemp("pictures")
    for picture in sorted((digits.FOLDER / "calibration").iterdir())[::16]:
        shutil.copy(picture, folder)
    out = tmp_path_factory.mktemp("out") / "m.lnt"
    return ["convert", digits.ONNX, "--calibrate", folder, "--preprocess", "torch", "--quality", "fast", "-o", out]


def test_convert_within_ram(common: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    free = json_of(capsys, *common)
    assert free["recomputed_macs"] == 0
    tight = free["arena_bytes"] - 100
    within = json_of(capsys, *common, "--ram", tight)
    assert within["arena_bytes"] <= tight
    assert within["recomputed_macs"] > 0
    assert linnet.load(str(common[-1])).arena_bytes == within["arena_bytes"]
    assert "of rows computed again" in printed(capsys, *common, "--ram", tight)
    plenty = json_of(capsys, *common, "--ram", "10M")
    assert plenty["recomputed_macs"] == 0
    loaded, (plan,) = lnt_file.read(Path(str(common[-1])).read_bytes())
    assert not planner.strips_in(loaded, plan)


def test_what_does_not_fit_says_what_would(common: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    Path(str(common[-1])).unlink(missing_ok=True)
    line = refused(capsys, *common, "--ram", "4K")
    stated = re.search(r"the smallest arena is (\d+) bytes, \d+ more than allowed; what binds is .*--input rows", line)
    assert stated
    assert not Path(str(common[-1])).exists()
    assert json_of(capsys, *common, "--ram", stated[1])["arena_bytes"] == int(stated[1])
    assert "--input rows" not in refused(capsys, *common, "--ram", "1K", "--input", "rows")


def test_convert_within_flash(common: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    size = json_of(capsys, *common)["model_bytes"]
    line = refused(capsys, *common, "--flash", "100K")
    assert f"the model file is {size} bytes, {size - 102_400} more than the 102400 bytes of flash allowed: use" in line
    assert json_of(capsys, *common, "--flash", size)["model_bytes"] == size


def test_convert_for_a_board(common: list[object], graph: QGraph, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("rpi4", "workstation"):
        machine = board(name)
        expected = budget.choose(graph, budget.Budget(machine.arena_limit, cache=machine.cache_bytes))
        assert json_of(capsys, *common, "--board", name)["arena_bytes"] == expected.arena_bytes
    assert json_of(capsys, *common, "--board", "rpi4", "--ram", "14000")["arena_bytes"] <= 14_000
    assert "more than the 102400 bytes of flash" in refused(capsys, *common, "--board", "rpi4", "--flash", "100K")
    line = refused(capsys, *common, "--board", "arduino")
    assert "there is no board 'arduino'; known are " in line
    assert all(name in line for name in names())
    for wrong in (["--ram", "much"], ["--flash", "-1"]):
        assert cli.main([*map(str, common), *wrong]) == 2

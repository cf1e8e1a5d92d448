"""Boards that answer nonsense, shells that talk, names that shells would read: one line each, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_networks
from fake_ssh import Hosts
from PIL import Image

import linnet
from linnet import cli
from linnet.errors import LinnetError
from linnet_boards import checkup, probe
from linnet_boards.device import Device
from linnet_boards.ssh import CommandError, Ssh, last_line
from linnet_converter import lnt_file, planner

HOME = ".local/share/linnet"
PIXELS = np.random.default_rng(5).integers(0, 256, (3, 12, 10, 3)).astype(np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "m.lnt").write_bytes(small_networks.lnt(small_networks.classifier()))
    return tmp_path / "m.lnt"


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of an error."""
    assert cli.main([*map(str, arguments)]) == 1
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.startswith("copying")]
    assert len(lines) == 1 and lines[0].startswith("linnet: error: ") and not captured.out, captured
    return lines[0]


# ---------------------------------------------------------------------------------------------- answers

VALUES = [0] * small_networks.CLASSES


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        "7",
        "{}",
        '{"values": [1, 2], "nanoseconds": 5}',
        '{"values": "many", "nanoseconds": 5}',
        '{"values": [[1], [2, 3]], "nanoseconds": 5}',
        json.dumps({"values": [2**40] * len(VALUES), "nanoseconds": 5}),
        json.dumps({"values": VALUES, "nanoseconds": "soon"}),
        json.dumps({"values": VALUES, "nanoseconds": None}),
        "[" * 100_000,
    ],
)
def test_an_answer_of_another_kind(hosts: Hosts, model: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    (hosts.root / "odd.txt").write_text(line + "\n")
    picture = model.with_name("p.png")
    Image.fromarray(PIXELS[0]).save(picture)
    error = error_of(capsys, "run", model, picture, "--on", "odd")
    assert "odd: what linnet-run answers makes no sense" in error or "odd: linnet-run printed what is no JSON" in error


def test_more_answers_than_questions(hosts: Hosts, model: Path) -> None:
    (hosts.root / "odd.txt").write_text(4 * (json.dumps({"values": VALUES, "nanoseconds": 5}) + "\n"))
    with Ssh("odd") as ssh, pytest.raises(LinnetError, match="more answers came than were asked for"):
        list(Device.of(ssh, model).answers(PIXELS))


@pytest.mark.parametrize(
    "changed",
    [
        {"nanoseconds": []},
        {"nanoseconds": [0, 0]},
        {"nanoseconds": ["a"]},
        {"cpu_nanoseconds": None},
        {"operators": [{"index": 99, "nanoseconds": [1], "steps": 1}]},
        {"operators": [{}]},
        {"arena_bytes": "much"},
        {},
    ],
)
def test_times_that_make_no_sense(
    hosts: Hosts, model: Path, changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"nanoseconds": [5, 6], "cpu_nanoseconds": [5, 6], "operators": [], "kernels": "ref", "arena_bytes": 9}
    (hosts.root / "odd.txt").write_text(json.dumps(answer | changed if changed else {}))
    assert "odd: what linnet-run answers makes no sense" in error_of(capsys, "bench", model, "--on", "odd")


def test_a_shell_that_talks(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert "~/.bashrc there must be silent" in error_of(capsys, "deploy", model, "chatty")
    assert cli.main(["doctor", "--on", "chatty"]) == 1
    assert "does ~/.bashrc there print something?" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        "processors=undefined",
        "processors=\u00b2",
        "load=a b c",
        "load=",
        "load=1e999999 ",
        "memory=MemAvailable: x kB",
        f"memory=MemAvailable: {'9' * 5000} kB",
        f"processors={'9' * 5000}",
        "free=/dev/root 1 2 \u00b2 3% /",
        "cooling=cpufreq-cpu x",
        "cooling=cpufreq",
        "python=3.\u00b2",
        "python=three",
        f"temperature={'9' * 400}",
        f"throttled=throttled=0x{'f' * 5000}",
        "elf=7f 45 zz",
        "elf=\ud800",
        "====",
    ],
)
def test_what_a_probe_may_answer(line: str) -> None:
    found = probe.parse(line)
    assert all(each.value for each in checkup.check(found, None, "why not"))
    assert found.processors >= 1


def test_a_board_does_not_command_the_terminal() -> None:
    found = probe.parse("board=Pi \x1b[2J\x07 4\nos=\x9b1mDebian")
    assert (found.board, found.os) == ("Pi [2J 4", "1mDebian")
    assert last_line(b"first\n\x1b]0;title\x07no such file\n \n") == "]0;titleno such file"


# ---------------------------------------------------------------------------------------------- names, folders


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("two words.lnt", "-rf"),
        ("it's.lnt", "a b/$HOME/'x'"),
        ('"$(touch owned)`touch owned`".lnt', "*"),
        ("\u6a21\u578b \u00e9*;b&c|d.lnt", HOME),
    ],
)
def test_names_that_shells_would_read(
    hosts: Hosts, model: Path, name: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model.rename(model.with_name(name))
    (hosts.home("pi")).mkdir(parents=True)
    (hosts.home("pi") / "other.lnt").touch()
    assert cli.main(["deploy", str(path), "pi", f"--folder={folder}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["copied"] == ["linnet-run", name]
    assert hosts.files("pi") == sorted(["other.lnt", f"{folder}/linnet-run", f"{folder}/{name}"])
    assert cli.main(["deploy", str(path), "pi", f"--folder={folder}", "--remove"]) == 0
    assert hosts.files("pi") == ["other.lnt"]


@pytest.mark.parametrize("name", [".lnt", ".hidden.lnt", "-rf.lnt", "a\nb.lnt", "m.onnx"])
def test_names_that_are_refused(hosts: Hosts, model: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = model.rename(model.with_name(name))
    assert "give a model file NAME.lnt" in error_of(capsys, "deploy", path, "pi")
    assert hosts.commands("pi") == []


def test_a_very_long_name(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = model.rename(model.with_name("x" * 250 + ".lnt"))
    assert "File name too long" in error_of(capsys, "deploy", path, "pi")
    assert hosts.files("pi") == [f"{HOME}/linnet-run"]


def test_removing_leaves_what_is_not_ours(hosts: Hosts, model: Path) -> None:
    home = hosts.home("pi") / HOME
    assert cli.main(["deploy", str(model), "pi"]) == 0
    kept = [".linnet-run.backup", ".m.lnt.backup", "m.lnt.txt", "notes"]
    for name in kept:
        (home / name).write_text("mine")
    (home / ".m.lnt.part-a1B2c3").touch()  # of a copy that lost its power
    (home / ".linnet-run.part-a1B2c3").touch()
    assert cli.main(["deploy", str(model), "pi", "--remove"]) == 0
    assert hosts.files("pi") == [f"{HOME}/{name}" for name in kept]


def test_a_folder_in_the_models_place(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (hosts.home("pi") / HOME / "m.lnt").mkdir(parents=True)
    assert f"{HOME}/m.lnt is a folder" in error_of(capsys, "deploy", model, "pi")
    assert hosts.files("pi") == [f"{HOME}/linnet-run"]


# ---------------------------------------------------------------------------------------------- ssh itself


@pytest.fixture
def lingering(hosts: Hosts) -> Iterator[str]:
    """A host whose ssh leaves somebody behind who holds stderr, as a shared connection may."""
    yield "lingering"
    for pid in (hosts.root / "pids").read_text().split():
        os.kill(int(pid), signal.SIGKILL)


def test_nobody_waits_for_the_shared_connection(lingering: str) -> None:
    start = time.monotonic()
    with Ssh(lingering) as ssh:
        assert ssh.run(["cat"], b"through") == b"through"
        assert list(ssh.lines(["printf", r"1\n2\n3"], b"")) == [b"1", b"2"]
        with pytest.raises(CommandError, match="No such file"):
            ssh.run(["ls", "/nowhere"])
    assert time.monotonic() - start < 20


def test_lines_that_nobody_wants_any_more(hosts: Hosts) -> None:  # noqa: ARG001
    """More goes in and comes out than pipes hold."""
    start = time.monotonic()
    with Ssh("pi") as ssh:
        lines = ssh.lines(["sh", "-c", "while :; do echo line; done"], bytes(10_000_000))
        assert next(lines) == b"line"
        lines.close()  # type: ignore[attr-defined]  # a generator
        assert sum(map(len, ssh.lines(["cat"], b"0123456789\n" * 300_000))) == 3_000_000
    assert time.monotonic() - start < 4


@pytest.mark.parametrize(("value", "message"), [('"', "LINNET_SSH is no command"), ("", "no host of this name")])
def test_the_command_ssh(
    hosts: Hosts,
    model: Path,
    value: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LINNET_SSH", value)
    monkeypatch.setenv("PATH", f"{hosts.root}:{os.environ['PATH']}")  # where there is an ssh
    assert message in error_of(capsys, "deploy", model, "nowhere")


# ---------------------------------------------------------------------------------------------- options


def test_ram_is_meant_there(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "two.lnt"
    graph = small_networks.classifier()
    plans = [planner.plan_layer_by_layer(graph), planner.plan(graph)]
    model.write_bytes(lnt_file.write(graph, plans))
    least, most = linnet.load(model).least_arena_bytes, linnet.load(model).arena_bytes
    assert least < most
    found = []
    for options in ([], ["--ram", str(least)]):
        assert cli.main(["bench", str(model), "--on", "pi", "--runs", "2", "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["arena_bytes"])
    assert found == [most, least]
    picture = tmp_path / "p.png"
    Image.fromarray(PIXELS[0]).save(picture)
    for command in (["bench", model], ["run", model, picture]):
        assert "the arena is too small" in error_of(capsys, *command, "--on", "pi", "--ram", "100")
    assert all("--arena" in line for line in hosts.commands("pi")[-1:])


def test_doctor_is_for_linux(capsys: pytest.CaptureFixture[str]) -> None:
    for where in ("emulator", "serial:/dev/null"):
        assert "doctor looks at machines with Linux" in error_of(capsys, "doctor", "--on", where)
    assert "--board goes with --on emulator" in error_of(capsys, "doctor", "--board", "rpi4")

"""`linnet flash`, with a fake tool on PATH."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from linnet import cli
from linnet_boards import board, names


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "firmware.elf").write_bytes(b"elf")
    (folder / "build.json").write_text(json.dumps({"board": "nucleo-h743zi"}))
    return folder


def fake(folder: Path, name: str, status: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool that writes down its arguments."""
    log = folder / "log"
    program = folder / name
    program.write_text(f'#!/bin/sh\necho "$@" > {log}\necho working\nexit {status}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return log


def test_flash(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake(tmp_path, "openocd", 0, monkeypatch)
    assert cli.main(["flash", str(built)]) == 0
    assert f"program {built / 'firmware.elf'} verify reset exit" in log.read_text()
    assert "is on the board" in capsys.readouterr().out
    log = fake(tmp_path, "picotool", 0, monkeypatch)
    assert cli.main(["flash", str(built / "firmware.elf"), "--board", "raspberry-pi-pico-2", "--json"]) == 0
    command = json.loads(capsys.readouterr().out)["command"]
    assert command[0] == "picotool" and log.read_text().split() == command[1:]


@pytest.mark.parametrize("name", ["a [exec touch owned] b", "a$HOME", "a;b", 'a"b', "a\\b", "a{b"])
def test_names_that_openocd_would_read(built: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = built.rename(built.with_name(name))
    assert cli.main(["flash", str(folder), "--dry-run"]) == 1
    assert "openocd takes parts of such a name for commands" in capsys.readouterr().err
    assert cli.main(["flash", str(folder), "--dry-run", "--board", "raspberry-pi-pico"]) == 0  # has no language
    assert cli.main(["flash", str(folder.rename(built.with_name("two words"))), "--dry-run", "--json"]) == 0
    command = json.loads(capsys.readouterr().out.partition("\n")[2])["command"]
    assert command[-1] == f"program {{{built.with_name('two words') / 'firmware.elf'}}} verify reset exit"


def test_flash_fails(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, "openocd", 3, monkeypatch)
    assert cli.main(["flash", str(built)]) == 1
    assert "openocd failed (status 3): is the board connected?" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["flash", str(built)]) == 1
    assert "openocd is not installed: apt install openocd" in capsys.readouterr().err
    assert cli.main(["flash", str(built), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("openocd -f ")
    assert cli.main(["flash", str(built), "--board", "rpi4"]) == 1
    assert "rpi4: there is no tool" in capsys.readouterr().err
    (built / "build.json").write_text("[]")
    assert cli.main(["flash", str(built)]) == 1
    assert "say --board NAME" in capsys.readouterr().err
    (built / "build.json").unlink()
    assert cli.main(["flash", str(built)]) == 1
    assert "say --board NAME" in capsys.readouterr().err
    assert cli.main(["flash", str(tmp_path / "none")]) == 1
    assert "there is no such file: linnet build makes it" in capsys.readouterr().err


def test_every_board_is_complete() -> None:
    """Firmware boards name their memory, and all but the emulated ones a tool."""
    for name in names():
        machine = board(name)
        target = machine.cortex_m
        assert (target is not None) == machine.core.startswith("Cortex-M")
        if target is None:
            continue
        assert target.flash or target.emulator
        assert target.boot_clock_mhz <= machine.clock_mhz
        data = target.region(target.data)
        assert data.bytes == machine.arena_bytes
        for region in target.regions:
            assert region.cycles_per_word >= 1 and region.bytes > 0

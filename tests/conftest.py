"""Fixtures for what the machine may lack: real networks, cross compilers, emulators."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import absence
import compiled
import fake_ssh
import linnet_clib
import linnet_cross
import pytest


@dataclass(frozen=True)
class Cross:
    """Commands that compile C for another Linux processor, and that run the program made (statically linked)."""

    cc: tuple[str, ...]
    run: tuple[str, ...]


CROSS = {
    "aarch64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross", "qemu-aarch64"),
    "armhf": ("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross", "qemu-arm"),
}


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str, str], str]:
    """Returns the path of a program, given its apt package; where it is absent the test is skipped, or fails."""

    def find(program: str, apt: str) -> str:
        path = shutil.which(program)
        if path is None:
            absence.absent(f"{program} is not installed: apt install {apt}")
        return path

    return find


@pytest.fixture(scope="session")
def cross(require_tool: Callable[[str, str], str]) -> Callable[[str], Cross]:
    """Compiler and emulator of "aarch64" or "armhf"; mark the test with `emulator`."""

    def find(target: str) -> Cross:
        gcc, apt, qemu = CROSS[target]
        return Cross((require_tool(gcc, apt), "-static"), (require_tool(qemu, "qemu-user"),))

    return find


@pytest.fixture(scope="session")
def cc() -> list[str]:
    """This machine's C compiler, the same that built the library."""
    command = linnet_clib.compiler()
    if command is None:
        absence.absent("there is no C compiler: apt install gcc")
    return command


@pytest.fixture(scope="session")
def host_program(tmp_path_factory: pytest.TempPathFactory, cc: list[str]) -> Path:
    """linnet-run for this machine, which the hosts of `hosts` are."""
    # not the library, which keeps its inner functions to itself
    files = [*sorted(linnet_cross.PROGRAM.glob("*.c")), *linnet_clib.sources(), *linnet_clib.host_sources()]
    return compiled.link(cc, compiled.PROGRAM, files, tmp_path_factory.mktemp("program") / "linnet-run")


@pytest.fixture
def hosts(tmp_path: Path, host_program: Path, monkeypatch: pytest.MonkeyPatch) -> fake_ssh.Hosts:
    """Hosts that ssh seems to reach."""
    from linnet_boards import deployment, device
    from linnet_boards.commands import doctor

    made = fake_ssh.make(tmp_path / "hosts")
    monkeypatch.setenv("LINNET_SSH", made.ssh)
    monkeypatch.setattr(deployment, "linnet_run", lambda _: host_program)
    monkeypatch.setattr(doctor, "linnet_run", lambda _: host_program)
    monkeypatch.setattr(device, "PATIENCE", (0.0, 0.0))
    return made


@pytest.fixture(scope="session")
def assets() -> Path:
    """Folder with the real networks and pictures; mark the test with `assets`."""
    folder = os.environ.get("LINNET_ASSETS")
    if not folder:
        pytest.skip("set LINNET_ASSETS to the folder with models/models.toml")
    path = Path(folder).resolve()
    assert (path / "models/models.toml").is_file(), f"LINNET_ASSETS={folder} has no models/models.toml"
    return path

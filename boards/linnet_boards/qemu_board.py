"""A board that QEMU emulates, with its serial port at our end. Instructions are counted exactly."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from linnet.errors import LinnetError

from . import plugin
from .estimate import CLASSES
from .firmware import tool

LINE_BYTES = 512
"""More than a line of the counter's file has."""

COUNTER = Path(__file__).parent / "qemu/classes.c"

SHIFT = 6
"""An instruction lasts 2^6 ns of the emulated clock, longer than a tick of any board's timer: so none is lost."""


def qemu() -> str:
    """The emulator's path. Raises LinnetError, saying how to get it."""
    path = shutil.which("qemu-system-arm")
    if path is None:
        raise LinnetError("qemu-system-arm is not installed: apt install qemu-system-arm")
    return path


def instructions(ticks: int, clock_hz: int) -> int:
    """Instructions in so many ticks of a timer that runs at the board's clock."""
    return round(ticks * 1_000_000_000 / clock_hz / (1 << SHIFT))


class Counter:
    """Instructions by class, as the plugin writes them into a file while the emulator runs."""

    def __init__(self, elf: Path, folder: Path) -> None:
        """folder: for the plugin and its file."""
        self._file = folder / "classes.txt"
        self._before = dict.fromkeys(CLASSES, 0)
        addresses = {name: address & ~1 for name, address in _symbols(elf).items()}
        start, end = (addresses[f"firmware_mark_{name}"] for name in ("start", "end"))
        marks = {"from": f"{start:#x}", "to": f"{end:#x}"}
        self.options = plugin.options(COUNTER, folder, **marks, out=self._file)

    def take(self) -> dict[str, int]:
        """What has run since the last call, between the firmware's marks."""
        with self._file.open("rb") as stream:
            stream.seek(max(self._file.stat().st_size - LINE_BYTES, 0))
            lines = stream.read().splitlines()
        now = dict(zip(CLASSES, map(int, lines[-1].split()), strict=True)) if lines else self._before
        spent = {name: count - self._before[name] for name, count in now.items()}
        self._before = now
        return spent


def _symbols(elf: Path) -> dict[str, int]:
    listed = subprocess.run([tool("nm"), str(elf)], capture_output=True, text=True, check=True).stdout
    fields = (line.split() for line in listed.splitlines())
    return {field[2]: int(field[0], 16) for field in fields if len(field) == 3}


class Emulated:
    """A running emulator: a `conversation.Transport`."""

    def __init__(self, machine: str, elf: Path, extra: Sequence[str] = ()) -> None:
        """machine: QEMU's name.  extra: further options."""
        self.name = f"emulated {machine}"
        command = [qemu(), "-M", machine, "-display", "none", "-monitor", "none"]
        command += ["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]
        command += ["-icount", f"shift={SHIFT},sleep=off", "-kernel", str(elf), *extra]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )

    @property
    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin and self._process.stdout
        return self._process.stdin, self._process.stdout

    def write(self, data: bytes) -> None:
        try:
            self._pipes[0].write(data)
        except BrokenPipeError as error:
            raise LinnetError(f"{self.name}: the emulator has stopped") from error

    def read(self, seconds: float) -> bytes:
        out = self._pipes[1]
        ready, _, _ = select.select([out], [], [], max(seconds, 0))
        if not ready:
            return b""
        data = os.read(out.fileno(), 65536)
        if not data:
            raise LinnetError(f"{self.name}: the emulator has stopped")
        return data

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in self._pipes:
            pipe.close()

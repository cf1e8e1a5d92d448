"""Compiles and links the firmware of one board around one network, and says who takes what of the board's memory."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linnet.errors import LinnetError

from . import Board
from .cortex_m import CortexM, Region
from .dropin import ROOT

SOURCES = ROOT / "boards/firmware"
PREFIX = "arm-none-eabi-"
CFLAGS = (
    "-std=c11", "-mthumb", "-O2", "-g", "-Wall", "-Wextra", "-ffunction-sections", "-fdata-sections",
    "-DLNT_FIRMWARE", '-DLNT_MODEL_PLACE=__attribute__((section(".model")))',
)  # fmt: skip

_PLACES = {
    ".boot": ("program", "code"),
    ".vectors": ("program", "code"),
    ".text": ("program", "code"),
    ".rodata": ("program", "code"),
    ".ARM.exidx": ("program", "code"),
    ".model": ("model", "model"),
    ".stack": ("stack", "stack"),
    ".data": ("data", "variables"),
    ".bss": ("data", "variables"),
    ".arena": ("data", "arena"),
}
"""Sections of firmware.ld: which of the board's places they are in, and what people call them."""

MODEL = "model.bin"
"""What lies in the model's region, where the program has another."""

BOOT_BYTES = 252
"""Of a second stage, its check sum left out."""

LENIENT = 1 << 28
"""Length of regions for the linker, so that what does not fit can be reported in a table."""


@dataclass(frozen=True)
class Use:
    """Bytes of a memory region that something takes."""

    region: str
    what: str
    bytes: int


def tool(name: str) -> str:
    """The path of a tool. Raises LinnetError, saying how to get it."""
    path = shutil.which(PREFIX + name)
    if path is None:
        raise LinnetError(
            f"{PREFIX}{name} is not installed: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi, or Arm's GNU "
            "toolchain from developer.arm.com on PATH"
        )
    return path


def port_config(board: Board, target: CortexM, stack_bytes: int) -> str:
    """port_config.h: what the C sources know of the board."""
    return f"""\
#ifndef PORT_CONFIG_H
#define PORT_CONFIG_H
#define PORT_BOARD "{board.name}"
#define PORT_CLOCK_HZ {target.boot_clock_mhz}000000u
#define PORT_STACK_BYTES {stack_bytes}u
#define PORT_UART_BASE {target.serial.base:#x}u
#define PORT_UART_BAUD {target.serial.baud}u
#define PORT_UART_CLOCK_HZ {target.serial.clock_hz}u
#endif
"""


def memory_ld(target: CortexM, stack_bytes: int) -> str:
    """memory.ld: the board's regions. How long they are is looked at afterwards."""
    regions = "\n".join(f"  {r.name} (rwx) : ORIGIN = {r.origin:#010x}, LENGTH = {LENIENT}" for r in target.regions)
    places = {"PROGRAM": target.program, "MODEL": target.model, "DATA": target.data, "STACK": target.stack}
    aliases = "\n".join(f'REGION_ALIAS("{alias}", {name})' for alias, name in places.items())
    return f"MEMORY\n{{\n{regions}\n}}\n{aliases}\nSTACK_BYTES = {stack_bytes};\n"


def crc32_mpeg2(data: bytes) -> int:
    """The CRC-32 of RP2040's boot ROM: polynomial 0x04C11DB7, most significant bit first, not inverted at the end."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc >> 31 else crc << 1) & 0xFFFFFFFF
    return crc


class Builder:
    """Compiles for one board into a folder of its own."""

    def __init__(self, board: Board, stack_bytes: int | None, work: Path) -> None:
        """work: for objects. Raises LinnetError where the board has no firmware or the compiler is missing."""
        if board.cortex_m is None:
            raise LinnetError(f"{board.name} runs Linux: firmware is for microcontrollers (linnet boards)")
        self.board, self.target = board, board.cortex_m
        self.stack_bytes = stack_bytes or self.target.stack_bytes
        self.work = work
        self.gcc = tool("gcc")
        (work / "port_config.h").write_text(port_config(board, self.target, self.stack_bytes), encoding="utf-8")
        (work / "memory.ld").write_text(memory_ld(self.target, self.stack_bytes), encoding="utf-8")

    def compile(self, sources: Sequence[Path], folder: Path) -> list[Path]:
        """Objects of the C and assembly files; folder: the drop-in's."""
        includes = [f"-I{path}" for path in (self.work, folder, folder / "linnet/include", folder / "linnet/src")]
        objects = []
        for source in sources:
            target = self.work / f"{'_'.join(source.with_suffix('').parts[-3:])}.o"
            self._run([self.gcc, *self.target.flags, *CFLAGS, *includes, "-c", str(source), "-o", str(target)])
            objects.append(target)
        return objects

    def firmware_sources(self) -> list[Path]:
        """Those that serve the network, for this board."""
        names = ["main", "server", "frame", "cycles", "startup", f"port_{self.target.port}"]
        return [SOURCES / f"{name}.c" for name in [*names, f"uart_{self.target.serial.driver}"]]

    def boot(self) -> list[Path]:
        """The object of what the boot ROM runs first, with the check sum that it wants; empty where it wants none."""
        if not self.target.boot:
            return []
        (plain,) = self.compile([SOURCES / f"boot2_{self.target.boot}.S"], self.work)
        raw = self.work / "boot2.bin"
        self._run([tool("objcopy"), "-O", "binary", "-j", ".boot", str(plain), str(raw)])
        code = raw.read_bytes()
        if len(code) > BOOT_BYTES:
            raise LinnetError(f"boot2_{self.target.boot}.S has {len(code)} bytes, {BOOT_BYTES} is the most")
        code = code.ljust(BOOT_BYTES, b"\0")
        sealed = self.work / "boot2_sealed.S"
        listed = ", ".join(map(str, code + crc32_mpeg2(code).to_bytes(4, "little")))
        sealed.write_text(f'.section .boot, "a"\n.byte {listed}\n', encoding="utf-8")
        return self.compile([sealed], self.work)

    def link(self, objects: Sequence[Path], elf: Path) -> None:
        """Write the ELF file, and beside it the BIN of what lies in flash: a second one, where that is two regions."""
        flags = ["-mthumb", "-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"]
        script = [f"-L{self.work}", f"-L{SOURCES}", f"-T{SOURCES / 'firmware.ld'}"]
        self._run([self.gcc, *self.target.flags, *flags, *script, *map(str, objects), "-o", str(elf)])
        binary = [tool("objcopy"), "-O", "binary", str(elf)]
        if self.target.model == self.target.program:
            self._run([*binary, str(elf.with_suffix(".bin"))])
        else:
            self._run([*binary, "-R", ".model", str(elf.with_suffix(".bin"))])
            self._run([*binary, "-j", ".model", str(elf.with_name(MODEL))])

    def uses(self, elf: Path) -> list[Use]:
        """What each region holds."""
        totals: dict[tuple[str, str], int] = {}
        for section, size in re.findall(r"^(\.\S+)\s+(\d+)\s+\d+$", self._run([tool("size"), "-A", str(elf)]), re.M):
            if section in _PLACES:
                place, what = _PLACES[section]
                key = getattr(self.target, place), what
                totals[key] = totals.get(key, 0) + int(size)
                if section == ".data":  # its first values lie beside the program
                    key = self.target.program, "code"
                    totals[key] = totals.get(key, 0) + int(size)
        return [Use(region, what, size) for (region, what), size in sorted(totals.items()) if size]

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            raise LinnetError(f"{Path(command[0]).name} failed: {' '.join(lines[:2]) or done.returncode}")
        return done.stdout


def over(uses: Sequence[Use], regions: Sequence[Region]) -> list[tuple[Region, int]]:
    """Regions that hold more than they have room for, with the bytes that are too many."""
    found = []
    for region in regions:
        taken = sum(use.bytes for use in uses if use.region == region.name)
        if taken > region.bytes:
            found.append((region, taken - region.bytes))
    return found

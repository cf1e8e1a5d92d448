"""What a firmware must know of a microcontroller board, beyond `Board`: the table [cortex_m] of its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from linnet.errors import LinnetError


@dataclass(frozen=True)
class Region:
    """A piece of the address space.

    cycles_per_word: what reading 32 bits from it costs the processor on average, at the board's clock, one after the
    other; 1: as fast as the processor asks.  ready: whether it can be read when the start-up code has run.
    """

    name: str
    origin: int
    bytes: int
    cycles_per_word: float
    ready: bool = True


@dataclass(frozen=True)
class Serial:
    """driver: boards/firmware/uart_<driver>.c.  base: its registers.  baud: bits a second.  clock_hz: of the port."""

    driver: str
    base: int
    baud: int
    clock_hz: int


@dataclass(frozen=True)
class CortexM:
    """How firmware is made for the board, brought there, and talked to.

    flags: of the compiler, for the processor.  port: boards/firmware/port_<port>.c.
    boot_clock_mhz: what the start-up code sets, and what times are counted in.
    program, model, data, stack: regions of these.  stack_bytes: unless another size is asked for.
    boot: boards/firmware/boot2_<boot>.S, 252 bytes that a boot ROM checks and runs first, or "".
    flash: the tool's command line; {elf} and {bin} stand for the files.  emulator: QEMU's machine, itself a
    board of that name, whose processor executes the same instructions.
    """

    flags: tuple[str, ...]
    port: str
    boot_clock_mhz: int
    regions: tuple[Region, ...]
    program: str
    model: str
    data: str
    stack: str
    stack_bytes: int
    serial: Serial
    flash: tuple[str, ...]
    emulator: str
    boot: str

    def region(self, name: str) -> Region:
        return next(region for region in self.regions if region.name == name)


def parse(name: str, table: dict[str, Any]) -> CortexM:
    """The board's table. Raises LinnetError where something is missing or names a region that is not there."""
    try:
        regions = tuple(
            Region(
                region["name"],
                region["origin"],
                1024 * region["kib"],
                float(region["cycles_per_word"]),
                region.get("ready", True),
            )
            for region in table["memory"]
        )
        found = CortexM(
            flags=tuple(table["flags"]),
            port=table["port"],
            boot_clock_mhz=table["boot_clock_mhz"],
            regions=regions,
            program=table["program"],
            model=table["model"],
            data=table["data"],
            stack=table["stack"],
            stack_bytes=1024 * table["stack_kib"],
            serial=Serial(**table["serial"]),
            flash=tuple(table.get("flash", ())),
            emulator=table.get("emulator", ""),
            boot=table.get("boot", ""),
        )
    except (KeyError, TypeError) as error:
        raise LinnetError(f"{name}.toml: [cortex_m] is not complete: {error}") from error
    known = {region.name for region in regions}
    for place in (found.program, found.model, found.data, found.stack):
        if place not in known:
            raise LinnetError(f"{name}.toml: there is no memory region {place!r}")
    return found


def family(features: tuple[str, ...]) -> str:
    """The kernel family that is made for a microcontroller with these features."""
    return next((name for name in ("mve", "dsp") if name in features), "ref")

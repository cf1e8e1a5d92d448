"""Boards as data: what a plan and a firmware must know of a machine. One file per board in data/."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from linnet.errors import LinnetError

from .cortex_m import CortexM, parse


@dataclass(frozen=True)
class Board:
    """Facts of a data sheet, and where Linnet's arena and model would lie.

    name: what `--board` takes.  title: what people call it.
    core: the processor, as its maker writes it.  cores: how many of them.  clock_mhz: the highest of the data sheet.
    isa: the architecture, as compilers write it: armv6-m, armv7-m, armv7e-m, armv8-m.main, armv8.1-m.main, armv6,
        armv7-a, armv8-a, x86-64.
    features: extensions of it that kernels may use: dsp, fpu, mve, neon, dotprod, avx2.
    ram_bytes: all of its RAM.  arena_bytes: of these the largest piece in one, where the arena lies.
    reserve_bytes: of that piece, what stays for the system, or on a microcontroller for the stack.
    flash_bytes: where the model file lies beside the program; None where it is loaded from a disk or card.
    l1_bytes, l2_bytes: data cache of one core, and the cache behind it, as far as the arena goes through them; 0: none.
    source: where these figures come from.
    target: of boards with Linux, what programs for it are compiled for: aarch64, armv7, armv6.  qemu_cpu: its processor
    in qemu's user mode.  reach: how programs get there.  All three "" where there is no Linux.
    cortex_m: how its firmware is made; None where Linux runs.
    """

    name: str
    title: str
    core: str
    cores: int
    clock_mhz: int
    isa: str
    features: tuple[str, ...]
    ram_bytes: int
    arena_bytes: int
    reserve_bytes: int
    flash_bytes: int | None
    l1_bytes: int
    l2_bytes: int
    source: str
    target: str = ""
    qemu_cpu: str = ""
    reach: str = ""
    cortex_m: CortexM | None = None

    @property
    def arena_limit(self) -> int:
        """The largest arena that a plan for this board may have."""
        return self.arena_bytes - self.reserve_bytes

    @property
    def cache_bytes(self) -> int:
        """The largest cache that the arena goes through; 0 where there is none."""
        return self.l2_bytes or self.l1_bytes


def board(name: str) -> Board:
    """The board of this name. Raises LinnetError, listing the known names, where there is none."""
    if name not in names():
        raise LinnetError(f"there is no board {name!r}; known are {', '.join(names())}")
    return _read(name)


@functools.cache
def names() -> tuple[str, ...]:
    """Names of all boards, in alphabetical order."""
    return tuple(sorted(item.name[: -len(".toml")] for item in _data().iterdir() if item.name.endswith(".toml")))


@functools.cache
def _read(name: str) -> Board:
    fields: dict[str, Any] = tomllib.loads((_data() / f"{name}.toml").read_text(encoding="utf-8"))
    flash = fields.pop("flash_kib", None)
    sizes = {f"{key}_bytes": 1024 * fields.pop(f"{key}_kib") for key in ("ram", "arena", "l1", "l2")}
    sizes["reserve_bytes"] = 1024 * fields.pop("reserve_kib", 0)
    features = tuple(fields.pop("features"))
    firmware = fields.pop("cortex_m", None)
    cortex_m = None if firmware is None else parse(name, firmware)
    if cortex_m:
        sizes["reserve_bytes"] = cortex_m.stack_bytes if cortex_m.stack == cortex_m.data else 0
    return Board(
        name=name,
        features=features,
        flash_bytes=None if flash is None else 1024 * flash,
        cortex_m=cortex_m,
        **sizes,
        **fields,
    )


def _data() -> Any:
    return files(__package__) / "data"

"""Compile Linnet for Linux on another processor: the shared library, or the static program `linnet-run`.

Usage: python build_support/linnet_cross.py (--board NAME | --target NAME) [--gcc] [--library FILE] [--program FILE]

The compiler is zig, pinned: it brings the C libraries of all targets along. --gcc takes the distribution's cross
compiler instead. One target serves all its boards, since kernels are chosen where they run; a board's own processor is
not compiled for, so that a card moved from a Pi 5 to a Pi 4 goes on working.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from linnet_clib import CFLAGS, KERNELS, ROOT, ZIG_REQUIREMENT, host_sources, sources

BOARDS = ROOT / "boards/linnet_boards/data"
PROGRAM = ROOT / "boards/linnet_run"


@dataclass(frozen=True)
class Target:
    """A processor family with its Linux.

    library, program: what zig calls it with glibc (of the oldest version that will do) and with musl.  cpu: for zig,
    the oldest of the family.  gcc: the distribution's cross compiler with its options.  wheel: pip's platform tag.
    """

    name: str
    library: str
    program: str
    cpu: str
    gcc: tuple[str, ...]
    wheel: str


TARGETS = {
    target.name: target
    for target in (
        Target(
            "aarch64",
            "aarch64-linux-gnu.2.17",
            "aarch64-linux-musl",
            "generic",
            ("aarch64-linux-gnu-gcc",),
            "manylinux_2_17_aarch64",
        ),
        # Pi 2 and up under a 32-bit system: VFPv4 and NEON are always there
        Target(
            "armv7",
            "arm-linux-gnueabihf.2.17",
            "arm-linux-musleabihf",
            "cortex_a7",
            ("arm-linux-gnueabihf-gcc", "-mcpu=cortex-a7", "-mfpu=neon-vfpv4"),
            "manylinux_2_17_armv7l",
        ),
        # pip knows no manylinux for the Pi 1 and Zero. Debian's armhf compiler links start-up code for ARMv7: no gcc.
        Target("armv6", "arm-linux-gnueabihf.2.17", "arm-linux-musleabihf", "arm1176jzf_s", (), "linux_armv6l"),
    )
}


def target_of_board(name: str) -> Target:
    """The target in a board's file. Ends the program where there is none."""
    path = BOARDS / f"{name}.toml"
    found = tomllib.loads(path.read_text(encoding="utf-8")).get("target") if path.is_file() else None
    if found is None:
        boards = [path.stem for path in sorted(BOARDS.glob("*.toml")) if "\ntarget = " in path.read_text("utf-8")]
        sys.exit(f"{name!r} is no board with Linux; there are {', '.join(boards)}")
    return TARGETS[found]


def compiler(target: Target, triple: str, gcc: bool) -> list[str]:
    """The command for a target. Ends the program where it is not installed."""
    if gcc:
        if not target.gcc or not shutil.which(target.gcc[0]):
            sys.exit(f"there is no {' '.join(target.gcc) or 'gcc for ' + target.name}: leave --gcc out to use zig")
        return list(target.gcc)
    if importlib.util.find_spec("ziglang") is None:
        sys.exit(f"no cross compiler: pip install {ZIG_REQUIREMENT}, or pass --gcc")
    return [sys.executable, "-m", "ziglang", "cc", "-target", triple, f"-mcpu={target.cpu}"]


def compile_to(output: Path, command: list[str], files: list[Path]) -> None:
    """Run the compiler; output is replaced once it is whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{os.getpid()}.{output.name}")
    includes = [f"-I{KERNELS / 'include'}", f"-I{KERNELS / 'src'}"]
    try:
        # symbols stay, debug information goes: it names the folders of whoever compiled
        subprocess.run([*command, *includes, "-Wl,--strip-debug", "-o", partial, *files], check=True)
        partial.replace(output)
    except subprocess.CalledProcessError as error:
        sys.exit(f"the compiler could not make {output.name} (status {error.returncode})")
    finally:
        partial.unlink(missing_ok=True)


def build_library(target: Target, output: Path, gcc: bool = False) -> None:
    """liblinnet.so for a target, against an old glibc."""
    compile_to(output, [*compiler(target, target.library, gcc), *CFLAGS], [*sources(), *host_sources()])


def build_program(target: Target, output: Path, gcc: bool = False) -> None:
    """linnet-run for a target, static."""
    flags = [flag for flag in CFLAGS if flag not in {"-fPIC", "-shared", "-fvisibility=hidden"}]
    files = [*sorted(PROGRAM.glob("*.c")), *sources(), *host_sources()]
    compile_to(output, [*compiler(target, target.program, gcc), *flags, "-static"], files)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compile Linnet for Linux on another processor.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--board")
    which.add_argument("--target", choices=TARGETS)
    parser.add_argument("--gcc", action="store_true", help="use the distribution's cross compiler")
    parser.add_argument("--library", type=Path, metavar="FILE", help="make the shared library")
    parser.add_argument("--program", type=Path, metavar="FILE", help="make the static program linnet-run")
    parser.add_argument("--name", action="store_true", help="print the target's name")
    options = parser.parse_args()
    target = TARGETS[options.target] if options.target else target_of_board(options.board)
    if options.library:
        build_library(target, options.library, options.gcc)
    if options.program:
        build_program(target, options.program, options.gcc)
    if options.name:
        print(target.name)


if __name__ == "__main__":
    main()

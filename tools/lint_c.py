"""Look for mistakes in the C library and linnet-run: strict warnings of gcc and clang, then clang-tidy and cppcheck.

The firmware is looked at by the last two as compiled for a Cortex-M7; its tests compile it with strict warnings.
Programs that are not installed are named with the command that brings them. Usage: lint_c.py [--require]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build_support"))

from linnet_clib import KERNELS, ROOT, host_sources, sources

from linnet_boards import board, dropin, firmware

INCLUDES = [f"-I{KERNELS / 'include'}", f"-I{KERNELS / 'src'}"]
WARNINGS = [
    "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
    "-Wcast-align", "-Wcast-qual", "-Wundef", "-Wvla",
]  # fmt: skip


TIDY = ["clang-tidy", "--quiet"]
CPPCHECK = [
    "cppcheck", "--quiet", "--std=c11", "--error-exitcode=1", "--enable=warning,performance,portability",
    "--inline-suppr", "--suppress=missingIncludeSystem",
]  # fmt: skip
FIRMWARE = "stm32f746-disco"
"""The board for which the firmware is looked at; files of other boards compile for it, too."""


def commands(files: list[str]) -> dict[str, list[str]]:
    """What to run, by the program that it needs (its apt package has the same name)."""
    compile_only = ["-std=c11", "-fsyntax-only", "-Werror", *WARNINGS, *INCLUDES, *files]
    return {
        "gcc": ["gcc", *compile_only],
        "clang": ["clang", *compile_only],
        "clang-tidy": [*TIDY, *files, "--", "-std=c11", *INCLUDES],
        "cppcheck": [*CPPCHECK, *INCLUDES, *files],
    }


def firmware_commands(folder: Path) -> dict[str, list[str]]:
    """The same for boards/firmware. folder: for the headers that `linnet build` would generate."""
    target = board(FIRMWARE).cortex_m
    assert target
    header = firmware.port_config(board(FIRMWARE), target, target.stack_bytes)
    (folder / "port_config.h").write_text(header, encoding="utf-8")
    shape = dropin.Shape(network_crc=1, height=96, row_bytes=288, operators=60, outputs=10, output_type="int32_t")
    dropin.write_model(folder, shape, bytes(16), 16)
    files = [*map(str, sorted(firmware.SOURCES.glob("*.c")))]
    includes = [f"-I{folder}", *INCLUDES]
    library = subprocess.run(
        ["arm-none-eabi-gcc", "-print-file-name=libc.a"], capture_output=True, text=True, check=True
    ).stdout
    newlib = Path(library.strip()).parent.parent / "include"
    flags = ["--target=arm-none-eabi", "-mthumb", *target.flags, "-isystem", str(newlib)]
    return {
        "clang-tidy": [*TIDY, *files, "--", "-std=c11", *flags, *includes],
        "cppcheck": [*CPPCHECK, *includes, *files],
    }


def complain(command: list[str]) -> str:
    """What a program says of the sources; empty where it is content."""
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # clang-tidy counts what it has hidden in the system's headers
    lines = [line for line in done.stdout.splitlines() if not re.fullmatch(r"\d+ warnings? generated\.", line)]
    return ("\n".join(lines).strip() or f"status {done.returncode}") if done.returncode else ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Look for mistakes in the C library.")
    parser.add_argument("--require", action="store_true", help="a program that is not installed is a failure")
    require = parser.parse_args().require
    failed, absent = [], []
    files = [*sources(), *host_sources(), *sorted(ROOT.glob("boards/linnet_run/*.c"))]
    with tempfile.TemporaryDirectory() as folder:
        jobs = [*commands([str(path) for path in files]).items()]
        if shutil.which("arm-none-eabi-gcc"):
            jobs += firmware_commands(Path(folder)).items()
        else:
            absent.append("gcc-arm-none-eabi")
        for program, command in jobs:
            if not shutil.which(program):
                absent.append(program)
            elif complaints := complain(command):
                print(complaints)
                failed.append(program)
            else:
                print(f"{program}: no complaint")
    if absent:
        print(f"not installed: apt install {' '.join(sorted(set(absent)))}", file=sys.stderr)
    if failed:
        print(f"complaints from {', '.join(sorted(set(failed)))}", file=sys.stderr)
    sys.exit(1 if failed or (absent and require) else 0)


if __name__ == "__main__":
    main()

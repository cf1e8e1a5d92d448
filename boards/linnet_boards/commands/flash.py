"""`linnet flash`: call the board's own tool to bring firmware there."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from linnet.errors import LinnetError
from linnet.report import to_json
from linnet_boards import board

HELP = "write firmware to a microcontroller board, with pyocd, openocd or picotool"

PACKAGES = {
    "openocd": "apt install openocd",
    "pyocd": "pip install pyocd",
    "picotool": "apt install picotool, or https://github.com/raspberrypi/picotool",
}
"""How to get the tools."""


STDERR = 2
"""What the tools print is no result."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("firmware", type=Path, metavar="DIR|ELF", help="what `linnet build` has made, or an ELF file")
    parser.add_argument("--board", metavar="NAME", help="one of `linnet boards` (default: what DIR was built for)")
    parser.add_argument("--dry-run", action="store_true", help="print the command and do nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    folder = args.firmware if args.firmware.is_dir() else args.firmware.parent
    elf = folder / "firmware.elf" if args.firmware.is_dir() else args.firmware
    if not elf.is_file():
        raise LinnetError(f"{elf}: there is no such file: linnet build makes it")
    command = _command(args.board or _built_for(folder), elf)
    if args.dry_run:
        print(to_json({"command": command}) if args.json else shlex.join(command))
        return 0
    if shutil.which(command[0]) is None:
        raise LinnetError(f"{command[0]} is not installed: {PACKAGES.get(command[0], 'see its site')}")
    done = subprocess.run(command, check=False, stdout=STDERR)
    if done.returncode != 0:
        raise LinnetError(f"{command[0]} failed (status {done.returncode}): is the board connected?")
    print(to_json({"command": command}) if args.json else f"{elf} is on the board")
    return 0


def _command(name: str, elf: Path) -> list[str]:
    target = board(name).cortex_m
    if target is None or not target.flash:
        raise LinnetError(f"{name}: there is no tool that would flash it (linnet boards)")
    return [_filled(part, elf) for part in target.flash]


def _filled(part: str, elf: Path) -> str:
    if "{" not in part:
        return part
    files = {"elf": elf, "bin": elf.with_suffix(".bin")}
    alone = part[1:-1] in files
    return part.format(**{key: str(path) if alone else _in_tcl(path) for key, path in files.items()})


def _in_tcl(path: Path) -> str:
    """Inside a command of openocd's language, which reads its words twice: quoting cannot help all names."""
    text = str(path)
    if re.search(r"[\[\]{}$\"\\;#\n\t]", text):
        raise LinnetError(f"{text}: openocd takes parts of such a name for commands: move the folder to a plain one")
    return f"{{{text}}}" if " " in text else text


def _built_for(folder: Path) -> str:
    try:
        return str(json.loads((folder / "build.json").read_text(encoding="utf-8"))["board"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LinnetError(f"{folder}: linnet build has not made it: say --board NAME") from error

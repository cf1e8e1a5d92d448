"""Putting linnet-run and models on a board, and taking them away again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linnet.errors import LinnetError
from linnet.report import human_bytes

from .probe import Machine, probe
from .programs import linnet_run, parsed, sensible
from .ssh import CommandError, Shell, printable

FOLDER = ".local/share/linnet"
"""On the board, from the user's home."""

PROGRAM = "linnet-run"

_SPARE_BYTES = 1 << 20

# The new file is whole and checked before it gets its name; whatever ends the script earlier, nothing is left.
_COPY = r"""
set -eu
umask 022
mkdir -p "$1"
if [ -d "$1/$2" ]; then echo "$1/$2 is a folder" >&2; exit 1; fi
t=$(mktemp "$1/.$2.part-XXXXXX")
trap 'rm -f "$t"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$t"
test "$(sha256sum < "$t")" = "$3  -" || { echo "$2 arrived damaged" >&2; exit 1; }
chmod "$4" "$t"
if [ "$4" = 755 ]; then "$t" --info > /dev/null || { echo "$2 does not run there" >&2; exit 1; }; fi
mv -f "$t" "$1/$2"
trap - EXIT
"""

_HASHES = r"""
for f do
    if [ -f "$f" ]; then sha256sum < "$f"; else echo -; fi
done
"""

# Removes a model, and with the last one everything else.
_REMOVE = r"""
set -eu
if [ ! -d "$1" ]; then exit 0; fi
cd "$1"
if [ -f "$2" ]; then rm -f "$2"; printf 'removed %s\n' "$2"; fi
rm -f ".$2.part-"??????
for f in *.lnt; do
    if [ -e "$f" ]; then exit 0; fi
done
if [ -f linnet-run ]; then rm -f linnet-run .linnet-run.part-??????; printf 'removed linnet-run\n'; fi
cd ..
if rmdir "$(basename "$1")" 2>/dev/null; then printf 'removed the folder\n'; fi
"""


@dataclass(frozen=True)
class Deployed:
    """model, program: paths on the board.  copied: which of the two were not there yet, by name.

    target: what linnet-run is compiled for.  info: what it says of the board: features, kernels.
    """

    where: str
    model: str
    program: str
    copied: tuple[str, ...]
    bytes: int
    sha256: str
    target: str
    machine: Machine
    info: dict[str, Any]


def target_of(machine: Machine, where: str) -> str:
    """Raises LinnetError for a machine that linnet-run does not exist for."""
    if machine.target is None:
        raise LinnetError(
            f"{where}: is {machine.machine or 'of unknown architecture'}; linnet-run exists for Linux on aarch64, "
            "armv7 and armv6: use `linnet run` there, from a wheel"
        )
    return machine.target


def model_name(model: Path) -> str:
    """The name of a model file on boards. Raises LinnetError for one that is no name for all shells and systems."""
    name = model.name
    if not name.endswith(".lnt") or name.startswith((".", "-")) or "/" in name or "\n" in name:
        raise LinnetError(f"{model}: give a model file NAME.lnt")
    return name


def deploy(shell: Shell, model: Path, folder: str = FOLDER, say: Callable[[str], None] = lambda _: None) -> Deployed:
    """Copy a model, and linnet-run for the board's processor, unless the same are there already.

    Raises LinnetError for a machine that is none of those, for too little space, and for what goes wrong on the way;
    then what was there before is there still.
    """
    name = model_name(model)
    folder = _no_option(folder)
    data = _read(model)
    machine = probe(shell, folder)
    target = target_of(machine, shell.where)
    program = linnet_run(target).read_bytes()
    files = {PROGRAM: (program, "755"), name: (data, "644")}
    paths = {key: f"{folder.rstrip('/')}/{key}" for key in files}
    present = dict(zip(files, _hashes(shell, list(paths.values())), strict=True))
    missing = [key for key, (wanted, _) in files.items() if present[key] != _sha256(wanted)]
    _check_space(shell, machine, sum(len(files[key][0]) for key in missing))
    for key in missing:
        content, mode = files[key]
        say(f"copying {key}, {human_bytes(len(content))}")
        shell.run(["sh", "-c", _COPY, "sh", folder, key, _sha256(content), mode], content)
    info = program_info(shell.where, shell.run([paths[PROGRAM], "--info"]))
    return Deployed(
        where=shell.where,
        model=paths[name],
        program=paths[PROGRAM],
        copied=tuple(missing),
        bytes=sum(len(files[key][0]) for key in missing),
        sha256=_sha256(data),
        target=target,
        machine=machine,
        info=info,
    )


def remove(shell: Shell, model: Path, folder: str = FOLDER) -> list[str]:
    """Undo deploy(); with the last model goes linnet-run. What was removed, a line each; empty: nothing was there."""
    command = ["sh", "-c", _REMOVE, "sh", _no_option(folder), model_name(model)]
    return [printable(line) for line in shell.run(command).decode("utf-8", "replace").splitlines()]


def program_info(where: str, text: bytes) -> dict[str, Any]:
    """What linnet-run --info has printed: at least features, and kernels, best first. Raises LinnetError."""
    info = parsed(where, text)
    with sensible(where):
        if not info["kernels"] or not all(isinstance(word, str) for word in (*info["kernels"], *info["features"])):
            raise ValueError(info)
    return info


def _no_option(folder: str) -> str:
    return f"./{folder}" if folder[:1] in {"", "-"} else folder


def _check_space(shell: Shell, machine: Machine, needed: int) -> None:
    if needed and machine.free_bytes is not None and machine.free_bytes < needed + _SPARE_BYTES:
        raise LinnetError(
            f"{shell.where}: {human_bytes(machine.free_bytes)} are free there, {human_bytes(needed + _SPARE_BYTES)} "
            "are needed: make room, or choose another --folder"
        )


def _hashes(shell: Shell, paths: list[str]) -> list[str]:
    try:
        lines = shell.run(["sh", "-c", _HASHES, "sh", *paths]).decode().splitlines()
    except CommandError as error:
        raise LinnetError(f"{shell.where}: sha256sum does not work there: {error.complaint}") from error
    if len(lines) != len(paths):
        raise LinnetError(
            f"{shell.where}: {lines[:1]} was printed unasked: ~/.bashrc there must be silent for programs"
        )
    return [line.partition(" ")[0] for line in lines]


def _read(path: Path) -> bytes:
    from linnet.modelfile import ModelFile

    data = path.read_bytes()
    try:
        ModelFile(data)  # a damaged model would be refused only on the board
    except LinnetError as error:
        raise LinnetError(f"{path}: {error}") from error
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

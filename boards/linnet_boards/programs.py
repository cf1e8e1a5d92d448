"""linnet-run for a board: the one in this package, or compiled from the source tree that this package is part of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from linnet.errors import LinnetError

_PACKAGE = Path(__file__).resolve().parent
_TREE = _PACKAGE.parent.parent


def linnet_run(target: str) -> Path:
    """The static program for aarch64, armv7 or armv6. Raises LinnetError where there is none and none can be made."""
    packed = _PACKAGE / "programs" / target / "linnet-run"
    if packed.is_file():
        return packed
    cross = _TREE / "build_support/linnet_cross.py"
    if not cross.is_file():
        raise LinnetError(
            f"this package was built without linnet-run for {target}: in a source tree, `make programs wheel`"
        )
    program = _TREE / "build" / target / "linnet-run"
    sources = [*(_TREE / "kernels_c").rglob("*.[ch]"), *(_TREE / "boards/linnet_run").glob("*.[ch]"), cross]
    if not program.is_file() or program.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        print(f"compiling linnet-run for {target}, once", file=sys.stderr)
        command = [sys.executable, str(cross), "--target", target, "--program", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.splitlines()
            errors = [line for line in lines if "error:" in line] or lines[-1:]
            raise LinnetError(f"linnet-run for {target} cannot be compiled: {errors[0] if errors else done.returncode}")
    return program


def parsed(where: str, text: bytes) -> dict[str, Any]:
    """What linnet-run has printed. Raises LinnetError for anything else, such as what a shell greets with."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LinnetError(
            f"{where}: linnet-run printed what is no JSON: {text[:60]!r}: does ~/.bashrc there print something?"
        ) from error
    with sensible(where):
        return dict(found)


@contextmanager
def sensible(where: str) -> Iterator[None]:
    """Taking an answer apart that another machine has made: what does not fit is a LinnetError."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise LinnetError(
            f"{where}: what linnet-run answers makes no sense ({error!r:.100}): deploy it anew"
        ) from error

"""linnet-run for a board: the one in this package, or compiled from the source tree that this package is part of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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

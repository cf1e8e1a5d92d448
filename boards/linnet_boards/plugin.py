"""qemu's plugins, compiled where they are wanted: they count what is executed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from linnet.errors import LinnetError

from .ssh import last_line

FLAGS = ["-std=c11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden"]


def options(source: Path, folder: Path, **arguments: object) -> list[str]:
    """Compile a plugin into a folder; what tells qemu to run it with these arguments.

    Raises LinnetError where there is no C compiler, or it does not compile the plugin.
    """
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if compiler is None:
        raise LinnetError("counting instructions needs a C compiler: apt install gcc libc6-dev")
    made = folder / f"{source.stem}.so"
    done = subprocess.run([compiler, *FLAGS, "-o", str(made), str(source)], capture_output=True, check=False)
    if done.returncode:
        raise LinnetError(f"{compiler} cannot compile the counter {source}: {last_line(done.stderr)}")
    words = [str(made), *(f"{name}={value}" for name, value in arguments.items())]
    return ["-plugin", ",".join(word.replace(",", ",,") for word in words)]

"""C programs for the tests, out of objects that tests with the same compiler and flags share: build/objects."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import absence
from linnet_clib import KERNELS, ROOT

OBJECTS = ROOT / "build/objects"
PLAIN = ["-std=c11", "-g", "-O2"]
SANITIZED = [
    *["-std=c11", "-g", "-O1", "-fno-omit-frame-pointer"],
    *["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
]
PROGRAM = ["-std=c11", "-O1", "-static", "-pthread"]
"""linnet-run"""
INCLUDES = [f"-I{KERNELS / folder}" for folder in ("include", "src")]


def sanitized(compiler: Sequence[str], folder: Path) -> list[str]:
    """SANITIZED, where the compiler has what it takes; else the test is skipped, or fails (absence.absent)."""
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    command = [*compiler, *SANITIZED, "-o", str(folder / "probe"), str(probe)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        absence.absent(f"{compiler[0]} has no address sanitizer: apt install gcc libc6-dev")
    return SANITIZED


def link(
    compiler: Sequence[str], flags: Sequence[str], files: Iterable[Path], output: Path, linking: Sequence[str] = ()
) -> Path:
    """Compile C files, those that changed, and link them into `output`, which is returned.

    `flags` are for both; `linking` comes last on the linker's command line. Headers are found in the library's
    folders and beside each file. Raises subprocess.CalledProcessError; the compiler has said why.
    """
    command = [*compiler, *flags]
    with _folder(command) as folder:

        def compiled(file: Path) -> str:
            output = folder / (str(file.relative_to(ROOT)).replace("/", "-") + ".o")
            key, kept = output.with_suffix(".key"), _digest(file.read_bytes(), _headers())
            if not key.exists() or key.read_bytes() != kept:
                key.unlink(missing_ok=True)
                subprocess.run([*command, *INCLUDES, "-c", str(file), "-o", str(output)], check=True, timeout=300)
                key.write_bytes(kept)
            return str(output)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compiled, files))
        subprocess.run([*command, *objects, *linking, "-o", str(output)], check=True, timeout=300)
    return output


@contextmanager
def _folder(command: list[str]) -> Iterator[Path]:
    """A compiler's and its flags' folder of objects, for one test at a time."""
    folder = OBJECTS / _digest(" ".join(command).encode(), _version(command[0])).hex()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@functools.cache
def _version(compiler: str) -> bytes:
    return subprocess.run([compiler, "--version"], capture_output=True, check=True).stdout


@functools.cache
def _headers() -> bytes:
    """What stands for all text that C files include."""
    parts = (folder.rglob("*.h") for folder in (KERNELS, ROOT / "tests/c", ROOT / "boards"))
    return _digest(*(path.read_bytes() for path in sorted(path for part in parts for path in part)))


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()

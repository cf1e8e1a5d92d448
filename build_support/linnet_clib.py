"""Compile kernels_c/ into one shared library. Packaging, the Makefile and the tests all come here.

Usage: python build_support/linnet_clib.py OUTPUT.so
       python build_support/linnet_clib.py --requirements    (what pip must install first, if anything)
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernels_c"
CFLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra")

# A C compiler that pip can install, for machines without one.
ZIG_REQUIREMENT = "ziglang==0.17.1"
# Without it zig compiles for the very CPU that it runs on, and the wheel would fault on an older one.
ZIG_FLAGS = ("-mcpu=baseline",)


def sources(kernels: Path = KERNELS) -> list[Path]:
    """The C files of every library, as LNT_SOURCES in sources.mk lists them."""
    return _listed("LNT_SOURCES", kernels)


def host_sources(kernels: Path = KERNELS) -> list[Path]:
    """What comes to them where there is an operating system (LNT_HOST_SOURCES)."""
    return _listed("LNT_HOST_SOURCES", kernels)


def _listed(variable: str, kernels: Path) -> list[Path]:
    text = (kernels / "sources.mk").read_text(encoding="utf-8").replace("\\\n", " ")
    lists = re.findall(rf"^{variable}\s*[:+]?=([^#\n]*)", text, re.MULTILINE)
    return [kernels / name for name in " ".join(lists).split()]


def system_compiler() -> list[str] | None:
    """The command in $CC, or the first compiler on PATH."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    return next(([name] for name in ("cc", "gcc", "clang") if shutil.which(name)), None)


def compiler() -> list[str] | None:
    """The system's C compiler, else zig's where it is installed, else None."""
    found = system_compiler()
    if found is None and importlib.util.find_spec("ziglang"):
        found = [sys.executable, "-m", "ziglang", "cc", *ZIG_FLAGS]
    return found


def requirements() -> list[str]:
    """Packages without which the library cannot be compiled here, or not for LINNET_TARGET."""
    return [ZIG_REQUIREMENT] if os.environ.get("LINNET_TARGET") or not system_compiler() else []


def build(output: Path) -> None:
    """Compile the library. CFLAGS and LDFLAGS of the environment come last, so they can override ours."""
    command = compiler()
    if command is None:
        sys.exit(f"no C compiler: set CC, or `apt install gcc`, or `pip install {ZIG_REQUIREMENT}`")
    output.parent.mkdir(parents=True, exist_ok=True)
    # A running process may have the old library mapped: replace the file, do not write into it.
    partial = output.with_suffix(f".{os.getpid()}.so")
    flags = [*CFLAGS, f"-I{KERNELS / 'include'}", *shlex.split(os.environ.get("CFLAGS", ""))]
    files = [str(path) for path in (*sources(), *host_sources())]
    try:
        subprocess.run(
            [*command, *flags, "-o", str(partial), *files, *shlex.split(os.environ.get("LDFLAGS", ""))], check=True
        )
        partial.replace(output)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{command[0]} could not compile the library (status {error.returncode})")
    finally:
        partial.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compile kernels_c/ into one shared library.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("output", nargs="?", type=Path)
    what.add_argument("--requirements", action="store_true", help="print the packages that must be installed first")
    options = parser.parse_args()
    if options.requirements:
        print(*requirements())
    else:
        build(options.output)


if __name__ == "__main__":
    main()

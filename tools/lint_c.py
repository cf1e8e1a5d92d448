"""Look for mistakes in the C library and linnet-run: strict warnings of gcc and clang, then clang-tidy and cppcheck.

Programs that are not installed are named with the command that brings them. Usage: lint_c.py [--require]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build_support"))

from linnet_clib import KERNELS, ROOT, host_sources, sources

INCLUDES = [f"-I{KERNELS / 'include'}", f"-I{KERNELS / 'src'}"]
WARNINGS = [
    "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
    "-Wcast-align", "-Wcast-qual", "-Wundef", "-Wvla",
]  # fmt: skip


def commands(files: list[str]) -> dict[str, list[str]]:
    """What to run, by the program that it needs (its apt package has the same name)."""
    compile_only = ["-std=c11", "-fsyntax-only", "-Werror", *WARNINGS, *INCLUDES, *files]
    return {
        "gcc": ["gcc", *compile_only],
        "clang": ["clang", *compile_only],
        "clang-tidy": ["clang-tidy", "--quiet", *files, "--", "-std=c11", *INCLUDES],
        "cppcheck": [
            "cppcheck", "--quiet", "--std=c11", "--error-exitcode=1", "--enable=warning,performance,portability",
            "--inline-suppr", "--suppress=missingIncludeSystem", *INCLUDES, *files,
        ],
    }  # fmt: skip


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
    for program, command in commands([str(path) for path in files]).items():
        if not shutil.which(program):
            absent.append(program)
        elif complaints := complain(command):
            print(complaints)
            failed.append(program)
        else:
            print(f"{program}: no complaint")
    if absent:
        print(f"not installed: apt install {' '.join(absent)}", file=sys.stderr)
    if failed:
        print(f"complaints from {', '.join(failed)}", file=sys.stderr)
    sys.exit(1 if failed or (absent and require) else 0)


if __name__ == "__main__":
    main()

"""Break the code on purpose, one line at a time, and see that a test goes red each time.

Usage: python tests/mutate.py [NAME...]   (make mutate)

Every mutation is tried in a copy of the tree, with the C library rebuilt, on the tests named beside it. The exit
status is non-zero when a mutation survives, or when its text no longer occurs in the source.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

from mutations import Mutation, boards, converter, imports, kernels, learning, library

import linnet

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    "kernels_c", "runtime", "converter", "boards", "tests", "tools", "build_support", "examples", "pyproject.toml",
    "LICENSE",
)  # fmt: skip

MUTATIONS = tuple(
    mutation for part in (library, kernels, converter, imports, learning, boards) for mutation in part.MUTATIONS
)


LIBRARY = "runtime/linnet/liblinnet.so"
PATHS = ("runtime", "converter", "boards", "tests", "build_support")

# What changed is compiled, not all, and sooner than for use; what it computes is the same.
BUILD = f"""
import compiled, linnet_clib, pathlib
files = [*linnet_clib.sources(), *linnet_clib.host_sources()]
flags = ["-std=c11", "-O1", "-fPIC", "-fvisibility=hidden", "-pthread"]
compiled.link(linnet_clib.compiler(), flags, files, pathlib.Path({LIBRARY!r}), ["-shared"])
"""


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(cwd / part) for part in PATHS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LINNET_SEED": "1",  # what is caught today is caught tomorrow
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["(it printed nothing)"])[-1]


NOT_HERE = "not tried: its kernels, or what its tests need, are not here"
NO_TIME = "not tried: no time is left"


def verdict(tree: Path, mutation: Mutation) -> str:
    """What is wrong; empty where a test noticed."""
    if mutation.family not in linnet.kernel_families():
        return NOT_HERE
    path = tree / mutation.file
    original = path.read_text(encoding="utf-8")
    if original.count(mutation.old) != 1:
        return f"its text occurs {original.count(mutation.old)} times in {mutation.file}"
    try:
        path.write_text(original.replace(mutation.old, mutation.new), encoding="utf-8")
        if mutation.file.startswith("kernels_c"):
            built = run([sys.executable, "-c", BUILD], tree)
            if built.returncode:
                return f"does not compile: {last_line(built.stderr)}"
        tests = run([sys.executable, "-m", "pytest", "-x", "-q", *mutation.tests.split()], tree)
        if tests.returncode == 1:
            return ""
        # 5: a module that skips itself leaves nothing to collect
        skipped = tests.returncode == 5 and " skipped" in tests.stdout
        if skipped or (tests.returncode == 0 and " passed" not in tests.stdout):
            return NOT_HERE
        return "survived" if tests.returncode == 0 else f"pytest failed: {last_line(tests.stdout + tests.stderr)}"
    finally:
        path.write_text(original, encoding="utf-8")
        shutil.copy2(ROOT / LIBRARY, tree / LIBRARY)


def copy_tree(tree: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


def main() -> None:
    parser = argparse.ArgumentParser(description="Break the code on purpose and see that a test notices.")
    parser.add_argument("names", nargs="*", help="mutations to try, by how their names begin (default: all)")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at a time (default: %(default)s)")
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="begin none after this; in another order each day",
    )
    options = parser.parse_args()
    ends = time.monotonic() + 60 * options.minutes
    chosen = [mutation for mutation in MUTATIONS if mutation.name.startswith(tuple(options.names or [""]))]
    if options.minutes < math.inf:  # what there is no time for is tried another day
        random.Random(datetime.now(UTC).toordinal()).shuffle(chosen)
    survivors = late = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for job in range(options.jobs):
            trees.put(copy_tree(Path(folder, str(job))))

        def attempt(mutation: Mutation) -> str:
            if time.monotonic() > ends:
                return NO_TIME
            tree = trees.get()
            try:
                return verdict(tree, mutation)
            finally:
                trees.put(tree)

        for mutation, problem in zip(chosen, pool.map(attempt, chosen), strict=True):
            survivors += problem not in {"", NOT_HERE, NO_TIME}
            late += problem == NO_TIME
            print(f"{mutation.name:24} {problem or 'caught'}", flush=True)
    if survivors:
        sys.exit(f"{survivors} of {len(chosen)} mutations were not caught")
    print(f"no mutation of {len(chosen) - late} survived" + (f"; no time for {late}" if late else ""))


if __name__ == "__main__":
    main()

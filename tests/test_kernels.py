"""Every kernel against the portable one of its kind, byte by byte, on random operators, places and ranges.

The seed is LINNET_SEED, or a random one; check_kernels prints it with what failed.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import compiled
import conftest
import pytest
import test_emulated
from linnet_clib import ROOT, sources

CHECKER = sorted((ROOT / "tests/c/kernels").glob("*.c"))
WRONG = ROOT / "tests/c/kernels/wrong/families.c"
SEED = os.environ.get("LINNET_SEED") or str(random.SystemRandom().randrange(2**32))

CRASH = "memory that is no buffer's"

# Each kernel of wrong/families.c, and what is said of it: a wrong byte unless memory stops it first.
MISTAKES = dict.fromkeys(
    [
        *["rounding", "saturation", "tail", "read", "weights_read", "write", "write_before", "input", "x0", "out_x0"],
        *["clamp", "ring", "in_place", "channels", "columns", "padding", "sums", "pack_less", "pack_more", "scratch"],
        "takes_nothing",
    ],
    f"instead of|{CRASH}",
) | {"read": CRASH, "weights_read": CRASH, "pack_less": "unwritten", "takes_nothing": "it takes none of"}


def build(
    compiler: Sequence[str], output: Path, flags: Sequence[str], *more: Path, linking: Sequence[str] = ()
) -> Path:
    """Files in `more` take the place of the library's of the same name."""
    names = {path.name for path in more}
    files = [*CHECKER, *(path for path in sources() if path.name not in names), *more]
    return compiled.link(compiler, flags, files, output, linking)


def check(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok" in done.stdout or "--family" not in command, done.stdout


def options(*more: str) -> list[str]:
    return ["--seed", SEED, *more]


@pytest.mark.parametrize("flags", [compiled.PLAIN, compiled.SANITIZED], ids=["plain", "sanitized"])
def test_here(flags: list[str], cc: list[str], tmp_path: Path) -> None:
    program = build(cc, tmp_path / "check_kernels", flags)
    check([program, *options("--family", "ref", "--cases", "100")])
    check([program, *options()])


@pytest.fixture(scope="module")
def mistaken(cc: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(cc, tmp_path_factory.mktemp("wrong") / "check_wrong", compiled.PLAIN, WRONG)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_caught(name: str, mistaken: Path) -> None:
    command = [str(mistaken), "--kernel", name, "--seed", SEED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(MISTAKES[name], done.stdout + done.stderr)
    assert f"check_kernels --family wrong --kernel {name} --seed {SEED} --case " in done.stdout + done.stderr


def test_all_mistakes_are_listed(mistaken: Path) -> None:
    done = subprocess.run([mistaken, "--list"], capture_output=True, text=True, check=True, timeout=60)
    assert [line.split()[1] for line in done.stdout.splitlines()] == list(MISTAKES)


@pytest.mark.emulator
@pytest.mark.parametrize("target", test_emulated.LINUX)
def test_linux(target: str, tmp_path: Path, cross: Callable[[str], conftest.Cross]) -> None:
    tools = cross(target)
    program = build(tools.cc, tmp_path / "check_kernels", compiled.PLAIN)
    for cpu in test_emulated.LINUX[target]:
        command = [*tools.run, "-cpu", cpu, str(program)]
        check([*command, *options("--family", "ref", "--cases", "20")])
        check([*command, *options("--cases", "60")])
        if cpu == "cortex-a53":  # pairs of rows need several things to come together
            check([*command, *options("--kernel", "q8_depthwise_pair_neon", "--cases", "1500")])
        if cpu == "cortex-a76":  # and so do eight inputs
            check([*command, *options("--kernel", "q8_depthwise_dotprod", "--cases", "400")])
            check([*command, *options("--kernel", "q8_pointwise_dotprod", "--cases", "400")])


# What each of qemu's processors runs, the best first.
CHOICES = {
    "cortex-a35": ["neon_inorder", "neon", "ref"],
    "cortex-a53": ["neon_inorder", "neon", "ref"],
    "cortex-a57": ["neon", "ref"],
    "cortex-a72": ["neon", "ref"],
    "cortex-a76": ["neon_dotprod", "neon", "ref"],
}


def listed(command: list[str]) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


@pytest.mark.emulator
def test_the_family_fits_the_core(tmp_path: Path, cross: Callable[[str], conftest.Cross]) -> None:
    tools = cross("aarch64")
    files = [ROOT / "tests/c/family_names.c", *sources()]
    program = compiled.link(tools.cc, compiled.PLAIN, files, tmp_path / "family_names")
    for cpu, families in CHOICES.items():
        assert listed([*tools.run, "-cpu", cpu, str(program)]) == families, cpu
    # where the kernel does not tell which core it is
    untold = compiled.link(tools.cc, compiled.PLAIN, [*files, ROOT / "tests/c/no_cpuid.c"], tmp_path / "untold")
    assert listed([*tools.run, "-cpu", "cortex-a53", str(untold)]) == ["neon", "ref"]


@pytest.mark.emulator
def test_families_with_plans_of_their_own_are_no_choice(tmp_path: Path, cross: Callable[[str], conftest.Cross]) -> None:
    """The kernels for Cortex-M can run on 32-bit ARM under Linux, where plans have no scratch for them."""
    tools = cross("armhf")
    files = [ROOT / "tests/c/family_names.c", *sources()]
    program = compiled.link(tools.cc, compiled.PLAIN, files, tmp_path / "family_names")
    names = listed([*tools.run, str(program)])
    assert names[-1] == "ref"
    assert not {"dsp", "mve"} & set(names)


@pytest.mark.emulator
@pytest.mark.parametrize("cpu", test_emulated.CORTEX_M)
def test_cortex_m(cpu: str, tmp_path: Path, require_tool: Callable[[str, str], str]) -> None:
    gcc = require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    qemu = require_tool("qemu-system-arm", "qemu-system-arm")
    board = test_emulated.CORTEX_M[cpu]
    made = tmp_path / "check_kernels"
    program = build(board.compiler(gcc, cpu), made, compiled.PLAIN, test_emulated.VECTORS, linking=board.places())
    check(board.command(qemu, program, options("--family", "ref", "--cases", "20")))
    check(board.command(qemu, program, options("--cases", "60")))

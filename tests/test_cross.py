"""Programs for boards with Linux: compiled with zig, run and counted in qemu's user mode."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import linnet_clib
import linnet_cross
import numpy as np
import pytest
import small_networks

import linnet
from linnet import cli
from linnet.errors import LinnetError
from linnet_boards import board, emulator, names, plugin

ROOT = Path(__file__).resolve().parent.parent

# From one call of mark to the next: its ret, mov, a thousand times two, bl, and ret again falls out: 2003.
LOOP = """
    .globl mark, _start
mark:
    ret
_start:
    bl mark
    mov x0, #1000
1:  subs x0, x0, #1
    b.ne 1b
    bl mark
    bl mark
    mov x0, #0
    mov x8, #93
    svc #0
"""


def test_every_linux_board_has_a_target() -> None:
    linux = [board(name) for name in names() if board(name).target]
    assert {each.name for each in linux} == {"rpi-zero", "rpi-zero-2w", "rpi3", "rpi4", "rpi5", "rpi-32bit"}
    for each in linux:
        assert linnet_cross.target_of_board(each.name).name == each.target
        assert each.qemu_cpu and each.reach
    with pytest.raises(SystemExit, match="no board with Linux"):
        linnet_cross.target_of_board("raspberry-pi-pico")


def test_one_zig() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert linnet_clib.ZIG_REQUIREMENT in project["optional-dependencies"]["dev"]


def test_what_cannot_be_emulated() -> None:
    for name in ("workstation", "no-such-board", None):
        with pytest.raises(LinnetError, match="rpi5"):
            emulator.emulated_board(name)


@pytest.mark.emulator
def test_the_library_wants_an_old_glibc(tmp_path: Path, require_tool: Callable[[str, str], str]) -> None:
    readelf = require_tool("aarch64-linux-gnu-readelf", "gcc-aarch64-linux-gnu")
    output = tmp_path / "liblinnet.so"
    linnet_cross.build_library(linnet_cross.TARGETS["aarch64"], output)
    told = subprocess.run([readelf, "-hdVW", output], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Machine:\s+AArch64", told)
    versions = {tuple(map(int, text.split("."))) for text in re.findall(r"GLIBC_([\d.]+)", told)}
    assert versions and max(versions) <= (2, 17)
    assert str(ROOT).encode() not in output.read_bytes()


@pytest.mark.emulator
def test_the_counter_is_exact(
    tmp_path: Path, cross: Callable[[str], object], require_tool: Callable[[str, str], str]
) -> None:
    cross("aarch64")
    gcc = require_tool("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    (tmp_path / "loop.S").write_text(LOOP)
    loop = tmp_path / "loop"
    place = ["-nostdlib", "-static", "-Wl,-Ttext=0x400000"]
    subprocess.run([gcc, *place, "-o", loop, tmp_path / "loop.S"], check=True)
    counts_file = tmp_path / "counts, and a comma"
    options = plugin.options(emulator._PLUGIN, tmp_path, mark=0x400000, out=counts_file)
    subprocess.run(["qemu-aarch64", *options, loop], check=True)
    counts = [int(line) for line in counts_file.read_text().split()]
    assert counts == [2, 2 + 2003, 2 + 2003 + 2]


@pytest.mark.emulator
@pytest.mark.parametrize("name", ["rpi-zero", "rpi-32bit", "rpi3", "rpi5"])
def test_instructions_are_counted(
    name: str, tmp_path: Path, require_tool: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """emulator.count compares the answer with this machine's."""
    require_tool("qemu-aarch64", "qemu-user")
    path = tmp_path / "m.lnt"
    path.write_bytes(small_networks.lnt(small_networks.classifier(softmax=True)))
    command = ["bench", str(path), "--on", "emulator", "--board", name]
    assert cli.main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert cli.main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    ops, model = found["ops"], linnet.load(path)
    assert len(ops) == len(model.file.ops) and sum(each["instructions"] for each in ops) == found["instructions"]
    assert sum(each["macs"] for each in ops) == found["macs"] > 0
    assert found["instructions_per_mac"] == found["instructions"] / found["macs"]
    # tracing is a call or two a step, and no operator goes without
    assert 0 < found["tracing"] < 200 * sum(each["steps"] for each in ops)
    assert all(each["instructions"] > 0 for each in ops)

    assert cli.main([*command, "--json", "--kernels", "ref"]) == 0
    portable = json.loads(capsys.readouterr().out)
    assert portable["kernels"] == "ref" and portable["instructions"] >= found["instructions"]
    assert cli.main(command) == 0
    assert f"{found['instructions']:,} instructions" in capsys.readouterr().out
    assert cli.main([*command, "--kernels", "mmx"]) == 1
    assert "no such kernel family" in capsys.readouterr().err


@pytest.mark.emulator
def test_inputs_of_linnet_run(tmp_path: Path, require_tool: Callable[[str, str], str]) -> None:
    from PIL import Image

    from linnet_boards.programs import linnet_run

    qemu = require_tool("qemu-aarch64", "qemu-user")
    path = tmp_path / "m.lnt"
    path.write_bytes(small_networks.lnt(small_networks.classifier()))
    model = linnet.load(path)
    pixels = np.random.default_rng(0).integers(0, 256, model.input_details.shape).astype(np.uint8)
    pixels.tofile(tmp_path / "bare")
    np.save(tmp_path / "a.npy", pixels)
    Image.fromarray(pixels).save(tmp_path / "a.ppm")
    np.save(tmp_path / "fortran.npy", np.asfortranarray(pixels))
    np.save(tmp_path / "float.npy", pixels.astype(np.float32))
    Image.fromarray(pixels[:-1]).save(tmp_path / "small.ppm")
    (tmp_path / "short").write_bytes(pixels.tobytes()[:-1])

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [qemu, str(linnet_run("aarch64")), str(path), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    done = run("bare", "a.npy", "a.ppm", "--threads", 3)
    answers = json.loads(done.stdout)["answers"]
    assert [each["input"] for each in answers] == ["bare", "a.npy", "a.ppm"]
    assert all(each["values"] == model.run_quantized(pixels).tolist() for each in answers)
    for wrong, words in {
        "fortran.npy": "not in C order",
        "float.npy": "no uint8 or int8",
        "small.ppm": "not of this size",
        "short": "another number",
        "none": "No such file",
    }.items():
        done = run(wrong)
        assert done.returncode == 1 and words in done.stderr
    for options in (
        ["--bench"],
        ["--bench", "x"],
        ["--bench", "2000000"],
        ["--threads", "0"],
        ["--arena", "16"],
        ["--fly"],
    ):
        done = run("bare", *options)
        assert done.returncode == 1 and done.stderr.startswith("linnet-run: ")
    assert run("bare", "--stream").returncode == 2

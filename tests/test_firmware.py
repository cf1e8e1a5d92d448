"""Firmware on emulated boards: the workstation's bytes over a serial line, in the memory that was promised."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import random_networks
import small_networks

import linnet
from linnet import cli
from linnet.errors import LinnetError
from linnet_boards import Board, board, budgets, building, firmware, hashes, names
from linnet_boards.conversation import Device, Transport
from linnet_boards.firmware import Use, crc32_mpeg2
from linnet_boards.qemu_board import Emulated
from linnet_converter.qgraph import QGraph

EMULATED = [name for name in names() if (target := board(name).cortex_m) and target.emulator == name]
APT = "gcc-arm-none-eabi libnewlib-arm-none-eabi"


@pytest.fixture(autouse=True)
def _toolchain(require_tool: Callable[[str, str], str]) -> None:
    require_tool("arm-none-eabi-gcc", APT)


@pytest.fixture(scope="module")
def graph() -> QGraph:
    return small_networks.classifier(softmax=True)


@pytest.fixture
def model(graph: QGraph, tmp_path: Path) -> Path:
    path = tmp_path / "m.lnt"
    path.write_bytes(small_networks.lnt(graph))
    return path


@contextmanager
def booted(folder: Path, machine: str) -> Iterator[Emulated]:
    emulated = Emulated(machine, folder / building.ELF)
    try:
        yield emulated
    finally:
        emulated.close()


def same_bytes(graph: QGraph, device: Device, seed: int) -> int:
    """An inference on the board against one here, operator by operator. The most bytes of stack."""
    here = linnet.load(small_networks.lnt(graph))
    picture = random_networks.picture(graph, seed)
    there = device.run(picture, operators=True)
    assert there.output == here.run_quantized(picture).tobytes()
    assert [record.hash for record in there.operators] == [hashes.of_values(o.values) for o in here.trace(picture)]
    assert device.run(picture).output == there.output
    return there.stack_used


def assert_variables_foreseen(graph: QGraph, uses: Sequence[Use]) -> None:
    """What the plan leaves to the firmware is what the linker gives it, or a few bytes more."""
    (linked,) = [use.bytes for use in uses if use.what == "variables"]
    assert linked <= budgets.variables_bytes(graph) <= linked + 32


@pytest.mark.emulator
@pytest.mark.parametrize("name", EMULATED)
def test_same_bytes(name: str, graph: QGraph, tmp_path: Path, require_tool: Callable[[str, str], str]) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    built = building.build(graph, board(name), tmp_path / "made", push_rows=True)
    with booted(tmp_path / "made", name) as line:
        device = Device(line)
        assert (device.info.board, device.info.arena_bytes) == (name, built.arena_bytes)
        assert device.info.model_bytes == built.model_bytes
        stack = max(same_bytes(graph, device, seed) for seed in (1, 2))
    assert 256 < stack < built.stack_bytes - 512
    assert_variables_foreseen(graph, built.uses)
    assert device.info.clock == "systick"


class Noise:
    """A line that loses, doubles and damages what goes over it, both ways."""

    def __init__(self, line: Transport, rate: float, seed: int) -> None:
        self.name, self._line, self._rate = line.name, line, rate
        self._rng = np.random.default_rng(seed)

    def _spoil(self, data: bytes) -> bytes:
        spoiled = bytearray()
        for byte in data:
            if self._rng.random() > self._rate:
                spoiled.append(byte)
                continue
            spoiled += [b"", bytes([byte, byte]), bytes([byte ^ 16]), bytes([byte, 0])][int(self._rng.integers(4))]
        return bytes(spoiled)

    def write(self, data: bytes) -> None:
        """Now and then all of it is lost, or comes twice."""
        times = int(self._rng.choice([0, 1, 1, 1, 1, 1, 1, 2]))
        self._line.write(self._spoil(data * times))

    def read(self, seconds: float) -> bytes:
        return self._spoil(self._line.read(seconds))

    def close(self) -> None:
        self._line.close()


@pytest.mark.emulator
def test_a_bad_line(graph: QGraph, tmp_path: Path, require_tool: Callable[[str, str], str]) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    building.build(graph, board("mps2-an386"), tmp_path / "made", push_rows=True)
    with booted(tmp_path / "made", "mps2-an386") as line:
        device = Device(Noise(line, 0.003, 5), first_wait=0.1)
        for seed in range(3):
            same_bytes(graph, device, seed)
        assert device.resent > 10


class Silence:
    """A line with nobody at the other end."""

    name = "silence"

    def write(self, data: bytes) -> None: ...

    def read(self, seconds: float) -> bytes:  # noqa: ARG002
        return b""

    def close(self) -> None: ...


def test_nobody_answers() -> None:
    with pytest.raises(LinnetError, match="silence: no answer for 0 seconds"):
        Device(Silence(), first_wait=0.01, patience=0.02)


# ---------------------------------------------------------------------------------------------- what is built


def symbols(elf: Path) -> set[str]:
    listed = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in listed.splitlines()}


@pytest.mark.parametrize("name", ["mps2-an385", "mps2-an386", "mps3-an547"])
def test_only_what_is_used_is_linked(name: str, tmp_path: Path) -> None:
    graph = small_networks.classifier()  # no addition, no softmax
    built = building.build(graph, board(name), tmp_path / "made", push_rows=True)
    linked = symbols(tmp_path / "made" / building.ELF)
    kernels = {symbol for symbol in linked if re.fullmatch(r"q8_\w+_(ref|dsp|mve)", symbol)}
    assert {symbol for symbol in kernels if not symbol.startswith("lnt")} == set(built.kernels)
    assert not any(name in kernel for kernel in kernels for name in ("add", "softmax"))
    assert not {symbol for symbol in linked if re.fullmatch(r"(lnt_)?pack(_\w+)?", symbol)}
    assert not linked & {"malloc", "printf", "_sbrk"}


def test_drop_in_folder(graph: QGraph, tmp_path: Path, cc: list[str]) -> None:
    """The example compiles as it is and classifies its grey picture as this machine does."""
    built = building.build(graph, board("mps2-an385"), tmp_path / "made", push_rows=True)
    assert built.family == "ref"
    folder = tmp_path / "made" / building.DROP_IN
    listed = re.search(r"add_library\(linnet_model STATIC\n(.*?)\n\)", (folder / "CMakeLists.txt").read_text(), re.S)
    assert listed
    sources = listed[1].split()
    assert "linnet/src/ref/conv.c" in sources and "linnet/src/ref/add.c" not in sources
    assert f"#define LNT_ARENA_BYTES {built.arena_bytes}\n" in (folder / "model.h").read_text()
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-DLNT_FIRMWARE", "-I.", "-Ilinnet/include", "-Ilinnet/src"]
    subprocess.run([*cc, *flags, *sources, "example.c", "-o", "example"], cwd=folder, check=True)
    grey = np.full(graph.tensors[0].shape, 128, np.uint8)
    answer = int(linnet.load(small_networks.lnt(graph)).run_quantized(grey).argmax())
    assert subprocess.run([folder / "example"], check=False).returncode == answer


def test_command(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "made"
    arguments = ["build", str(model), "--board", "raspberry-pi-pico", "-o", str(folder)]
    assert cli.main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["board"] == json.loads((folder / "build.json").read_text())["board"] == "raspberry-pi-pico"
    assert (folder / "firmware.bin").stat().st_size < 1 << 20
    assert cli.main(arguments) == 0  # over its own work
    out = capsys.readouterr().out
    assert "arena" in out and "free of" in out
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    assert cli.main([*arguments[:-1], str(tmp_path / "other")]) == 1
    assert "was not made by linnet build" in capsys.readouterr().err
    assert (tmp_path / "other/file").exists()


@pytest.mark.parametrize("name", [name for name in names() if board(name).cortex_m and name not in EMULATED])
def test_every_real_board(name: str, graph: QGraph, tmp_path: Path) -> None:
    """What can be seen without the board: the vectors are where its processor or boot ROM looks for them."""
    machine = board(name)
    target = machine.cortex_m
    assert target
    building.build(graph, machine, tmp_path / "made", push_rows=True)
    image = (tmp_path / "made/firmware.bin").read_bytes()
    start = 256 if target.boot else 0
    stack, reset = struct.unpack_from("<2I", image, start)
    program, place = target.region(target.program), target.region(target.stack)
    assert place.origin < stack <= place.origin + place.bytes and stack % 8 == 0
    assert reset & 1 and program.origin < reset < program.origin + len(image)
    if target.boot:
        assert struct.unpack_from("<I", image, 252)[0] == crc32_mpeg2(image[:252])
    if name == "raspberry-pi-pico-2":
        assert 0 <= image.find(struct.pack("<I", 0xFFFFDED3)) < 4096


def test_model_in_external_flash(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second image, and one line that says what the firmware does not do."""
    folder = tmp_path / "made"
    arguments = ["build", str(model), "--board", "stm32f746-disco", "-o", str(folder), "--model-in"]
    assert cli.main([*arguments, "qspi", "--json"]) == 0
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith("linnet: warning: the start-up code does not set up qspi: a boot loader must map it to 0x90")
    report = json.loads(told.out)
    uses = {(use["region"], use["what"]): use["bytes"] for use in report["uses"]}
    assert uses["qspi", "model"] == report["model_bytes"] == (folder / "model.bin").stat().st_size
    assert (folder / "firmware.bin").stat().st_size == uses["flash", "code"]
    for name in ("ram", "nowhere"):
        assert cli.main([*arguments, name]) == 1
        assert (
            f"stm32f746-disco has no memory '{name}' for a model; known are flash, itcm, qspi"
            in capsys.readouterr().err
        )


def test_boot_roms_check_sum() -> None:
    assert crc32_mpeg2(b"123456789") == 0x0376E6E7  # the value that catalogues of CRCs give


def test_linux_boards_have_no_firmware(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", str(model), "--board", "rpi4", "-o", str(tmp_path / "made")]) == 1
    assert "rpi4 runs Linux: firmware is for microcontrollers" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_without_a_compiler(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["build", str(model), "--board", "mps2-an385", "-o", str(tmp_path / "made")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "arm-none-eabi-gcc is not installed: apt install gcc-arm-none-eabi" in line


def smaller(machine: Board, region: str, size: int) -> Board:
    target = machine.cortex_m
    assert target
    regions = tuple(replace(r, bytes=size) if r.name == region else r for r in target.regions)
    return replace(machine, cortex_m=replace(target, regions=regions))


@pytest.mark.parametrize(
    ("region", "size", "says"),
    [
        ("ram", 5 << 10, "the smallest arena is"),
        ("ram", 2 << 10, "the smallest arena is"),
        ("code", 12 << 10, "code would need"),
    ],
)
def test_over_budget(
    region: str, size: int, says: str, graph: QGraph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = smaller(board("mps2-an386"), region, size)
    with pytest.raises(LinnetError, match=says):
        building.build(graph, machine, tmp_path / "made", push_rows=True)
    told = capsys.readouterr().err
    assert "stack" in told and "variables" in told and f"free of {size:,}" in told
    assert not (tmp_path / "made").exists() and not list(tmp_path.iterdir())


def test_it_fits_to_the_byte(graph: QGraph, tmp_path: Path) -> None:
    """What the table calls taken is enough RAM for the linker, too."""
    machine = board("mps2-an386")
    roomy = building.build(graph, machine, tmp_path / "a", push_rows=True)
    taken = sum(use.bytes for use in roomy.uses if use.region == "ram")
    slack = budgets.ALIGNMENT_LOSS + 32  # variables are foreseen a few bytes too large
    tight = building.build(graph, machine, tmp_path / "b", push_rows=True, ram=taken + slack)
    assert sum(use.bytes for use in tight.uses if use.region == "ram") <= taken + slack
    assert tight.arena_bytes == roomy.arena_bytes


def test_no_warnings(graph: QGraph, tmp_path: Path) -> None:
    """The strictest warnings for every file of the firmware, also those of other boards."""
    building.build(graph, board("nucleo-h743zi"), tmp_path / "made", push_rows=True)
    machine = board("nucleo-h743zi")
    assert machine.cortex_m
    (tmp_path / "port_config.h").write_text(firmware.port_config(machine, machine.cortex_m, 4096))
    code = tmp_path / "made" / building.DROP_IN
    includes = [f"-I{path}" for path in (tmp_path, code, code / "linnet/include", code / "linnet/src")]
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Wmissing-prototypes"]
    files = sorted(firmware.SOURCES.glob("*.c"))
    assert len(files) > 10
    command = ["arm-none-eabi-gcc", *machine.cortex_m.flags, "-mthumb", "-std=c11", "-fsyntax-only", "-Werror"]
    subprocess.run([*command, *strict, *includes, *files], check=True)

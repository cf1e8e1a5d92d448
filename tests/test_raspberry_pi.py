"""deploy, run, validate, bench, doctor and removal end to end: real OpenSSH into a Debian for arm64 that qemu runs."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import absence
import arm64_root
import digits
import numpy as np
import pytest
from arm64_root import Machine

import linnet
from linnet import cli
from linnet_boards import device
from linnet_boards.deployment import FOLDER
from linnet_boards.ssh import Ssh
from linnet_converter.tally import Tally

pytestmark = pytest.mark.emulator

PICTURES = sorted((digits.FOLDER / "test").glob("*.png"))[:60]
FEATURES = {"cortex-a53": ["neon"], "cortex-a76": ["neon", "dotprod"]}


@pytest.fixture(scope="module", params=FEATURES)
def pi(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if reason := arm64_root.lacking():
        absence.absent(reason)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        machine = arm64_root.start(tmp_path_factory.mktemp("keys"), request.param, port)
    except subprocess.CalledProcessError as error:
        absence.absent(f"{' '.join(map(str, error.cmd))} does not work here")
    yield machine
    machine.stop()


@pytest.fixture(autouse=True)
def over(pi: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINNET_SSH", pi.ssh)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "digits.lnt"
    common = ["--calibrate", str(digits.FOLDER / "calibration"), "--preprocess", "torch", "--quality", "fast"]
    assert cli.main(["convert", str(digits.ONNX), "-o", str(path), *common]) == 0
    return path


def of(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What a command prints as JSON."""
    capsys.readouterr()
    assert cli.main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert cli.main([*map(str, arguments)]) == 1
    return capsys.readouterr().err.splitlines()[-1]


def only(pi: Machine, cpu: str) -> None:
    """What does not depend on the processor need not be tried on each."""
    if pi.cpu != cpu:
        pytest.skip(f"tried on {cpu}")


def files(pi: Machine) -> set[str]:
    home = pi.path("root")
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and ".ssh" not in path.parts}


def test_from_deploying_to_removing(pi: Machine, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = of(capsys, "deploy", model, "pi")
    assert found["copied"] == ["linnet-run", "digits.lnt"] and found["target"] == "aarch64"
    assert found["machine"]["machine"] == "aarch64" and found["machine"]["bits"] == 64
    assert found["info"]["features"] == FEATURES[pi.cpu]
    assert files(pi) == {f"{FOLDER}/linnet-run", f"{FOLDER}/digits.lnt"}
    assert of(capsys, "deploy", model, "pi")["copied"] == []

    local = linnet.load(model)
    there = of(capsys, "run", model, *PICTURES[:3], "--on", "pi", "--threads", 2)["pictures"]
    here = of(capsys, "run", model, *PICTURES[:3])["pictures"]
    assert [each["top"] for each in there] == [each["top"] for each in here]

    timed = of(capsys, "bench", model, "--on", "pi", "--runs", 3, "--warmup", 1)
    assert timed["kernels"] == found["info"]["kernels"][0] and timed["valid"] and timed["runs"][0]["runs"] == 3
    assert len(timed["runs"][0]["ops"]) == len(local.file.ops)

    looked = of(capsys, "doctor", "--on", "pi")
    assert looked["linnet"]["kernels"] == found["info"]["kernels"]

    assert len(of(capsys, "deploy", model, "pi", "--remove")["removed"]) == 3
    assert files(pi) == set() and list(pi.path("tmp").glob("linnet*")) == []


def test_every_operator_is_the_same_there(model: Path) -> None:
    local = linnet.load(model)
    pixels = local.prepare(str(PICTURES[0]))
    with Ssh("pi") as ssh:
        there = device.Device.of(ssh, model)
        families = there.deployed.info["kernels"]
        hashes = []
        for family in families:
            there.kernels = family
            hashes.append(there.hashes(pixels))
        ((values, _),) = there.answers([pixels])
    np.testing.assert_array_equal(values, local.run_quantized(pixels))
    assert families[-1] == "ref" and all(each == hashes[-1] for each in hashes)


def test_validate_survives_a_cut(
    pi: Machine, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in PICTURES:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    command = ["validate", model, "--against", digits.ONNX, "--images", tmp_path]
    here = of(capsys, *command)
    cuts: list[int] = []
    add = Tally.add

    def add_and_cut(tally: Tally, *arguments: Any) -> None:
        add(tally, *arguments)
        if tally.images == 5:
            cuts.append(pi.cut())

    monkeypatch.setattr(Tally, "add", add_and_cut)
    monkeypatch.setattr(device, "PATIENCE", (0.5, 1.0, 2.0, 4.0))
    capsys.readouterr()
    assert cli.main([*map(str, command), "--json", "--on", "pi"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == here and here["images"] == len(PICTURES)
    assert cuts == [1] and captured.err.count("connecting again") == 1


def test_a_damaged_copy_is_refused_and_replaced(pi: Machine, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only(pi, "cortex-a53")
    of(capsys, "deploy", model, "pi")
    there = pi.path(f"root/{FOLDER}/digits.lnt")
    data = bytearray(there.read_bytes())
    data[len(data) // 2] ^= 1
    there.write_bytes(data)
    direct = [*pi.ssh.split(), "pi", f"{FOLDER}/linnet-run {FOLDER}/digits.lnt --stream < /dev/null"]
    done = subprocess.run(direct, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("linnet-run: ") and len(done.stderr.splitlines()) == 1
    assert of(capsys, "deploy", model, "pi")["copied"] == ["digits.lnt"]
    assert there.read_bytes() == model.read_bytes()


def test_what_is_refused(pi: Machine, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only(pi, "cortex-a53")
    assert "ssh-keygen -R" in refused(capsys, "deploy", model, "impostor")
    assert "accept it with" in refused(capsys, "deploy", model, "stranger")
    assert "are free there" in refused(capsys, "deploy", model, "pi", "--folder", "/mnt/linnet")
    pi.install("df", "echo '/dev/root 30000000 0 30000000 0% /'")  # what df promises may be gone when it is wanted
    assert "No space left" in refused(capsys, "deploy", model, "pi", "--folder", "/mnt/linnet")
    pi.uninstall("df")
    assert list(pi.path("mnt").rglob("*.lnt*")) == [] and list(pi.path("mnt/linnet").glob(".*")) == []
    pi.install("uname", "echo mips64")
    assert "is mips64" in refused(capsys, "deploy", model, "pi")
    pi.uninstall("uname")


def test_a_throttled_bench_is_not_valid(pi: Machine, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only(pi, "cortex-a53")
    pi.install("vcgencmd", "case $1 in get_throttled) echo throttled=0x50005;; *) echo '(48)=600000000';; esac")
    assert cli.main(["bench", str(model), "--on", "pi", "--runs", "1", "--warmup", "1", "--json"]) == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (
        "it is throttled" in captured.err
        and not found["valid"]
        and found["after"]["throttled"] == 0x50005
        and found["after"]["clock_mhz"] == 600
    )
    assert cli.main(["doctor", "--on", "pi"]) == 1
    assert "PROBLEM" in capsys.readouterr().out
    pi.uninstall("vcgencmd")

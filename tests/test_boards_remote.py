"""deploy, doctor and --on over an ssh that is not real: every way in which a connection or a board can fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import digits
import numpy as np
import pytest
import small_networks
from fake_ssh import Hosts
from PIL import Image

import linnet
from linnet import cli
from linnet.errors import LinnetError
from linnet_boards import deployment, device, health, probe, programs
from linnet_boards.ssh import ConnectionLostError, Ssh

HOME = ".local/share/linnet"
GRAPH = small_networks.classifier(softmax=True)
PIXELS = np.random.default_rng(5).integers(0, 256, (40, 12, 10, 3)).astype(np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.lnt"
    path.write_bytes(small_networks.lnt(GRAPH))
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert cli.main([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of an error."""
    assert cli.main([*map(str, arguments)]) == 1
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.startswith("copying")]
    assert len(lines) == 1 and lines[0].startswith("linnet: error: "), captured.err
    return lines[0]


# ---------------------------------------------------------------------------------------------- deploying


def test_deploy_and_remove(hosts: Hosts, model: Path, host_program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads(printed(capsys, "deploy", model, "pi", "--json"))
    assert first["copied"] == ["linnet-run", "m.lnt"] and first["target"] == "aarch64"
    assert hosts.files("pi") == [f"{HOME}/linnet-run", f"{HOME}/m.lnt"]
    assert (hosts.home("pi") / HOME / "m.lnt").read_bytes() == model.read_bytes()
    assert (hosts.home("pi") / HOME / "linnet-run").read_bytes() == host_program.read_bytes()
    assert first["info"]["kernels"] == list(linnet.kernel_families())
    assert "was there already" in printed(capsys, "deploy", model, "pi")

    other = model.with_name("other.lnt")
    other.write_bytes(model.read_bytes())
    assert "copied other.lnt" in printed(capsys, "deploy", other, "pi")
    assert printed(capsys, "deploy", model, "pi", "--remove") == "pi: removed m.lnt\n"
    assert hosts.files("pi") == [f"{HOME}/linnet-run", f"{HOME}/other.lnt"]
    removed = json.loads(printed(capsys, "deploy", other, "pi", "--remove", "--json"))["removed"]
    assert removed == ["removed other.lnt", "removed linnet-run", "removed the folder"]
    assert hosts.files("pi") == []
    assert "nothing of it was there" in printed(capsys, "deploy", other, "pi", "--remove")


def test_deploy_replaces_what_was_damaged_there(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "deploy", model, "pi")
    there = hosts.home("pi") / HOME / "m.lnt"
    there.write_bytes(there.read_bytes()[:-1] + b"?")
    assert "copied m.lnt" in printed(capsys, "deploy", model, "pi")
    assert there.read_bytes() == model.read_bytes()


def test_deploy_to_another_folder_with_blanks(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "deploy", model, "pi", "--folder", "my models")
    assert hosts.files("pi") == ["my models/linnet-run", "my models/m.lnt"]
    printed(capsys, "deploy", model, "pi", "--folder", "my models", "--remove")
    assert hosts.files("pi") == []


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("stranger", "accept it with `ssh stranger`"),
        ("impostor", "ssh-keygen -R"),
        ("locked", "ssh-copy-id locked"),
        ("nowhere", "no host of this name"),
        ("closed", "Connection refused"),
        ("damaged", "linnet-run arrived damaged"),
        ("cut", "closed by remote host"),
    ],
)
def test_deploy_fails_and_leaves_nothing(
    hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str], host: str, words: str
) -> None:
    assert words in refused(capsys, "deploy", model, host)
    assert not hosts.home(host).exists() or hosts.files(host) == []


def test_a_failed_copy_leaves_the_old_one(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = b"an old model"
    (hosts.home("cut") / HOME).mkdir(parents=True)
    (hosts.home("cut") / HOME / "linnet-run").write_bytes(old)
    refused(capsys, "deploy", model, "cut")
    assert hosts.files("cut") == [f"{HOME}/linnet-run"]
    assert (hosts.home("cut") / HOME / "linnet-run").read_bytes() == old


def test_no_space(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.program("pi", "df", "echo '/dev/root 30000000 29999990 10 100% /'")
    assert "10.0 KiB are free there" in refused(capsys, "deploy", model, "pi")
    assert hosts.files("pi") == []


def test_the_program_does_not_run_there(
    hosts: Hosts, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF of another kind")
    monkeypatch.setattr(deployment, "linnet_run", lambda _: broken)
    assert "linnet-run does not run there" in refused(capsys, "deploy", model, "pi")
    assert hosts.files("pi") == []


@pytest.mark.parametrize("machine", ["x86_64", "mips64", ""])
def test_wrong_architecture(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str], machine: str) -> None:
    hosts.machine("pi", machine)
    assert f"is {machine or 'of unknown architecture'}" in refused(capsys, "deploy", model, "pi")
    assert hosts.files("pi") == []


def test_no_sha256sum(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.program("pi", "sha256sum", "exit 127")
    assert "linnet-run arrived damaged" in refused(capsys, "deploy", model, "pi")


def test_what_is_no_model_stays_here(
    hosts: Hosts, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "give a model file NAME.lnt" in refused(capsys, "deploy", tmp_path / "m.onnx", "pi")
    model.write_bytes(model.read_bytes()[:-1])
    assert "cut short" in refused(capsys, "deploy", model, "pi")
    assert "none.lnt" in refused(capsys, "deploy", tmp_path / "none.lnt", "pi")
    assert hosts.commands("pi") == []


@pytest.mark.parametrize("where", ["", "-oProxyCommand=true", "two words"])
def test_what_is_no_host(where: str) -> None:
    with pytest.raises(LinnetError, match="is no host"):
        Ssh(where)


def test_no_ssh(model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LINNET_SSH", "/nowhere/ssh")
    assert "apt install openssh-client" in refused(capsys, "deploy", model, "pi")


def test_no_program_for_a_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "_TREE", tmp_path)
    with pytest.raises(LinnetError, match="without linnet-run for armv7"):
        programs.linnet_run("armv7")


# ---------------------------------------------------------------------------------------------- running


def test_answers_are_those_of_this_machine(
    hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for i in range(2):
        Image.fromarray(PIXELS[i]).save(tmp_path / f"{i}.png")
    pictures = [tmp_path / "0.png", tmp_path / "1.png"]
    here = json.loads(printed(capsys, "run", model, *pictures, "--json"))["pictures"]
    there = json.loads(printed(capsys, "run", model, *pictures, "--json", "--on", "pi", "--threads", 2))["pictures"]
    assert [entry["top"] for entry in here] == [entry["top"] for entry in there]
    assert all(entry["round_trip_milliseconds"] >= entry["milliseconds"] > 0 for entry in there)
    assert cli.main(["run", str(model), str(tmp_path / "none.png"), str(pictures[0]), "--on", "pi"]) == 1
    captured = capsys.readouterr()
    assert "none.png" in captured.err and str(pictures[0]) not in captured.err
    assert hosts.files("pi") == [f"{HOME}/linnet-run", f"{HOME}/m.lnt"]


@pytest.mark.parametrize("host", ["flaky", "quiet"])
def test_a_broken_connection_goes_on_where_it_stopped(
    hosts: Hosts, model: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "BATCH_BYTES", 10 * PIXELS[0].nbytes)
    retries: list[str] = []
    with Ssh(host) as ssh:
        answers = device.Device.of(ssh, model).answers(iter(PIXELS), on_retry=retries.append, patience=(0, 0))
        values = [each for each, _ in answers]
    local = linnet.load(model)
    assert len(values) == len(PIXELS)
    for mine, pixels in zip(values, PIXELS, strict=True):
        np.testing.assert_array_equal(mine, local.run_quantized(pixels))
    # of each batch of ten, three a time
    streams = [command for command in hosts.commands(host) if "--stream" in command]
    assert len(streams) == 4 * 4 and len(retries) == 4 * 3


def test_values_of_an_operator(hosts: Hosts, model: Path) -> None:  # noqa: ARG001
    local = linnet.load(model)
    last = len(local.file.ops) - 1
    with Ssh("pi") as ssh:
        there = device.Device.of(ssh, model)
        ((values, _),) = there.answers([PIXELS[0]], operator=last - 1)
        with pytest.raises(LinnetError, match="no operator of this number"):
            list(there.answers([PIXELS[0]], operator=last + 1))
        there.kernels = "mmx"
        with pytest.raises(LinnetError, match="no such kernel family"):
            list(there.answers([PIXELS[0]]))
    (traced,) = local.trace(PIXELS[0], [last - 1])
    np.testing.assert_array_equal(values, traced.values.ravel())


def test_compare(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    told = json.loads(printed(capsys, "compare", model, "--on", "pi", "--kernels", "ref", "--json"))
    assert told["same"] and len(told["operators"]) == len(GRAPH.ops)
    assert len({op["there"] for op in told["operators"]}) == len(GRAPH.ops)


def test_patience_ends(hosts: Hosts, model: Path) -> None:
    retries: list[str] = []
    with Ssh("dead") as ssh, pytest.raises(ConnectionLostError, match="timed out"):
        list(device.Device.of(ssh, model).answers(PIXELS[:2], on_retry=retries.append, patience=(0, 0, 0)))
    assert len(retries) == 3
    assert len([command for command in hosts.commands("dead") if "--stream" in command]) == 4


@pytest.mark.parametrize(("host", "words"), [("killed", "signal 9"), ("garbled", "no JSON: b'Welcome")])
def test_answers_that_are_none(hosts: Hosts, model: Path, host: str, words: str) -> None:  # noqa: ARG001
    with Ssh(host) as ssh, pytest.raises(LinnetError, match=words):
        list(device.Device.of(ssh, model).answers(PIXELS[:2]))


def test_validate_is_the_same_there(
    hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from linnet_converter import validate_away

    monkeypatch.setattr(validate_away, "BATCH_BYTES", 10 * 64 * 64 * 3)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for path in sorted((digits.FOLDER / "test").glob("*.png"))[:23]:
        (pictures / path.name).write_bytes(path.read_bytes())
    (pictures / "broken.png").write_bytes(b"no picture")
    lnt = tmp_path / "digits.lnt"
    calibration = digits.FOLDER / "calibration"
    printed(
        capsys,
        "convert",
        digits.ONNX,
        "-o",
        lnt,
        "--calibrate",
        calibration,
        "--preprocess",
        "torch",
        "--quality",
        "fast",
    )
    command = ["validate", lnt, "--against", digits.ONNX, "--images", pictures, "--json"]
    here = json.loads(printed(capsys, *command))
    there = json.loads(printed(capsys, *command, "--on", "pi"))
    assert here == there and here["images"] == 23 and here["skipped"] == 1
    assert len([line for line in hosts.commands("pi") if "--stream" in line]) == 3
    assert json.loads(printed(capsys, *command, "--on", "flaky")) == here


# ---------------------------------------------------------------------------------------------- bench


def test_bench(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.program(
        "pi", "vcgencmd", 'case $1 in get_throttled) echo throttled=0x0;; *) echo "frequency(48)=1500398464";; esac'
    )
    command = ["bench", model, "--on", "pi", "--runs", 8, "--threads", "1,2"]
    found = json.loads(printed(capsys, *command, "--json"))
    assert found["valid"] and found["throttling_known"] and found["before"]["clock_mhz"] == pytest.approx(1500.398464)
    assert [run["threads"] for run in found["runs"]] == [1, 2]
    local = linnet.load(model)
    for run in found["runs"]:
        assert run["runs"] == 8 and 0 < run["min_ms"] <= run["p10_ms"] <= run["median_ms"] <= run["p90_ms"]
        assert len(run["ops"]) == len(local.file.ops)
    assert found["kernels"] == local.kernels
    text = printed(capsys, *command)
    assert "1500 MHz" in text and "0x0" in text
    for wrong in (["--peers", "litert"], ["--svg", "a.svg"], ["--board", "rpi4"]):
        refused(capsys, *command, *wrong)
    assert "--on" in refused(capsys, "bench", model, "--allow-throttled")


def test_a_throttled_bench_is_not_valid(hosts: Hosts, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.program("pi", "vcgencmd", "case $1 in get_throttled) echo throttled=0x50005;; esac")
    command = ["bench", str(model), "--on", "pi", "--runs", "2", "--json"]
    assert cli.main(command) == 1
    captured = capsys.readouterr()
    found: dict[str, Any] = json.loads(captured.out)
    assert not found["valid"] and len(found["spoiled"]) == 2
    assert "voltage is too low" in captured.err and "it is throttled" in captured.err
    assert cli.main([*command, "--allow-throttled"]) == 0
    assert not json.loads(capsys.readouterr().out)["valid"]


# ---------------------------------------------------------------------------------------------- doctor and probe

PI4 = """machine=aarch64
kernel=Linux 6.6.31+rpt-rpi-v8
elf= 7f 45 4c 46 01 01 01 00 00 00 00 00 00 00 00 00 03 00 28 00
libc=glibc 2.36
os=Raspbian GNU/Linux 12 (bookworm)
board=Raspberry Pi 4 Model B Rev 1.4
processors=4
features=Features	: fp asimd evtstrm crc32 cpuid
memory=MemAvailable:    3391384 kB
load=0.08 0.02 0.01 1/170 1234
python=3.9.2
governor=powersave
clock_khz=600000
most_khz=1500000
temperature=51121
throttled=throttled=0x50005
clock_hz=frequency(48)=600117184
cooling=cpufreq-cpu0 2
cooling=fan 1
undervoltage=1
free=/dev/mmcblk0p2 30000000 20000000 8765432 70% /
"""


def test_parse() -> None:
    found = probe.parse(PI4)
    assert (found.target, found.userland, found.bits) == ("aarch64", "arm", 32)
    assert found.clock_mhz == pytest.approx(600.117184) and found.most_mhz == 1500 and found.temperature == 51.121
    assert found.throttled == 0x50005 and found.cooling is True and found.undervoltage is True
    assert found.free_bytes == 8765432 * 1024 and found.memory_bytes == 3391384 * 1024
    assert "asimd" in found.features and found.processors == 4 and found.load == 0.08
    empty = probe.parse("")
    assert empty.target is None and empty.throttled is None and empty.cooling is None and empty.clock_mhz is None
    assert probe.parse("throttled_file=50005").throttled == 0x50005
    assert probe.parse("throttled=VCHI initialization failed").throttled is None
    assert probe.parse("clock_khz=600000").clock_mhz == 600


def machine(**fields: str) -> probe.Machine:
    return probe.parse("\n".join(f"{key}={value}" for key, value in fields.items()))


def test_throttling_meanwhile_spoils_a_run() -> None:
    fine = machine(throttled="throttled=0x0")
    assert health.spoiled(fine, fine) == [] and health.known(fine)
    assert len(health.spoiled(fine, machine(throttled="throttled=0x20000"))) == 1  # capped in between
    old = machine(throttled="throttled=0x50000")
    assert health.spoiled(old, old) == [] and health.past(old) == ["too low a voltage", "throttling"]
    assert len(health.spoiled(old, machine(throttled="throttled=0x50008"))) == 1
    assert health.spoiled(machine(), machine(cooling="cpufreq-cpu0 1")) != []
    assert health.spoiled(machine(), machine(undervoltage="1")) != []
    assert health.spoiled(machine(), machine()) == [] and not health.known(machine())
    assert health.spoiled(machine(), machine(cooling="fan 3")) == []


def test_doctor(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "doctor", "--on", "pi")
    assert linnet.kernel_families()[0] in text
    assert hosts.files("pi") == [] and list((hosts.root / "pi/tmp").iterdir()) == []
    hosts.program("pi", "vcgencmd", "case $1 in get_throttled) echo throttled=0x4;; esac")
    assert cli.main(["doctor", "--on", "pi", "--json"]) == 1
    findings = {each["subject"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["throttling"]["state"] == "problem" and "cool it" in findings["throttling"]["advice"]
    assert {"system", "Python", "kernels", "processor", "governor", "free RAM", "free disk", "load"} <= findings.keys()
    hosts.machine("sparc", "sparc64")
    assert cli.main(["doctor", "--on", "sparc"]) == 1
    assert "linnet-run exists for Linux on aarch64" in capsys.readouterr().out


def test_doctor_says_what_to_do() -> None:
    from linnet_boards import checkup

    found = {each.subject: each for each in checkup.check(probe.parse(PI4), None, "why not")}
    problems = {subject for subject, each in found.items() if each.state == "problem"}
    assert problems == {"Python", "governor", "throttling", "kernels"}
    assert all(found[subject].advice for subject in problems)
    assert "armv7l" in found["system"].advice and "scaling_governor" in found["governor"].advice
    little = probe.parse(PI4.replace("3391384", "20000").replace("8765432", "900").replace("0.08", "4.1"))
    found = {each.subject: each for each in checkup.check(little, {"features": [], "kernels": ["ref"]})}
    assert found["free RAM"].state == found["free disk"].state == "problem" and found["load"].state == "note"


def test_doctor_here(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["linnet"]["kernels"] == list(linnet.kernel_families())
    assert found["machine"]["bits"] == 64

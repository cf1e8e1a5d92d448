"""The command line: finding commands, errors, `linnet run`."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small_networks
from PIL import Image

import linnet
from linnet import cli, report
from linnet_converter import oracle

ROOT = Path(__file__).resolve().parent.parent
LABELS = [f"class {i}" for i in range(small_networks.CLASSES)]
GRAPH = small_networks.classifier(labels=LABELS)
PIXELS = np.random.default_rng(5).integers(0, 256, (12, 10, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.lnt").write_bytes(small_networks.lnt(GRAPH))
    Image.fromarray(PIXELS).save(tmp_path / "good.png")
    Image.fromarray(255 - PIXELS).save(tmp_path / "other.ppm")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    return tmp_path


def linnet_command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """A process of its own."""
    code = "import sys; from linnet.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def use(monkeypatch: pytest.MonkeyPatch, **commands: str) -> None:
    """Install these commands (name=module) instead of the real ones."""
    points = [EntryPoint(name, module, cli.GROUP) for name, module in commands.items()]
    monkeypatch.setattr(cli, "entry_points", lambda group: points if group == cli.GROUP else [])


def fake(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    """Install a command `fake` that does this."""
    module = SimpleNamespace(HELP="a test", add_arguments=lambda _: None, run=run)
    monkeypatch.setitem(sys.modules, "fake_command", module)
    use(monkeypatch, fake="fake_command")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"linnet {linnet.__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("version", linnet.__version__) == linnet.__version__


def test_help_lists_all_commands_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in ("arch", "bench", "convert", "inspect", "run", "validate"):
        assert f"\n    {name} " in text
    assert "classify pictures" in text


def test_no_and_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert cli.main(["fly"]) == 2
    assert "invalid choice: 'fly'" in capsys.readouterr().err
    assert cli.main(["run"]) == 2
    assert cli.main(["run", "--top", "0", "m.lnt", "a.png"]) == 2


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (linnet.LinnetError("what is wrong\nand what to do"), 1, "linnet: error: what is wrong and what to do\n"),
        (FileNotFoundError(2, "No such file", "x.onnx"), 1, "linnet: error: x.onnx: No such file\n"),
        (KeyboardInterrupt(), 130, ""),
        (ModuleNotFoundError("no", name="onnx.helper"), 1, "'onnx': pip install 'linnet[convert]'\n"),
    ],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, status: int, message: str
) -> None:
    def run(_: Any) -> int:
        raise error

    fake(monkeypatch, run)
    assert cli.main(["fake"]) == status
    captured = capsys.readouterr()
    assert captured.err.endswith(message)
    assert captured.err.count("\n") == (1 if message else 0)
    assert not captured.out


def test_own_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, broken="linnet.commands.broken")
    with pytest.raises(ModuleNotFoundError):
        cli.main(["broken"])


def test_exit_status_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, lambda _: 7)
    assert cli.main(["fake"]) == 7


def test_a_closed_pipe_is_quiet(folder: Path) -> None:
    code = "import sys; from linnet.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "run", "m.lnt", *["good.png"] * 500]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_run_loads_nothing_of_the_workstation(folder: Path) -> None:
    np.save(folder / "a.npy", PIXELS)
    code = (
        "import sys; from linnet.cli import main; status = main(['run', 'm.lnt', 'a.npy']); "
        "print(sorted({name.partition('.')[0] for name in sys.modules})); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert {"linnet", "numpy", "cffi"} <= loaded
    assert not loaded & {"PIL", "onnx", "onnxruntime", "flatbuffers", "tqdm", "linnet_converter"}


def test_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(folder / "m.lnt"), str(folder / "good.png"), "--top", "3"]) == 0
    header, _, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["%", "class", "label"]
    logits = GRAPH.output.scale * oracle.run(GRAPH, PIXELS)[GRAPH.ops[-1].output].ravel()
    best = np.argsort(-logits, kind="stable")[:3]
    assert [line.split()[1:] for line in lines] == [[str(i), "class", str(i)] for i in best]


def test_run_prints_the_others_when_a_picture_is_bad(folder: Path) -> None:
    done = linnet_command("run", "m.lnt", "good.png", "bad.png", "none.png", "other.ppm", cwd=folder)
    assert done.returncode == 1
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith("linnet: error: bad.png: ")
    assert errors[1].startswith("linnet: error: none.png: No such file")
    assert [line for line in done.stdout.splitlines() if line.endswith(("png", "ppm"))] == ["good.png", "other.ppm"]


@pytest.mark.parametrize("softmax", [False, True])
def test_run_json(folder: Path, capsys: pytest.CaptureFixture[str], softmax: bool) -> None:
    graph = small_networks.classifier(softmax=softmax)
    (folder / "n.lnt").write_bytes(small_networks.lnt(graph))
    pictures = [str(folder / name) for name in ("good.png", "bad.png", "other.ppm")]
    assert cli.main(["run", str(folder / "n.lnt"), *pictures, "--json", "--top", "99"]) == 1
    answer = json.loads(capsys.readouterr().out)
    good, bad, other = answer["pictures"]
    assert [entry["picture"] for entry in answer["pictures"]] == pictures
    assert "not a picture" in bad["error"]
    for entry in (good, other):
        chances = [top["probability"] for top in entry["top"]]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1, abs=1e-6)
        assert {top["class"] for top in entry["top"]} == set(range(10))
        assert entry["top"][0]["label"] == str(entry["top"][0]["class"])
        assert entry["milliseconds"] >= 0
    model = linnet.load(small_networks.lnt(graph))
    assert good["top"][0]["class"] == int(model.run(PIXELS).argmax())


def test_table() -> None:
    text = report.table([("a", 1, 2.5), ("long name", 1000, 10.0)], ("name", "n", "x"))
    assert text.splitlines() == [
        "name          n      x",
        "---------  ----  -----",
        "a             1   2.50",
        "long name  1000  10.00",
    ]
    assert report.table([("1,024", "3 x 3"), ("7", "5")], ("n", "k")).splitlines()[2] == "1,024  3 x 3"
    assert report.table([], ("a", "b")) == "a  b\n-  -"
    assert report.table([("日本", 1)], ("label", "n")).splitlines()[2] == "日本   1"


def test_human_bytes() -> None:
    assert [report.human_bytes(n) for n in (0, 1023, 1024, 20480, 1 << 20)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "20.0 KiB",
        "1.00 MiB",
    ]


def test_json_has_no_infinity() -> None:
    text = report.to_json({"a": float("inf"), "b": [float("nan"), 1.5], "c": "ü"})
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": "ü"}
    assert "ü" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_leaves_no_temporary_file(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import signal, sys, tempfile, time\n"
        "from importlib.metadata import EntryPoint\n"
        "from types import SimpleNamespace\n"
        "from linnet import cli\n"
        "def run(_):\n"
        "    with tempfile.TemporaryDirectory(dir=sys.argv[1]):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "cli.entry_points = lambda group: [EntryPoint('wait', 'linnet.cli', group)]\n"
        "cli._import = lambda _: SimpleNamespace(HELP='', add_arguments=lambda _: None, run=run)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # nohup, which may run the tests, has it ignored
        "sys.exit(cli.main(['wait']))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert process.stderr.read() == b""
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_is_printed(folder: Path) -> None:
    """As JSON has it, wherever stdout takes UTF-8 only."""
    name = b"\xff.png"
    (folder / os.fsdecode(name)).write_bytes((folder / "good.png").read_bytes())
    code = "import sys; from linnet.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    for options in ([], ["--json"]):
        command = [sys.executable, "-c", code, "run", "m.lnt", os.fsdecode(name), "good.png", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True, env=environment)
        assert b"\\udcff.png" in done.stdout
    assert os.fsencode(json.loads(done.stdout)["pictures"][0]["picture"]) == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threads", "0"], "argument --threads: '0' is no number: it must be 1 or more"),
        (["--threads", "-1"], "'-1' is no number"),
        (["--threads", "1,abc"], "'abc' is no number"),
        (["--threads", "1,,2"], "'' is no number"),
        (["--runs", "1.5"], "'1.5' is no number"),
        (["--ram", "9" * 400], "is not a size such as 128K"),
        (["--ram", "-1K"], "expected one argument"),
        (["--ram", "1T"], "is not a size such as 128K"),
    ],
)
def test_numbers_that_are_none(
    folder: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", str(folder / "m.lnt"), *options]) == 2
    assert message in capsys.readouterr().err


def test_too_much_is_refused_before_anything_runs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from linnet.commands import bench

    assert cli.main(["bench", str(folder / "m.lnt"), "--runs", "1" + 15 * "0"]) == 1
    assert "there is not enough memory: " in capsys.readouterr().err
    monkeypatch.setattr(bench, "measured", lambda *_: pytest.fail("measured"))
    assert cli.main(["bench", str(folder / "m.lnt"), "--threads", "1,257"]) == 1
    assert "257 threads" in capsys.readouterr().err

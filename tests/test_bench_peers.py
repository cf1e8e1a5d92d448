"""`linnet bench --peers`: other runtimes in processes of their own, real ones and ones that fail in every way."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import digits
import numpy as np
import pytest
from PIL import Image

import linnet
from linnet import cli
from linnet_converter import conversion, onnx_reader, peer_models, peers
from linnet_converter.peers import Input, Peer, PeerError, PeerRunner

EXPORTERS = Path(__file__).parent / "exporters"
SOURCE = EXPORTERS / "torch_ts17_relu_dw5.onnx"
SOFTMAX = EXPORTERS / "torch_ts13_norm_softmax.onnx"
NHWC = EXPORTERS / "keras_rescaling.onnx"

INTERPRETER = """
import time
import numpy as np

print("a library that talks on stdout")

class Interpreter:
    def __init__(self, model_path, num_threads):
        {create}
        self.threads = num_threads
    def allocate_tensors(self):
        pass
    def get_input_details(self):
        return [{{"index": 0, "dtype": np.int8, "quantization": (0.5, 3)}}]
    def get_output_details(self):
        return [{{"index": 1}}]
    def set_tensor(self, index, values):
        {check}
        self.values = values
    def invoke(self):
        time.sleep({seconds} / self.threads)
    def get_tensor(self, index):
        return np.array([[0, 0, 9, 0]], np.int8)
"""


def fake_python(folder: Path, create: str = "pass", check: str = "pass", seconds: float = 0.02) -> str:
    """A Python in which tflite-runtime is what is written here."""
    package = folder / "site/tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '2.14.0'\n")
    (package / "interpreter.py").write_text(INTERPRETER.format(create=create, check=check, seconds=seconds))
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(folder / "site"))} exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


def given(shape: tuple[int, int, int] = (4, 4, 3)) -> Input:
    return Input(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), (127.5,) * 3, (127.5,) * 3)


def peer(python: str, kind: str = "tflite-runtime", model: Path = SOURCE) -> Peer:
    return Peer(kind.replace("-", "_"), kind, model, python)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    graph = onnx_reader.read(SOURCE)
    shape = graph.shapes[graph.input]
    noise = np.random.default_rng(0).integers(0, 256, (8, *shape)).astype(np.uint8)
    (tmp_path / "m.lnt").write_bytes(conversion.convert(graph, list(noise), conversion.PRESETS["torch"]).data)
    return tmp_path / "m.lnt"


def bench(model: Path, *options: object) -> int:
    return cli.main(["bench", str(model), "--runs", "4", "--warmup", "1", "--block", "2", *map(str, options)])


def test_a_peer_answers_over_pipes(tmp_path: Path) -> None:
    # (pixel - 127.5) / 127.5 in steps of 0.5 around 3: 1 to 5
    check = (
        "assert values.dtype == np.int8 and values.shape == (1, 4, 4, 3) and set(values.ravel()) <= {1, 2, 3}, values"
    )
    python = fake_python(tmp_path, check=check)
    with PeerRunner(peer(python), 2, given()) as runner:
        assert (runner.name, runner.version, runner.top1) == ("tflite_runtime", "2.14.0", 2)
        block = runner.time(3)
        assert block.seconds.shape == (3,)
        assert (block.seconds >= 0.01).all()  # 20 ms on two threads
        assert 0 < block.cpu_seconds < block.process_seconds
        process = runner._process
    assert process.poll() is not None


@pytest.mark.parametrize(
    ("create", "message"),
    [
        ("raise ImportError('numpy.core.multiarray failed to import')", "ImportError: numpy.core.multiarray failed"),
        ("raise AttributeError('_ARRAY_API not found')", "AttributeError: _ARRAY_API not found"),
        ("import os; os.abort()", "its process ended with status -6"),
        ("import os; print('the last words', file=__import__('sys').stderr); os._exit(3)", "status 3: the last words"),
        ("time.sleep(60)", "it has not answered for 2 seconds"),
    ],
)
def test_a_broken_peer_is_named(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    create: str,
    message: str,
) -> None:
    monkeypatch.setattr(peers, "OPEN_SECONDS", 2.0)
    python = f"tflite-runtime={fake_python(tmp_path, create=create)}"
    arguments = ["--peers", "tflite-runtime", "--tflite", SOURCE, "--peer-python", python, "--json"]
    assert bench(model, *arguments) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert answer["runs"][0]["peers"] == {}
    line = answer["absent_peers"]["tflite_runtime"]
    assert message in line
    assert "tflite-runtime==2.14.0 'numpy<2'" in line
    assert captured.err.count("\n") == 1 and line in captured.err


def test_a_file_that_does_not_fit_is_not_the_runtimes_fault(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = fake_python(tmp_path, check="raise ValueError('Dimension mismatch.')")
    options = ["--peers", "tflite-runtime", "--tflite", SOURCE, "--peer-python", f"tflite-runtime={python}"]
    assert bench(model, *options) == 0
    line = capsys.readouterr().err
    assert "Dimension mismatch; is " in line and "the same network?" in line
    assert "pip install" not in line


def test_what_is_not_installed_is_named_with_its_pin(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = Path(sys.executable).resolve()  # the interpreter below the environment: no runtime in it
    options = ["--peers", "litert", "--tflite", SOURCE, "--peer-python", f"litert={empty}"]
    assert bench(model, *options) == 0
    assert "litert is not measured: " in (err := capsys.readouterr().err)
    assert "pip install ai-edge-litert==2.3.0" in err
    assert bench(model, *options[:-1], "litert=/nowhere/python") == 0
    assert "/nowhere/python: No such file or directory" in capsys.readouterr().err


def test_a_peer_that_dies_on_the_way_ends_the_measurement(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = "self.n = getattr(self, 'n', 0) + 1; self.n < 9 or __import__('os')._exit(9)"
    python = f"tflite-runtime={fake_python(tmp_path, check=check)}"
    assert bench(model, "--peers", "tflite-runtime", "--tflite", SOURCE, "--peer-python", python) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("linnet: error: tflite_runtime: its process ended with status 9")
    assert captured.err.count("\n") == 1 and not captured.out


def test_a_peer_that_has_died_is_noticed_by_the_next_question(tmp_path: Path) -> None:
    """Its pipe is broken then, also for what is still to be written when it is closed."""
    with PeerRunner(peer(fake_python(tmp_path)), 1, given()) as runner:
        runner._process.kill()
        runner._process.wait()
        with pytest.raises(PeerError, match="tflite_runtime: its process ended with status -9"):
            runner.time(1)


def test_what_is_no_python_is_named(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nread line\necho Hello\ncat\n")
    script.chmod(0o755)
    with pytest.raises(PeerError, match=r"it answered b'Hello\\n': is .*/python a Python\?"):
        PeerRunner(peer(str(script)), 1, given())
    with pytest.raises(PeerError, match="its process ended with status 1"):
        PeerRunner(peer("/bin/false"), 1, given())


@pytest.mark.parametrize("where", ["FloatNetwork.quantized", "FloatNetwork.__init__"])
def test_whatever_onnxruntimes_tools_raise_is_one_line(
    model: Path, where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class WhateverError(Exception):
        """As onnxruntime's own, which have no common base."""

    def fail(*_: object) -> None:
        raise WhateverError("a node\nthat is new")

    monkeypatch.setattr(f"linnet_converter.peer_models.{where}", fail)
    assert bench(model, "--peers", "onnxruntime", "--against", SOURCE, "--json") == 0
    absent = json.loads(capsys.readouterr().out)["absent_peers"]
    assert list(absent) == ["onnxruntime_u8s8", "onnxruntime_s8s8"]
    assert all("a node that is new" in line for line in absent.values())


def test_ratios_of_a_fake_peer(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = fake_python(tmp_path, seconds=0.05)
    svg = tmp_path / "times.svg"
    options = ["--peers", "tflite-runtime", "--tflite", SOURCE, "--peer-python", f"tflite-runtime={python}"]
    assert bench(model, *options, "--json", "--svg", svg) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    found = run["peers"]["tflite_runtime"]
    assert found["median_ms"] >= 50
    assert found["runs"] == 4
    assert found["ratio"] == pytest.approx(run["median_ms"] / found["median_ms"])
    assert found["ratio"] < 1
    assert found["ratio_p10"] <= found["ratio_p50"] <= found["ratio_p90"]
    assert "tflite_runtime" in svg.read_text()
    assert "\N{RIGHTWARDS ARROW}" in svg.read_text()  # 50 ms beside less than one: cut
    rects = ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}rect")
    assert all(float(rect.get("x", 0)) + float(rect.get("width", 0)) <= 900 for rect in rects)
    assert bench(model, *options) == 0
    assert "tflite_runtime 2.14.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--peers", "onnxruntime"], "--against MODEL.onnx"),
        (["--peers", ","], "name some of onnxruntime, litert, tflite-runtime"),
        (["--peers", ""], "name some of onnxruntime, litert, tflite-runtime"),
        (["--peers", "litert"], "--tflite MODEL.tflite"),
        (["--peers", "abacus"], "'abacus' is no peer: choose from onnxruntime, litert, tflite-runtime"),
        (["--peers", "litert", "--tflite", "/nowhere.tflite"], "/nowhere.tflite: no such file"),
        (["--peers", "onnxruntime", "--against", digits.ONNX], "its input is (64, 64, 3), the model's (32, 32, 3)"),
        (["--peers", "litert", "--tflite", SOURCE, "--peer-python", "python3"], "expected PEER=PYTHON"),
    ],
)
def test_what_peers_need_is_asked_for(
    model: Path, options: list[Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(model, *options) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_onnxruntime_quantizes_and_runs(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = linnet.load(model).input_details.shape
    for i in range(3):
        noise = np.random.default_rng(i).integers(0, 256, shape).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
    options = ["--peers", "onnxruntime", "--against", SOURCE, "--calibrate", tmp_path, "--json"]
    assert bench(model, *options, "--input", tmp_path / "0.png") == 0
    found = json.loads(capsys.readouterr().out)["runs"][0]["peers"]
    assert list(found) == ["onnxruntime_u8s8", "onnxruntime_s8s8"]
    for each in found.values():
        assert each["median_ms"] > 0
        assert each["format"] in {"qdq", "qoperator"}
        assert set(each["format_trial_ms"]) <= {"qdq", "qoperator"}
        assert each["same_top1"]


@pytest.mark.parametrize("source", [SOURCE, NHWC], ids=lambda path: path.stem)
@pytest.mark.parametrize("form", ["qdq", "qoperator"])
def test_onnxruntimes_files_are_int8_and_close_to_float(source: Path, form: peer_models.Form, tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    network = peer_models.FloatNetwork(source, tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (4, *network.shape)).astype(np.uint8)
    mean, std = np.full(3, 127.5), np.full(3, 127.5)
    path = network.quantized("u8s8", form, list(noise), mean, std)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert ("QLinearConv" in kinds) == (form == "qoperator")
    if form == "qdq":
        assert "DequantizeLinear" in kinds
    feed = network.feed(noise[0], mean, std)
    answers = []
    for file in (source, path):
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        answers.append(np.ravel(session.run(None, {session.get_inputs()[0].name: feed})[0]))
    assert np.abs(answers[1] - answers[0]).max() < 0.3 * np.ptp(answers[0])
    assert not np.array_equal(answers[0], answers[1])


def test_accuracy_of_onnxruntimes_own_file(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a network that ends in a softmax, too: the logits ahead of it are compared."""
    import peers_accuracy

    shape = linnet.load(model).input_details.shape
    images = tmp_path / "images"
    images.mkdir()
    for i in range(6):
        noise = np.random.default_rng(i).integers(0, 256, shape).astype(np.uint8)
        Image.fromarray(noise).save(images / f"{i}.png")
    (images / "labels.csv").write_text("file,class_index\n" + "".join(f"{i}.png,{i % 3}\n" for i in range(6)))
    found = []
    for source, activations in ((SOURCE, "s8s8"), (SOURCE, "u8s8"), (SOFTMAX, "s8s8")):
        options = ["--against", source, "--calibrate", images, "--images", images, "--activations", activations]
        labels = ["--labels-csv", images / "labels.csv", "--json"]
        monkeypatch.setattr(sys, "argv", ["peers_accuracy.py", *map(str, (model, *options, *labels))])
        peers_accuracy.main()
        found.append(json.loads(capsys.readouterr().out))
    assert [each["images"] for each in found] == [6, 6, 6]
    assert all(15 < each["sqnr_db"] < 60 for each in found), found  # close, and not the float network itself
    assert found[0]["sqnr_db"] == pytest.approx(found[1]["sqnr_db"], abs=1)  # the same grid, moved by 128
    assert found[0]["top1_float"] == found[1]["top1_float"]

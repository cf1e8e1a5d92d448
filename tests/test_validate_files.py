"""`linnet validate` over many pictures: several at a time, stopped and resumed, in memory that does not grow."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import linnet
from linnet import cli
from linnet_converter import (
    conversion,
    onnx_reader,
    pictures,
    validate_files,
    validate_state,
    validation,
)
from linnet_converter.reference_cache import ReferenceCache
from linnet_converter.tally import Compared, Tally
from linnet_converter.validate_state import Settings, State

SOURCE = Path(__file__).parent / "exporters/torch_ts17_relu_dw5.onnx"
PICTURES = 40


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/linnet"


@pytest.fixture(scope="module")
def data() -> bytes:
    graph = onnx_reader.read(SOURCE)
    noise = np.random.default_rng(0).integers(0, 256, (8, *graph.shapes[graph.input])).astype(np.uint8)
    return conversion.convert(graph, list(noise), conversion.PRESETS["torch"]).data


@pytest.fixture
def folder(tmp_path: Path, data: bytes) -> Path:
    """m.lnt, and images/ with pictures, one of them unreadable, and labels."""
    (tmp_path / "m.lnt").write_bytes(data)
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(1)
    for i in range(PICTURES):
        Image.fromarray(rng.integers(0, 256, (40, 36, 3)).astype(np.uint8)).save(images / f"{i:04}.png")
    (images / "0003.png").write_bytes(b"no picture")
    lines = [f"{i:04}.png,{i % 5}\n" for i in range(PICTURES)]
    (tmp_path / "labels.csv").write_text("file,class_index\n" + "".join(lines))
    return tmp_path


def arguments(folder: Path, *options: object) -> list[str]:
    common = ["validate", folder / "m.lnt", "--against", SOURCE, "--labels-csv", folder / "labels.csv", "--json"]
    return [*map(str, common), "--images", str(folder / "images"), *map(str, options)]


def validated(capsys: pytest.CaptureFixture[str], folder: Path, *options: object) -> dict[str, Any]:
    assert cli.main(arguments(folder, *options)) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_gives_the_same_result(
    folder: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    model = linnet.load(folder / "m.lnt")
    paths = pictures.find(folder / "images")
    named = list(pictures.read(paths, model.input_details.shape, lambda _: None))
    labels = pictures.labels(folder / "labels.csv")
    expected = validation.compare(model, SOURCE, named, labels)
    answer = validated(capsys, folder, "--workers", workers)
    assert answer == {**vars(expected), "skipped": 1}
    assert answer["images"] == PICTURES - 1


def test_several_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = validated(capsys, folder)
    (folder / "more").mkdir()
    for path in sorted((folder / "images").iterdir())[30:]:
        path.rename(folder / "more" / path.name)
    assert validated(capsys, folder, folder / "more") == whole
    (folder / "more/0000.png").write_bytes((folder / "images/0000.png").read_bytes())
    assert cli.main(arguments(folder, folder / "more")) == 1
    assert "0000.png: in two of the folders" in capsys.readouterr().err


class Waiting(validation.Comparer):
    """Takes its time, and knows how many are at work."""

    at_work = most = 0
    lock = threading.Lock()

    def compare(self, name: str, pixels: Any, labels: Any, logits: Any = None) -> Compared:
        with self.lock:
            Waiting.at_work += 1
            Waiting.most = max(Waiting.most, Waiting.at_work)
        time.sleep(random.random() / 50)
        with self.lock:
            Waiting.at_work -= 1
        return super().compare(name, pixels, labels, logits)


def test_results_come_in_order_from_workers_at_the_same_time(folder: Path) -> None:
    model = linnet.load(folder / "m.lnt")
    details = model.input_details
    paths = pictures.find(folder / "images")
    reference = validation.open_reference(SOURCE, details.mean, details.std)
    expected = list(validate_files.compare_files(paths, None, [validation.Comparer(model, reference, SOURCE)]))
    models = [linnet.load(folder / "m.lnt") for _ in range(4)]
    found = list(validate_files.compare_files(paths, None, [Waiting(each, reference, SOURCE) for each in models]))
    assert found == expected
    assert 2 <= Waiting.most <= 4
    assert [i for i, one in enumerate(found) if isinstance(one, validate_files.Skipped)] == [3]


def test_what_goes_wrong_in_a_worker_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments(folder, "--label-offset", "3")) == 1
    error = capsys.readouterr().err
    assert "class 7 of 0 to 6; is the label offset right?" in error


# ---------------------------------------------------------------------------------------------- stopping and resuming


def test_killed_and_resumed(folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """kill -9 in the middle, twice; the result is that of an undisturbed run, to the last bit."""
    whole = validated(capsys, folder)
    code = (
        "import sys, time\n"
        "from linnet import cli\n"
        "from linnet_converter import validate_state, validation\n"
        "validate_state.INTERVAL = 0.0\n"
        "compare = validation.Comparer.compare\n"
        "def slow(*given):\n"
        "    time.sleep(0.05)\n"
        "    return compare(*given)\n"
        "validation.Comparer.compare = slow\n"
        "sys.exit(cli.main())\n"
    )
    resumed: list[int] = []
    for wanted in (10, 25):
        options = ["--resume"] if resumed else []
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments(folder, "--workers", 2, *options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            states = list(cache.glob("validate-*.json")) if cache.exists() else []
            if states and json.loads(states[0].read_text())["done"] >= wanted:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        printed, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL and not printed
        resumed.append(json.loads(states[0].read_text())["done"])
    assert 10 <= resumed[0] < resumed[1] < PICTURES
    assert cli.main(arguments(folder, "--resume")) == 0
    captured = capsys.readouterr()
    assert f"going on after {resumed[1]} of {PICTURES} pictures" in captured.err
    assert json.loads(captured.out) == whole
    assert not list(cache.iterdir())  # complete: nothing to resume, no temporary file either
    assert cli.main(arguments(folder, "--resume")) == 0
    assert "this one starts with the first" in capsys.readouterr().err


def test_interrupted_from_the_keyboard(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = validated(capsys, folder)
    add = Tally.add

    def interrupted(self: Tally, one: Compared) -> None:
        if self.images == 7:
            raise KeyboardInterrupt
        add(self, one)

    monkeypatch.setattr(Tally, "add", interrupted)
    state = folder / "state.json"
    assert cli.main(arguments(folder, "--state", state)) == cli.EXIT_INTERRUPTED
    captured = capsys.readouterr()
    assert "stopped after 8 pictures" in captured.err and not captured.out  # seven and an unreadable one
    monkeypatch.undo()
    assert validated(capsys, folder, "--state", state, "--resume") == whole
    assert not state.exists()


def stopped(folder: Path) -> Path:
    """A state of this model and these pictures."""
    paths = pictures.find(folder / "images")
    labels = pictures.labels(folder / "labels.csv")
    settings = Settings.of(str(folder / "m.lnt"), str(SOURCE), paths, labels)
    (folder / "state.json").write_bytes(State(settings, done=1, tally=Tally(images=1)).as_json())
    return folder / "state.json"


@pytest.mark.parametrize("changed", ["model", "pictures", "fewer", "labels", "against"])
def test_a_state_of_something_else_is_refused(folder: Path, changed: str, capsys: pytest.CaptureFixture[str]) -> None:
    state = stopped(folder)
    options: list[object] = ["--state", state, "--resume"]
    if changed == "model":
        graph = onnx_reader.read(SOURCE)
        noise = np.random.default_rng(5).integers(0, 256, (8, *graph.shapes[graph.input])).astype(np.uint8)
        (folder / "m.lnt").write_bytes(conversion.convert(graph, list(noise), conversion.PRESETS["torch"]).data)
    elif changed == "pictures":
        os.utime(folder / "images/0000.png", (1, 1))
    elif changed == "fewer":
        options += ["--limit", "20"]
    elif changed == "labels":
        text = (folder / "labels.csv").read_text()
        (folder / "labels.csv").write_text(text.replace("0000.png,0", "0000.png,1"))
    else:
        found = json.loads(state.read_text())
        found["settings"]["against"] = "0"
        state.write_text(json.dumps(found))
    assert cli.main(arguments(folder, *options)) == 1
    what = {"fewer": "the pictures", "against": "the network it is compared with or its interpreter"}.get(
        changed, f"the {changed}"
    )
    assert f"since it stopped {what} changed: start anew, without --resume" in capsys.readouterr().err
    assert state.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "done": 3}', '{"version": 1', "null", "\x00\xff"])
def test_what_is_no_state_is_refused(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    state = folder / "state.json"
    state.write_text(text)
    assert cli.main(arguments(folder, "--state", state, "--resume")) == 1
    assert "this is no state of `linnet validate`" in capsys.readouterr().err


def test_a_state_comes_back_to_the_last_bit(folder: Path) -> None:
    settings = Settings("a", "b", "c", "d")
    tally = Tally(images=3, same=2, signal=0.1 + 0.2, error=1e-300, cosine=2.9999999999999996, labelled=3)
    validate_state.Checkpoint(folder / "s", State(settings, 4, 1, tally), named=True).write()
    assert validate_state.read(folder / "s") == State(settings, 4, 1, tally)


def test_where_the_state_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(validate_state, "INTERVAL", 0.0)
    assert cli.main(arguments(folder, "--state", folder / "none/state.json")) == 1
    assert "none/state.json: cannot be written" in capsys.readouterr().err
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert cli.main(arguments(folder)) == 0
    captured = capsys.readouterr()
    assert captured.err.count("cannot be resumed") == 1
    assert json.loads(captured.out)["images"] == PICTURES - 1


@pytest.mark.parametrize("text", ["my notes", "{}", '{"version": 1}'])
def test_another_file_is_no_place_for_the_state(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be written over, and removed at the end."""
    notes = folder / "notes.txt"
    notes.write_text(text)
    assert cli.main(arguments(folder, "--state", notes)) == 1
    assert "notes.txt: this is no state of `linnet validate`: name another file" in capsys.readouterr().err
    assert notes.read_text() == text


def test_places_that_the_state_may_have(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = stopped(folder)
    validated(capsys, folder, "--state", state)  # starts anew
    assert not state.exists()
    state.touch()
    validated(capsys, folder, "--state", state)
    assert not state.exists()
    device = folder / "pipe"
    os.mkfifo(device)
    validated(capsys, folder, "--state", device)  # as /dev/null
    assert device.exists()


def test_weights_beside_the_reference_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(SOURCE)
    reference = folder / "reference.onnx"
    onnx.save(model, reference, save_as_external_data=True, location="weights", size_threshold=0)
    command = [str(reference) if word == str(SOURCE) else word for word in arguments(folder, "--resume")]
    command += ["--state", str(folder / "state.json")]
    paths = pictures.find(folder / "images")
    settings = Settings.of(str(folder / "m.lnt"), str(reference), paths, pictures.labels(folder / "labels.csv"))
    (folder / "state.json").write_bytes(State(settings, done=PICTURES - 1, tally=Tally(images=1)).as_json())
    weights = bytearray((folder / "weights").read_bytes())
    weights[:4] = np.float32(0.5).tobytes()
    (folder / "weights").write_bytes(weights)
    assert cli.main(command) == 1
    assert "the network it is compared with" in capsys.readouterr().err


def test_file_names_that_are_no_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "images/0000.png").rename(folder / "images" / os.fsdecode(b"\xff.png"))
    command = [word for word in arguments(folder) if word not in {"--labels-csv", str(folder / "labels.csv")}]
    assert cli.main(command) == 0
    assert json.loads(capsys.readouterr().out)["images"] == PICTURES - 1


def test_no_more_models_than_pictures(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[object] = []
    open_reference = validation.open_reference

    def counted(*given: Any) -> Any:
        opened.append(1)
        return open_reference(*given)

    monkeypatch.setattr(validation, "open_reference", counted)
    validated(capsys, folder, "--workers", "1000", "--limit", "3")
    assert len(opened) == 3


# ---------------------------------------------------------------------------------------------- the reference's cache


def test_the_float_network_computes_each_picture_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = validated(capsys, folder)
    kept = folder / "logits.sqlite"
    assert validated(capsys, folder, "--reference-cache", kept, "--workers", "3") == whole
    computed: list[int] = []
    logits = validation.FloatReference.logits

    def counted(self: validation.FloatReference, pixels: validation.Pixels) -> Any:
        computed.append(1)
        return logits(self, pixels)

    monkeypatch.setattr(validation.FloatReference, "logits", counted)
    assert validated(capsys, folder, "--reference-cache", kept) == whole
    assert not computed
    (folder / "images/0003.png").write_bytes((folder / "images/0004.png").read_bytes())  # the same pixels
    (folder / "images/0005.png").unlink()
    Image.fromarray(np.zeros((40, 36, 3), np.uint8)).save(folder / "images/0005.png")
    validated(capsys, folder, "--reference-cache", kept)
    assert len(computed) == 1


def test_what_is_no_cache_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments(folder, "--reference-cache", folder / "labels.csv")) == 1
    assert "no cache of reference logits" in capsys.readouterr().err
    assert (folder / "labels.csv").read_text().startswith("file,class_index")


def test_a_cache_that_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is left over is written at the end, when a disk may be full."""
    opened = ReferenceCache.__init__

    def read_only(self: ReferenceCache, path: Path) -> None:
        opened(self, path)
        self._file.execute("PRAGMA query_only = 1")

    monkeypatch.setattr(ReferenceCache, "__init__", read_only)
    assert cli.main(arguments(folder, "--reference-cache", folder / "logits.sqlite")) == 1
    assert capsys.readouterr().err.endswith("logits.sqlite: attempt to write a readonly database\n")


def test_a_reference_that_is_none_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "g.onnx").write_text("garbage")
    command = [str(folder / "g.onnx") if word == str(SOURCE) else word for word in arguments(folder)]
    assert cli.main([*command, "--reference-cache", str(folder / "c")]) == 1
    error = capsys.readouterr().err
    assert "g.onnx: not an ONNX file" in error and error.count("\n") == 1


# ---------------------------------------------------------------------------------------------- memory


def test_memory_does_not_grow_with_the_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each picture is 270 KB decoded; what may grow is its file's name."""
    images = folder / "many"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    Image.fromarray(noise).save(images / "0000.ppm")
    peaks = []
    few, many = 50, 500
    for count in (few, few, many):  # the first run imports and opens what stays
        for i in range(1, count):
            if not (images / f"{i:04}.ppm").exists():
                os.link(images / "0000.ppm", images / f"{i:04}.ppm")
        tracemalloc.start()
        common = ["validate", str(folder / "m.lnt"), "--against", str(SOURCE), "--json", "--workers", "2"]
        assert cli.main([*common, "--images", str(images)]) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert json.loads(capsys.readouterr().out)["images"] == count
    # 120 MB if pictures were kept; how many are decoded at the same moment is chance
    assert peaks[2] - peaks[1] < 3_000_000

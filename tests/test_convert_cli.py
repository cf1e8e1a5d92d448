"""`linnet convert` and what follows, as a user types it: the shipped network end to end, odd pictures, failures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import digits
import numpy as np
import onnxruntime
import pytest
from PIL import Image

import linnet
from linnet import cli, image
from linnet_converter import conversion

CALIBRATION = digits.FOLDER / "calibration"


def convert(*options: object) -> int:
    """`linnet convert` of the shipped network with these options; the quality is not the point here."""
    return cli.main(["convert", str(digits.ONNX), "--quality", "fast", *map(str, options)])


def refused(capsys: pytest.CaptureFixture[str], *options: object) -> str:
    """The one line that `linnet convert` says when it fails."""
    capsys.readouterr()
    assert convert(*options) == 1
    captured = capsys.readouterr()
    assert not captured.out
    lines = captured.err.splitlines()
    assert all(line.startswith("linnet: ") for line in lines)
    assert lines[-1].startswith("linnet: error: ")
    return lines[-1]


def json_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main([*map(str, arguments), "--json"]) == 0
    captured = capsys.readouterr()
    assert not captured.err
    content = json.loads(captured.out)
    assert isinstance(content, dict)
    return content


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Eight calibration pictures, enough where the accuracy is not looked at."""
    folder = tmp_path / "few"
    folder.mkdir()
    for picture in sorted(CALIBRATION.iterdir())[::8]:
        shutil.copy(picture, folder)
    return folder


def test_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, qdq = tmp_path / "digits.lnt", tmp_path / "qdq.onnx"
    converted = json_of(capsys, "convert", *digits.OPTIONS, *digits.LABELS, "-o", model, "--emit-qdq", qdq)
    assert converted["model_bytes"] == model.stat().st_size
    assert converted["input_shape"] == [64, 64, 3]
    assert (converted["classes"], converted["quality"], converted["method"]) == (10, "default", "mse")

    inspected = json_of(capsys, "inspect", model)
    assert {"arena_bytes", "model_bytes", "macs", "recomputed_macs", "ops"} <= inspected.keys()
    for key in ("arena_bytes", "model_bytes", "macs"):
        assert inspected[key] == converted[key]
    assert inspected["labels"] == 10
    assert len(inspected["ops"]) == converted["operators"]
    assert inspected["ops"][0]["kind"] == "input"

    labels = digits.TEST / "labels.csv"
    validated = json_of(
        capsys, "validate", model, "--against", digits.ONNX, "--images", digits.TEST, "--labels-csv", labels
    )
    keys = {"images", "top1_float", "top1_int8", "agreement", "sqnr_db", "cosine", "arena_bytes"}
    assert keys <= validated.keys()
    assert validated["images"] == 200
    assert validated["top1_float"] == pytest.approx(99.5)
    assert validated["top1_int8"] >= validated["top1_float"] - 1
    assert validated["agreement"] >= 99
    assert validated["sqnr_db"] >= 34
    assert validated["arena_bytes"] == converted["arena_bytes"]

    pictures = sorted(digits.TEST.glob("*.png"))[:4]
    ran = json_of(capsys, "run", model, *pictures)
    words = (digits.FOLDER / "labels.txt").read_text(encoding="utf-8").split()
    for picture, answer in zip(pictures, ran["pictures"], strict=True):
        assert answer["top"][0]["label"] == words[int(picture.stem.split("_")[1])]

    assert qdq_agreement(qdq, model) >= 0.98


def qdq_agreement(qdq: Path, path: Path) -> float:
    """Share of the test pictures for which onnxruntime, given the QDQ file, names the class that Linnet names.

    The twin takes what the network stores: pixel - 128, int8, NCHW.
    """
    session = onnxruntime.InferenceSession(str(qdq), providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    model = linnet.load(path)
    equal = []
    for picture in sorted(digits.TEST.glob("*.png")):
        pixels = image.read_image(picture)
        fed = (pixels.astype(np.int16) - 128).astype(np.int8).transpose(2, 0, 1)[None]
        answer = session.run(None, {source.name: fed})[0]
        equal.append(int(np.argmax(answer)) == int(model.run(pixels).argmax()))
    return float(np.mean(equal))


def test_converting_twice_gives_the_same_bytes(few: Path, tmp_path: Path) -> None:
    """In processes of their own, with other hash seeds, and whatever the pictures' order on disk."""
    other = tmp_path / "other"
    other.mkdir()
    for picture in sorted(few.iterdir(), reverse=True):
        shutil.copy(picture, other)
    made = []
    for seed, folder in (("1", few), ("2", other)):
        files = tmp_path / f"{seed}.lnt", tmp_path / f"{seed}.onnx"
        command = [sys.executable, "-c", "import sys; from linnet.cli import main; sys.exit(main())", "convert"]
        command += [str(digits.ONNX), "--calibrate", str(folder), "--preprocess", "torch", *digits.LABELS]
        command += ["-o", str(files[0]), "--emit-qdq", str(files[1])]
        done = subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert not done.stderr  # no progress bar where nobody is watching
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_both_methods(method: str, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json_of(
        capsys, "convert", digits.ONNX, "--quality", "fast", "--calibrate", few, "--preprocess", "torch",
        "--method", method,
        "-o", tmp_path / "m.lnt",
    )  # fmt: skip
    assert answer["method"] == method
    assert linnet.load(tmp_path / "m.lnt").labels == ()


def test_normalization_by_hand_is_that_of_its_name(few: Path, tmp_path: Path) -> None:
    named, by_hand = tmp_path / "a.lnt", tmp_path / "b.lnt"
    torch = conversion.PRESETS["torch"]
    mean, std = (",".join(map(str, values)) for values in (torch.mean, torch.std))
    assert convert("--calibrate", few, "-o", named, "--preprocess", "torch") == 0
    assert convert("--calibrate", few, "-o", by_hand, "--mean", mean, "--std", std) == 0
    assert named.read_bytes() == by_hand.read_bytes()
    details = linnet.load(named).input_details
    np.testing.assert_allclose(details.mean, torch.mean, rtol=1e-6)
    np.testing.assert_allclose(details.std, torch.std, rtol=1e-6)


def test_rows_take_less_memory_and_give_the_same() -> None:
    whole, rows = linnet.load(digits.lnt()), linnet.load(digits.lnt("--input", "rows"))
    assert rows.least_arena_bytes < whole.least_arena_bytes
    np.testing.assert_array_equal(whole.run_quantized(digits.PICTURE), rows.run_quantized(digits.PICTURE))


def test_a_file_holds_a_fast_and_a_small_plan(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both give the same bytes; --ram chooses, in every command that runs a model."""
    path = tmp_path / "digits.lnt"
    path.write_bytes(digits.lnt())
    fast = linnet.load(path)
    least, most = fast.least_arena_bytes, fast.arena_bytes
    small = linnet.load(path, ram=most - 1)
    assert [plan.arena_bytes for plan in fast.file.plans] == [most, least]
    assert small.arena_bytes == least < most
    for picture in sorted(digits.TEST.glob("*.png"))[::20]:
        np.testing.assert_array_equal(fast.run_quantized(picture), small.run_quantized(picture))
    with pytest.raises(linnet.LinnetError, match=f"needs {least} bytes of arena, 1 more than the {least - 1} allowed"):
        linnet.load(path, ram=least - 1)

    inspected = json_of(capsys, "inspect", path)
    assert [plan["arena_bytes"] for plan in inspected["plans"]] == [most, least]
    assert (inspected["arena_bytes"], inspected["fastest_arena_bytes"]) == (least, most)
    assert inspected["steps"] == inspected["plans"][1]["steps"] > inspected["plans"][0]["steps"]
    tall = json_of(capsys, "inspect", path, "--ram", "1M")
    assert (tall["arena_bytes"], tall["steps"]) == (most, tall["plans"][0]["steps"])
    assert cli.main(["inspect", str(path)]) == 0
    assert f"({most:,} bytes), smallest: " in capsys.readouterr().out
    assert json_of(capsys, "bench", path, "--runs", "5", "--ram", str(least))["arena_bytes"] == least
    ran = [json_of(capsys, "run", path, digits.PICTURE, "--ram", ram) for ram in ("1M", str(least))]
    assert ran[0]["pictures"][0]["top"] == ran[1]["pictures"][0]["top"]
    assert cli.main(["run", str(path), str(digits.PICTURE), "--ram", "1K"]) != 0

    one = ["convert", digits.ONNX, "--quality", "fast", "--calibrate", few, "--preprocess", "torch", "--ram", "1M"]
    assert len(json_of(capsys, *one, "-o", tmp_path / "one.lnt")["plans"]) == 1
    assert len(linnet.load(tmp_path / "one.lnt").file.plans) == 1


# ---------------------------------------------------------------------------------------------- pictures


def test_odd_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Grey, alpha, CMYK, palette, 16 bits, another size: all calibrate, and are classified as what they show."""
    model = tmp_path / "digits.lnt"
    model.write_bytes(digits.lnt())
    colour = Image.open(digits.PICTURE)
    grey = colour.convert("L")
    deep = np.asarray(grey).astype(np.uint16) * 257
    odd = tmp_path / "odd"
    odd.mkdir()
    grey.save(odd / "grey.png")
    colour.convert("RGBA").save(odd / "alpha.png")
    Image.merge("LA", (grey, Image.new("L", grey.size, 255))).save(odd / "grey_alpha.png")
    colour.convert("CMYK").save(odd / "cmyk.jpg", quality=95)
    colour.quantize(64).save(odd / "palette.png")
    Image.fromarray(deep).save(odd / "deep.png")
    colour.resize((200, 100)).save(odd / "wide.png")
    colour.resize((640, 640), Image.Resampling.BICUBIC).save(odd / "large.bmp")
    colour.save(odd / "jpeg.JPG", quality=95)
    grey.save(odd / "grey.pgm")
    np.save(odd / "array.npy", np.asarray(colour))

    ran = json_of(capsys, "run", model, *sorted(path for path in odd.iterdir() if path.name != "wide.png"))
    assert [answer["top"][0]["label"] for answer in ran["pictures"]] == ["two"] * 10
    assert convert("--calibrate", odd, "--preprocess", "torch", "-o", tmp_path / "odd.lnt") == 0
    assert not capsys.readouterr().err


def test_unreadable_pictures_are_named(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean, output = tmp_path / "clean.lnt", tmp_path / "m.lnt"
    assert convert("--calibrate", few, "--preprocess", "torch", "-o", clean) == 0
    (few / "0_broken.png").write_bytes(b"no picture")
    (few / "1_cut.png").write_bytes(digits.PICTURE.read_bytes()[:-400])
    (few / "readme.txt").write_text("no picture by its name")
    capsys.readouterr()
    assert convert("--calibrate", few, "--preprocess", "torch", "-o", output) == 0
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 2
    assert warnings[0].startswith(f"linnet: warning: skipped {few / '0_broken.png'}: ")
    assert warnings[1].startswith(f"linnet: warning: skipped {few / '1_cut.png'}: ")
    assert output.read_bytes() == clean.read_bytes()


# ---------------------------------------------------------------------------------------------- what goes wrong


def test_calibration_folders_that_will_not_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "m.lnt"
    common = ["--preprocess", "torch", "-o", output]
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    (broken / "a.png").write_bytes(b"no picture")
    assert "none: no such folder" in refused(capsys, "--calibrate", tmp_path / "none", *common)
    assert "no such folder" in refused(capsys, "--calibrate", digits.PICTURE, *common)
    assert "empty: no picture in this folder" in refused(capsys, "--calibrate", empty, *common)
    assert "none of the 1 pictures could be read" in refused(capsys, "--calibrate", broken, *common)
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say what the network was trained on: --preprocess torch, keras or none"),
        (["--mean", "0"], "both --mean and --std"),
        (["--std", "255"], "both --mean and --std"),
        (["--preprocess", "torch", "--mean", "0", "--std", "1"], "either --preprocess, or both"),
        (["--mean", "0,1", "--std", "1"], "mean has 2 values, the network's input has 3 channels"),
        (["--mean", "0", "--std", "1,0,1"], "std greater than zero"),
        (["--mean", "nan", "--std", "1"], "must be finite"),
    ],
)
def test_preprocessing_must_be_told(
    options: list[str], message: str, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "m.lnt"
    assert message in refused(capsys, "--calibrate", few, "-o", output, *options)
    assert not output.exists()


def test_labels_must_be_as_many_as_classes(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, labels = tmp_path / "m.lnt", tmp_path / "labels.txt"
    common = ["--calibrate", few, "--preprocess", "torch", "-o", output, "--labels", labels]
    assert "labels.txt: No such file" in refused(capsys, *common)
    labels.write_text("\n".join("abcdefghi"))
    assert "9 labels for 10 classes" in refused(capsys, *common)
    labels.write_bytes(b"\xff\n" * 10)
    assert "is not UTF-8" in refused(capsys, *common)
    assert not output.exists()
    labels.write_text("".join(f"class {i} é\r\n" for i in range(10)) + "\n\n", encoding="utf-8")
    assert convert(*common) == 0
    assert linnet.load(output).labels == tuple(f"class {i} é" for i in range(10))


def test_networks_that_are_none(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "m.lnt"
    wrong = tmp_path / "wrong.onnx"
    common = ["--calibrate", str(few), "--preprocess", "torch", "-o", str(output)]
    for content in (b"", b"something else", digits.ONNX.read_bytes()[:-1000], digits.PICTURE.read_bytes()):
        wrong.write_bytes(content)
        capsys.readouterr()
        assert cli.main(["convert", str(wrong), *common]) == 1
        message = capsys.readouterr().err
        assert message.startswith("linnet: error: ")
        assert "wrong.onnx" in message
        assert message.count("\n") == 1
    for path in (tmp_path / "none.onnx", tmp_path):
        assert cli.main(["convert", str(path), *common]) == 1
        message = capsys.readouterr().err
        assert message.startswith(f"linnet: error: {path}: ")
        assert message.count("\n") == 1
    assert not output.exists()


def test_a_failed_conversion_leaves_what_was_there(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    output = folder / "m.lnt"
    output.write_bytes(b"older")
    (few / "labels.txt").write_text("one label")
    common = ["--calibrate", few, "-o", output]
    refused(capsys, *common)
    refused(capsys, *common, "--preprocess", "torch", "--labels", few / "labels.txt")
    refused(capsys, "--calibrate", tmp_path / "none", "--preprocess", "torch", "-o", output)
    assert output.read_bytes() == b"older"
    assert list(folder.iterdir()) == [output]
    missing = tmp_path / "none/m.lnt"
    assert "cannot be written" in refused(capsys, "--calibrate", few, "--preprocess", "torch", "-o", missing)


@pytest.mark.parametrize("older", [None, b"older"], ids=["nothing", "older"])
def test_an_interrupted_conversion_leaves_what_was_there(older: bytes | None, tmp_path: Path) -> None:
    """Ctrl-C while it calibrates: quiet, status 130, no output and no temporary file."""
    folder, slow = tmp_path / "out", tmp_path / "slow"
    folder.mkdir()
    slow.mkdir()
    output = folder / "m.lnt"
    if older is not None:
        output.write_bytes(older)
    (slow / "0.png").write_bytes(b"no picture: its warning shows that calibration has begun")
    for i in range(20000):  # links to one picture: minutes of work
        (slow / f"{i + 1}.png").symlink_to(digits.PICTURE)
    # A test that a shell runs in the background inherits an ignored SIGINT.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heed}; import sys; from linnet.cli import main; sys.exit(main())", "convert"]
    command += [str(digits.ONNX), "--calibrate", str(slow), "--preprocess", "torch", "-o", str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "skipped" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (130, "", "")
    assert [path.read_bytes() for path in folder.iterdir()] == ([] if older is None else [older])

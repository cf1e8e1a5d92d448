"""The command line over networks quantized by others."""

from __future__ import annotations

import json
from pathlib import Path

import hard_networks
import onnx
import pytest
from PIL import Image
from quantized_networks import FOLDER, smooth

from linnet import cli


def test_convert_and_validate_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ai_edge_litert", reason="no TFLite interpreter: pip install ai-edge-litert")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(smooth((32, 32, 3), 5)):
        Image.fromarray(picture).save(folder / f"{number}.png")
    source, out = str(FOLDER / "v2_mean_softmax.tflite"), str(tmp_path / "m.lnt")
    assert cli.main(["convert", source, "-o", out, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["imported"] == "TFLite" and answer["input_kind"] == "pixels" and len(answer["notes"]) == 2
    assert cli.main(["validate", out, "--against", source, "--images", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["reference"] == "quantized" and answer["agreement"] == 100 and answer["sqnr_db"] > 20
    assert cli.main(["validate", out, "--against", source, "--images", str(folder), "--operators", "--json"]) == 0
    operators = json.loads(capsys.readouterr().out)["operators"]
    assert len(operators) == 17 and max(operator["largest"] for operator in operators) <= 1
    assert cli.main(["validate", out, "--against", source, "--images", str(folder), "--operators"]) == 0
    assert "within one step: 17 of 17" in capsys.readouterr().out


def test_qdq_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = str(FOLDER / "pt2e_xnnpack.onnx"), str(tmp_path / "m.lnt")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(smooth((32, 32, 3), 5)):
        Image.fromarray(picture).save(folder / f"{number}.png")
    assert cli.main(["convert", source, "-o", out, "--mean", "127.5", "--std", "40"]) == 0
    text = capsys.readouterr().out
    assert "QDQ ONNX" in text and "put on the file's grid" in text
    assert cli.main(["validate", out, "--against", source, "--images", str(folder)]) == 0
    assert "same top-1 as theirs" in capsys.readouterr().out
    assert cli.main(["validate", out, "--against", source, "--images", str(folder), "--operators"]) == 0
    assert "within one step: 16 of 16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--calibrate", "."], "leave out --calibrate"),
        (["--quality", "best", "--rounding", "nearest", "--no-margin"], "leave out --rounding, --margin, --quality"),
        (["--explain", "--limit", "4"], "leave out --limit, --explain"),
        (["--tensor-input", "--preprocess", "keras"], "leave out --preprocess"),
        (["--mean", "1"], "both --mean and --std"),
    ],
)
def test_options_that_do_not_fit(
    extra: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["convert", str(FOLDER / "pt2e_xnnpack.onnx"), "-o", str(tmp_path / "m.lnt"), *extra]) != 0
    assert message in capsys.readouterr().err


def test_a_float_network_asks_for_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(hard_networks.NETWORKS["odd_sizes"](), tmp_path / "f.onnx")
    assert cli.main(["convert", str(tmp_path / "f.onnx"), "-o", str(tmp_path / "m.lnt"), "--preprocess", "keras"]) != 0
    assert "needs --calibrate" in capsys.readouterr().err

"""The shipped network, converted by the command that `make demo` runs."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from linnet import cli

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "examples/digits"
ONNX = FOLDER / "digits.onnx"
TEST = FOLDER / "test"
PICTURE = TEST / "0002_2.png"
OPTIONS = [str(ONNX), "--calibrate", str(FOLDER / "calibration"), "--preprocess", "torch"]
LABELS = ["--labels", str(FOLDER / "labels.txt")]


@functools.cache
def lnt(*options: str) -> bytes:
    """The file's bytes; options are further ones of `linnet convert`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.lnt"
        assert cli.main(["convert", *OPTIONS, *LABELS, "-o", str(path), *options]) == 0
        return path.read_bytes()

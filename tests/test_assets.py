"""MobileNetV2 1.0@224 by the command line: converted on 96 pictures, held against its float original on 404 others.

docs/results.md has the commands and the figures that they print; test_accuracy.py has the other networks. Agreement is
in percent, SQNR of the logits in dB. One of the 404 pictures is a quarter of a point.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.assets

COMMAND = """
import resource, sys
from linnet.cli import main
status = main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


@dataclass(frozen=True)
class Network:
    """A file in models/, how it is fed, and what its int8 version must reach."""

    name: str
    preprocess: tuple[str, ...]
    agreement: float
    sqnr_db: float
    label_offset: int | None = None
    """Added to the classes in labels.csv; None where they mean nothing to the network."""


MOBILENET_V2 = Network("mobilenet_v2_1.0_224_imagenet", ("--preprocess", "keras"), 97.5, 24.0, 1)
"""The demands on Linnet; onnxruntime's own static quantization (QDQ, per channel, MinMax) reaches 97.77 and 21.59."""


def linnet_command(*arguments: object) -> tuple[dict[str, Any], float]:
    """What a command prints as JSON, and the most memory that it took, in GB."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, arguments), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), int(done.stderr.splitlines()[-1]) * 1024 / 1e9


def measure(network: Network, assets: Path, folder: Path) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Results of convert and validate, and the memory that convert took."""
    source, model = assets / f"models/{network.name}.onnx", folder / f"{network.name}.lnt"
    pictures = assets / "imagenet"
    converted, gigabytes = linnet_command(
        "convert", source, "-o", model, "--calibrate", pictures / "calibration", *network.preprocess
    )
    options: list[object] = []
    if network.label_offset is not None:
        options = ["--labels-csv", pictures / "eval/labels.csv", "--label-offset", network.label_offset]
    validated, _ = linnet_command("validate", model, "--against", source, "--images", pictures / "eval", *options)
    assert (validated["images"], validated["skipped"]) == (404, 0)
    print(f"{network.name}: {validated}")
    return converted, validated, gigabytes


def test_mobilenet_v2(assets: Path, tmp_path: Path) -> None:
    converted, validated, gigabytes = measure(MOBILENET_V2, assets, tmp_path)
    assert validated["agreement"] >= MOBILENET_V2.agreement
    assert validated["sqnr_db"] >= MOBILENET_V2.sqnr_db
    assert validated["top1_float"] == pytest.approx(84.41, abs=0.3)
    assert validated["top1_int8"] >= validated["top1_float"] - 1
    assert converted["macs"] == 300_775_552
    assert converted["arena_bytes"] <= 210_000  # layer by layer it would be 1.5 million
    assert gigabytes < 4

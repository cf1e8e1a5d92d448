"""The real networks: converted by the default method on 96 pictures, held against their float originals on 404 others.

docs/results.md has the commands and the figures that they print. Bounds that name onnxruntime are its own static int8
quantization (QDQ, per channel, MinMax) of the same network, measured on the same pictures: agreement with float in
percent, SQNR of the logits in dB. One of the 404 pictures is a quarter of a point.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linnet

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


MOBILENET_V2 = Network("mobilenet_v2_1.0_224_imagenet", ("--preprocess", "keras"), 97.5, 22.0, 1)
"""The demands on Linnet; onnxruntime reaches 97.77 and 21.59."""

UNDER_ORT = (1.0, 0.5)
"""How far under onnxruntime the other networks may be, in points of agreement and in dB."""

OTHERS = [
    # agreement and SQNR of onnxruntime
    Network("mobilenet_v1_0.25_224_imagenet", ("--preprocess", "keras"), 77.48, 12.91, 0),
    Network("mobilenet_v2_0.5_128_person", ("--preprocess", "keras"), 99.50, 22.83),
    Network("mobilenet_v1_0.25_96_vww", ("--mean", "0", "--std", "255"), 97.52, 23.98),
]


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
    assert converted["seconds"] < 90
    assert gigabytes < 4

    model = linnet.load(tmp_path / f"{MOBILENET_V2.name}.lnt")
    picture = np.zeros(model.input_details.shape, np.uint8)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        model.run(picture)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.150


@pytest.mark.parametrize("network", OTHERS, ids=lambda network: network.name)
def test_others_stand_beside_onnxruntime(network: Network, assets: Path, tmp_path: Path) -> None:
    _, validated, _ = measure(network, assets, tmp_path)
    assert validated["agreement"] >= network.agreement - UNDER_ORT[0]
    assert validated["sqnr_db"] >= network.sqnr_db - UNDER_ORT[1]
    if network.label_offset is None:
        assert validated["top1_float"] is None

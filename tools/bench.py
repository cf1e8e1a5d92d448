"""Reproduce every time that the README and docs/performance.md state, by the commands that anyone can give.

Prints each command, after how many seconds it began, and what it answers. With LINNET_ASSETS the large network is the
real one, and LiteRT and tflite-runtime run its TFLite file; without, it has random weights, which take as long, and
there is no TFLite file. tflite-runtime is measured where build/tflite is an environment that has it (docs/bench.md).

Usage: bench.py [--runs N] [--threads 1,2] [--plans]   (--plans: the plans too)
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import linnet

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("build/bench")
TFLITE_PYTHON = Path("build/tflite/bin/python")
LINNET = ".venv/bin/linnet"
STARTED = time.monotonic()


@dataclass(frozen=True)
class Network:
    """What is measured. tflite: the same network as a TFLite file, if there is one."""

    name: str
    onnx: Path
    calibration: Path
    tflite: Path | None = None

    @property
    def model(self) -> Path:
        return FOLDER / f"{self.name}.lnt"


def say(text: str) -> None:
    print(text, flush=True)


def run(*command: object, quiet: bool = False) -> None:
    """Print a command and run it. Ends this script where it fails."""
    words = [str(word) for word in command]
    if not quiet:
        say(f"\n[{time.monotonic() - STARTED:.0f} s]\n$ {shlex.join(words)}")
    done = subprocess.run(words, cwd=ROOT, check=False, stdout=sys.stderr if quiet else None)
    if done.returncode:
        sys.exit(done.returncode)


def seeded(width: float, size: int, classes: int) -> Network:
    """A network of `linnet arch`, to be calibrated on noise: neither changes the time."""
    from PIL import Image

    name = f"mobilenet_v2_{width}_{size}"
    onnx, noise = FOLDER / f"{name}.onnx", FOLDER / f"noise_{size}"
    (ROOT / noise).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for i in range(4):
        pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(ROOT / noise / f"{i}.png")
    shape = ["--width", width, "--size", size, "--classes", classes]
    run(LINNET, "arch", "mobilenet_v2", *shape, "-o", onnx, quiet=True)
    return Network(name, onnx, noise)


def networks() -> list[Network]:
    assets = os.environ.get("LINNET_ASSETS")
    if assets:
        folder = Path(assets).resolve()
        large = Network(
            "v2",
            folder / "models/mobilenet_v2_1.0_224_imagenet.onnx",
            folder / "imagenet/calibration",
            folder / "models/tf2_mobilenet_v2_1.0_224_ptq.tflite",
        )
    else:
        say("LINNET_ASSETS is not set: MobileNetV2 1.0 has random weights, and there is no TFLite file of it")
        large = seeded(1.0, 224, 1001)
    return [large, seeded(0.35, 128, 5)]


def bench(network: Network, threads: str, runs: int) -> None:
    """The best kernels beside all peers; then each family alone."""
    calibration = ["--calibrate", network.calibration, "--preprocess", "keras"]
    run(LINNET, "convert", network.onnx, "-o", network.model, *calibration, "--quality", "fast", quiet=True)
    peers, options = ["onnxruntime"], ["--against", network.onnx]
    if network.tflite is not None:
        peers.append("litert")
        options += ["--tflite", network.tflite]
        if (ROOT / TFLITE_PYTHON).exists():
            peers.append("tflite-runtime")
            options += ["--peer-python", f"tflite-runtime={TFLITE_PYTHON}"]
    svg = FOLDER / f"{network.name}.svg"
    common = [LINNET, "bench", network.model, "--runs", runs]
    run(*common, "--threads", threads, "--peers", ",".join(peers), *options, "--svg", svg)
    for family in linnet.kernel_families()[1:]:
        run(*common[:-1], 10 if family == "ref" else runs, "--kernels", family, "--threads", threads, "--totals")


def main() -> None:
    parser = argparse.ArgumentParser(description="Reproduce the times of the README and of docs/performance.md.")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--plans", action="store_true", help="compare plans too: layer by layer, rings, strips")
    options = parser.parse_args()
    for network in networks():
        bench(network, options.threads, options.runs)
    if options.plans:
        for family in dict.fromkeys((linnet.kernel_families()[0], "ref")):
            runs = 10 if family == "ref" else 30
            for width, size in ((1.0, 224), (0.35, 96)):
                shape = ["--width", width, "--size", size]
                run(".venv/bin/python", "tools/bench_plans.py", *shape, "--kernels", family, "--runs", runs)
        run(".venv/bin/python", "tools/separable.py", "--runs", 30)
        run(".venv/bin/python", "tools/waiting.py", "--heights", 8, 32, "--runs", 200)


if __name__ == "__main__":
    main()

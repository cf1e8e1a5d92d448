"""Time one inference of MobileNetV2 on this machine, through the Python package.

The network has seeded weights and is calibrated on noise: neither changes the time. Usage: bench.py [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CLASSES = 1000


def make_model(folder: Path, width: float, size: int) -> Path:
    """Write the network into folder."""
    stem = f"mobilenet_v2_{width}_{size}"
    onnx, model, pictures = folder / f"{stem}.onnx", folder / f"{stem}.lnt", folder / f"noise_{size}"
    from PIL import Image

    pictures.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for i in range(4):
        pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"{i}.png")
    linnet = Path(sys.executable).with_name("linnet")
    shape = ["--width", str(width), "--size", str(size), "--classes", str(CLASSES)]
    subprocess.run([linnet, "arch", "mobilenet_v2", *shape, "-o", onnx], check=True)
    subprocess.run(
        [linnet, "convert", onnx, "-o", model, "--calibrate", pictures, "--preprocess", "keras"],
        check=True,
        stdout=sys.stderr,
    )
    return model


def measure(path: Path, size: int, runs: int) -> list[float]:
    """Milliseconds of each run, after one that warms the caches."""
    import linnet

    model = linnet.load(path)
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        model.run(picture)
        times.append(1000 * (time.perf_counter() - start))
    return times[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one inference of MobileNetV2 on this machine.")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--model", type=Path, help="time this .lnt file instead (give its --size)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a line")
    options = parser.parse_args()

    path = options.model or make_model(ROOT / "build/bench", options.width, options.size)
    times = measure(path, options.size, options.runs)
    result = {"model": path.stem, "runs": options.runs, "median_ms": statistics.median(times), "min_ms": min(times)}
    if options.json:
        print(json.dumps(result))
    else:
        print("{model}: median {median_ms:.1f} ms, best {min_ms:.1f} ms of {runs} runs".format(**result))


if __name__ == "__main__":
    main()

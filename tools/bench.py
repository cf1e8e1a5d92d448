"""Time one inference of MobileNetV2 on this machine, through the Python package.

The network has seeded weights and is calibrated on noise: neither changes the time. Usage: bench.py [--json]

With --plans: the same network under different plans, one inference of each in turn, in processor time of the thread,
as ratios to running layer by layer (the median of the turns' ratios).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from linnet_converter.plan import Plan
    from linnet_converter.qgraph import QGraph

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


@dataclass(frozen=True)
class PlanTime:
    """How one plan did. ratio: of its time to that of layer by layer, in the same turn; the median over the turns."""

    plan: str
    arena_bytes: int
    steps: int
    extra_macs: int
    median_ms: float
    min_ms: float
    ratio: float


def network(width: float, size: int) -> QGraph:
    """MobileNetV2 with unit ranges in place of calibration."""
    from linnet_converter import arch, onnx_reader, quantize
    from linnet_converter.quantize import Preprocessing

    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(arch.mobilenet_v2(width, size, CLASSES).SerializeToString())
        file.flush()
        graph = onnx_reader.read(Path(file.name))
    return quantize.quantize(graph, dict.fromkeys(graph.shapes, (-1.0, 1.0)), Preprocessing((127.5,) * 3, (127.5,) * 3))


def plans(graph: QGraph) -> dict[str, Plan]:
    """The plans that are compared; the first is what the others are held against."""
    from linnet_converter.planner import Planner, plan_layer_by_layer

    found = {"layer by layer": plan_layer_by_layer(graph)}
    for height in (1, 2, 4, 8, 16):
        found[f"rings, {height} rows a step"] = Planner(graph, strip_height=height, strips=False).smallest()
    planner = Planner(graph)
    found["strips of columns"] = planner.smallest()
    found["strips, recomputing"] = planner.smallest(recompute=True)
    found["rows pushed, strips"] = Planner(graph, push_rows=True).smallest()
    return found


def measure_plans(graph: QGraph, runs: int) -> list[PlanTime]:
    import linnet
    from linnet_converter import lnt_file
    from linnet_converter.planner import extra_macs

    compared = plans(graph)
    models = [linnet.load(lnt_file.write(graph, [plan])) for plan in compared.values()]
    picture = np.random.default_rng(0).integers(0, 256, graph.tensors[0].shape, dtype=np.uint8)
    answer = models[0].run_quantized(picture)
    times = np.empty((runs, len(models)))
    for turn in times:
        for i, model in enumerate(models):
            start = time.thread_time()
            computed = model.run_quantized(picture)
            turn[i] = 1000 * (time.thread_time() - start)
            assert np.array_equal(computed, answer)
    ratios = np.median(times / times[:, :1], axis=0)
    return [
        PlanTime(
            plan=name,
            arena_bytes=plan.arena_bytes,
            steps=len(plan.steps),
            extra_macs=extra_macs(graph, plan),
            median_ms=float(np.median(times[:, i])),
            min_ms=float(times[:, i].min()),
            ratio=float(ratios[i]),
        )
        for i, (name, plan) in enumerate(compared.items())
    ]


def print_plans(options: argparse.Namespace) -> None:
    from linnet.report import table, to_json

    graph = network(options.width, options.size)
    measured = measure_plans(graph, options.runs)
    if options.json:
        print(
            to_json({"network": f"mobilenet_v2_{options.width}_{options.size}", "plans": [vars(m) for m in measured]})
        )
        return
    rows = [
        (
            m.plan,
            f"{m.arena_bytes:,}",
            f"{m.steps:,}",
            f"{m.extra_macs / 1e6:.1f}",
            f"{m.median_ms:.1f} ms",
            f"{m.min_ms:.1f} ms",
            f"{m.ratio:.3f}",
        )
        for m in measured
    ]
    print(table(rows, ("plan", "arena", "steps", "more MACs, M", "median", "best", "ratio")))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one inference of MobileNetV2 on this machine.")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--model", type=Path, help="time this .lnt file instead (give its --size)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a line")
    parser.add_argument("--plans", action="store_true", help="compare plans instead: layer by layer, rings, strips")
    options = parser.parse_args()

    if options.plans:
        print_plans(options)
        return
    path = options.model or make_model(ROOT / "build/bench", options.width, options.size)
    times = measure(path, options.size, options.runs)
    result = {"model": path.stem, "runs": options.runs, "median_ms": statistics.median(times), "min_ms": min(times)}
    if options.json:
        print(json.dumps(result))
    else:
        print("{model}: median {median_ms:.1f} ms, best {min_ms:.1f} ms of {runs} runs".format(**result))


if __name__ == "__main__":
    main()

"""Time the same network under different plans: layer by layer, rings, strips.

One inference of each in turn, in processor time of the thread, as ratios to running layer by layer (the median of the
turns' ratios). The network has seeded weights: they do not change the time.

Usage: bench_plans.py [--width W] [--size S] [--kernels FAMILY] [--json]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from linnet_converter.plan import Plan
    from linnet_converter.qgraph import QGraph

CLASSES = 1000


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


def measure_plans(graph: QGraph, runs: int, kernels: str | None) -> list[PlanTime]:
    import linnet
    from linnet_converter import lnt_file
    from linnet_converter.planner import extra_macs

    compared = plans(graph)
    models = [linnet.load(lnt_file.write(graph, [plan]), kernels=kernels) for plan in compared.values()]
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


def main() -> None:
    parser = argparse.ArgumentParser(description="Time MobileNetV2 under different plans.")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--kernels", help="the kernel family (default: the best of this processor)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()

    from linnet.report import table, to_json

    graph = network(options.width, options.size)
    measured = measure_plans(graph, options.runs, options.kernels)
    name = f"mobilenet_v2_{options.width}_{options.size}"
    if options.json:
        print(to_json({"network": name, "plans": [vars(m) for m in measured]}))
        return
    rows = [
        (
            m.plan,
            f"{m.arena_bytes:,}",
            f"{m.steps:,}",
            f"{m.extra_macs / 1e6:.1f}",
            f"{m.median_ms:.2f} ms",
            f"{m.min_ms:.2f} ms",
            f"{m.ratio:.3f}",
        )
        for m in measured
    ]
    print(table(rows, ("plan", "arena", "steps", "more MACs, M", "median", "best", "ratio")))


if __name__ == "__main__":
    main()

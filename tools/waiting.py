"""How much of the time threads wait for one another, by the height of a plan's steps.

MobileNetV2 with seeded weights, in plans of rings whose steps are so many rows tall, and in strips of columns, is run
by waiting.c with one thread and with several in turn. Each step's quickest run counts, so that other work on
the machine does not. Usage: waiting.py [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import bench_plans

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build_support"))

from linnet_clib import KERNELS, ROOT, compiler, host_sources, sources


def build(folder: Path) -> Path:
    """Compile waiting.c with the library."""
    command = compiler()
    if command is None:
        sys.exit("no C compiler: set CC, or `apt install gcc`")
    session = ROOT / "boards/linnet_run"
    flags = [
        "-std=c11",
        "-O3",
        "-pthread",
        *(f"-I{folder}" for folder in (KERNELS / "include", KERNELS / "src", session)),
    ]
    files = [ROOT / "tools/waiting.c", session / "session.c", *sources(), *host_sources()]
    subprocess.run([*command, *flags, *files, "-o", folder / "waiting"], check=True)
    return folder / "waiting"


def measure(program: Path, model: Path, threads: int, runs: int, kernels: str | None) -> dict[str, Any]:
    """What the program prints, and shares of all threads' time in percent.

    waiting: inside steps that are shared. alone: while one thread worked on steps that are not.
    """
    command = [str(program), str(model), str(threads), str(runs), *([kernels] if kernels else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    whole = threads * found["ns"]
    found["waiting_percent"] = 100 * found["waiting_ns"] / whole
    found["alone_percent"] = 100 * (threads - 1) * found["alone_ns"] / whole
    found["speed_up"] = found["one_thread_ns"] / found["ns"]
    return found


def main() -> None:
    from linnet.report import table, to_json
    from linnet_converter import lnt_file
    from linnet_converter.planner import Planner, plan_layer_by_layer

    parser = argparse.ArgumentParser(description="How much of the time threads wait for one another.")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--heights", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32], help="rows a step")
    parser.add_argument("--kernels", help="the kernel family (default: the best of this processor)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()

    graph = bench_plans.network(options.width, options.size)
    plans = {
        f"rings, {n} rows a step": Planner(graph, strip_height=n, strips=False).smallest() for n in options.heights
    }
    plans["layer by layer"] = plan_layer_by_layer(graph)
    plans["strips of columns"] = Planner(graph).smallest()
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        for name, plan in plans.items():
            path = Path(folder) / "model.lnt"
            path.write_bytes(lnt_file.write(graph, [plan]))
            found = measure(program, path, options.threads, options.runs, options.kernels)
            measured.append({"plan": name, "arena_bytes": plan.arena_bytes, **found})
    if options.json:
        print(to_json({"network": f"mobilenet_v2_{options.width}_{options.size}", "plans": measured}))
        return
    rows = [
        (
            m["plan"],
            f"{m['arena_bytes']:,}",
            f"{m['steps_shared']:,} of {m['steps']:,}",
            f"{m['one_thread_ns'] / 1e6:.2f} ms",
            f"{m['ns'] / 1e6:.2f} ms",
            f"{m['speed_up']:.2f}",
            f"{m['waiting_percent']:.1f} %",
            f"{m['alone_percent']:.1f} %",
        )
        for m in measured
    ]
    threads = f"{options.threads} threads"
    print(table(rows, ("plan", "arena", "steps shared", "1 thread", threads, "speed-up", "waiting", "alone")))


if __name__ == "__main__":
    main()

"""`linnet plan`: how small the arena of a network gets, and at what price."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linnet.errors import LinnetError
from linnet.files import write_atomic
from linnet.report import human_bytes, table, to_json
from linnet_converter.commands import add_input, board_budget, pushes_rows

if TYPE_CHECKING:
    from linnet_converter.plan import Plan
    from linnet_converter.qgraph import QGraph

HELP = "show the arena against recomputed MACs: the plans that a network can have"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a float network (.onnx, no calibration needed) or a .lnt file")
    add_input(parser)
    parser.add_argument(
        "--board",
        metavar="NAME",
        help="with the scratch of this board's kernels (linnet boards), and which plan it is given",
    )
    parser.add_argument("--svg", metavar="FILE", help="also draw the curve")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from linnet_converter import budget, fusion
    from linnet_converter.planner import Planner

    limit = board_budget(args.board) if args.board else budget.NO_BUDGET
    graph = read(Path(args.model))
    push_rows = pushes_rows(args.input, limit)
    kernels = limit.kernels(graph)
    plans = Planner(graph, push_rows=push_rows, kernels=kernels).curve()
    report = {"model": args.model, "input": "rows" if push_rows else "whole", **describe(graph, plans), "board": None}
    if args.board:
        given = budget.choose(graph, limit, push_rows=push_rows, kernels=kernels)
        report["board"] = {
            "name": args.board,
            "ram_bytes": limit.ram,
            "arena_bytes": given.arena_bytes,
            "steps": len(given.steps),
            "extra_percent": fusion.extra_percent(graph, given),
        }
    if args.svg:
        name = f"{Path(args.model).name}, {'rows pushed' if push_rows else 'picture in RAM'}"
        write_atomic(args.svg, str(fusion.draw_curve(name, graph, plans)).encode())
    print(to_json(report) if args.json else _text(report))
    return 0


def read(path: Path) -> QGraph:
    """The network to plan for; of an ONNX file only the shapes count."""
    from linnet_converter import lnt_file, onnx_reader, quantize

    if path.suffix.lower() == ".onnx":
        return quantize.shapes_only(onnx_reader.read(path))
    try:
        return lnt_file.read(path.read_bytes())[0]
    except OSError as error:
        raise LinnetError(f"{path}: {error.strerror or error}") from error
    except LinnetError as error:
        raise LinnetError(f"{path}: {error}") from error


def describe(graph: QGraph, plans: list[Plan]) -> dict[str, Any]:
    """What `linnet plan --json` prints of the network and its plans, largest arena first.

    extra_macs: of rows computed more than once; macs counts each row once.  stretches: runs of operators whose steps
    take turns, with the tensors that are strips and the operators that compute rows again (docs/planner.md).
    """
    from linnet_converter import fusion
    from linnet_converter.planner import extra_macs
    from linnet_converter.qgraph import macs

    points = []
    for plan in plans:
        stretches = [
            {
                "first": graph.ops[stretch.first].name,
                "last": graph.ops[stretch.last].name,
                "operators": stretch.operators,
                "strips": [graph.tensors[tensor].name for tensor in stretch.strips],
                "recomputed": [graph.ops[op].name for op in stretch.recomputed],
            }
            for stretch in fusion.stretches(graph, plan)
        ]
        points.append(
            {
                "arena_bytes": plan.arena_bytes,
                "extra_macs": extra_macs(graph, plan),
                "extra_percent": fusion.extra_percent(graph, plan),
                "steps": len(plan.steps),
                "stretches": stretches,
            }
        )
    return {
        "family": plans[0].family.name,
        "operators": len(graph.ops),
        "macs": sum(macs(graph, op) for op in graph.ops),
        "plans": points,
    }


def _text(report: dict[str, Any]) -> str:
    rows = []
    for plan in report["plans"]:
        arena, extra = f"{plan['arena_bytes']:,}", f"{plan['extra_percent']:.1f} %"
        for stretch in [stretch for stretch in plan["stretches"] if stretch["operators"] > 1]:
            fused = f"{stretch['first']} .. {stretch['last']}"
            again = ", ".join(stretch["recomputed"])
            rows.append((arena, extra, fused, stretch["operators"], len(stretch["strips"]), again))
            arena = extra = ""
        if arena:
            rows.append((arena, extra, "nothing", 0, 0, ""))
    title = (
        f"{report['model']}: plans for {report['family']}, {report['macs']:,} MACs in {report['operators']} operators, "
        + ("rows pushed" if report["input"] == "rows" else "picture in RAM")
    )
    least = min(plan["arena_bytes"] for plan in report["plans"])
    columns = ("arena", "more MACs", "fused", "operators", "strips", "computed again")
    lines = [
        title,
        "",
        table(rows, columns),
        "",
        f"smallest arena {human_bytes(least)}; other operators run one by one",
    ]
    if board := report["board"]:
        lines.append(
            f"{board['name']} is given {board['arena_bytes']:,} bytes of its {board['ram_bytes']:,}: {board['steps']} "
            f"steps, {board['extra_percent']:.1f} % more MACs"
        )
    return "\n".join(lines)

"""`linnet inspect`: what each operator costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linnet.files import write_atomic
from linnet.format_gen import OpKind
from linnet.report import human_bytes, table, to_json
from linnet.sizes import size
from linnet_converter.commands import arenas, planned

if TYPE_CHECKING:
    from linnet_converter.plan import Plan
    from linnet_converter.qgraph import QGraph, QOp

HELP = "show operators, MACs, weight and arena bytes of a .lnt file, and draw its plan"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M.lnt", help="the model file")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw who lives where in the arena, step by step")
    parser.add_argument(
        "--ram",
        type=size,
        metavar="SIZE",
        help="show the plan that is run with so much RAM, such as 128K (default: the smallest)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    import linnet
    from linnet_converter import lnt_file, timeline

    data = Path(args.model).read_bytes()
    model = linnet.load(args.model)
    # checks the file in full, with this plan: what follows may trust it
    model = linnet.load(args.model, ram=model.least_arena_bytes if args.ram is None else args.ram)
    graph, plans = lnt_file.read(data)
    plan = next(plan for plan in plans if plan.arena_bytes == model.arena_bytes)
    whole = planned(graph, plans)
    report = {"model": args.model, "model_bytes": len(data), **whole, **inspect(graph, plan)}
    if args.svg:
        shape = "x".join(map(str, report["input_shape"]))
        title = f"{Path(args.model).name}: {shape} {report['input_kind']}, plan for {report['family']}"
        write_atomic(args.svg, timeline.draw(graph, plan, title).encode())
    print(to_json(report) if args.json else _text(report, whole))
    return 0


def inspect(graph: QGraph, plan: Plan) -> dict[str, Any]:
    """What `linnet inspect --json` prints, less the file's name and length.

    weight_bytes of an operator: weights, biases, multipliers, pad values, tables.  arena_bytes: the place of its
    output, and of the sums of an average pool. Operators may share memory: arena_bytes of the whole is less than their
    sum.  ring_rows: rows of its output that are held at a time, of a strip tensor those that are kept between steps;
    strip_columns: how many columns of its reader a strip serves.  recomputed_macs: of rows that the plan computes more
    than once; macs counts each row once.  timeline: where each tensor lives, and from which step to which.
    """
    from linnet_converter.planner import extra_macs, strips_in
    from linnet_converter.qgraph import macs
    from linnet_converter.timeline import residents

    strips = strips_in(graph, plan)
    living = residents(graph, plan)
    rows = {resident.tensor: resident.rows for resident in living}
    held = {resident.tensor: resident.bytes for resident in living}
    ops: list[dict[str, Any]] = []
    for index, op in enumerate(graph.ops):
        count = macs(graph, op)
        output = graph.tensors[op.output]
        placement = plan.placements[op.output]
        ops.append(
            {
                "index": index,
                "name": op.name,
                "kind": op.kind.name,
                "input_shape": list(graph.tensors[op.inputs[0]].shape) if op.inputs else None,
                "output_shape": list(output.shape),
                "macs": count,
                "weight_bytes": weight_bytes(op),
                "arena_bytes": sum(held.get(tensor, 0) for tensor in (op.output, op.state) if tensor is not None),
                "rows": rows.get(op.output, ""),
                "layout": placement.layout.name,
                "ring_rows": placement.rows,
                "strip_columns": strips[op.output].columns if op.output in strips else None,
            }
        )
    return {
        "family": plan.family.name,
        "input_kind": graph.input_kind.name,
        "input_shape": list(graph.tensors[graph.ops[0].output].shape),
        "classes": graph.output.shape[2],
        "labels": len(graph.labels),
        "arena_bytes": plan.arena_bytes,
        "macs": sum(entry["macs"] for entry in ops),
        "recomputed_macs": extra_macs(graph, plan),
        "weight_bytes": sum(entry["weight_bytes"] for entry in ops),
        "steps": len(plan.steps),
        "ops": ops,
        "timeline": [
            {
                "tensor": resident.tensor,
                "name": resident.name,
                "held": resident.held.value,
                "offset": resident.offset,
                "bytes": resident.bytes,
                "first_step": resident.first_step,
                "last_step": resident.last_step,
            }
            for resident in living
        ],
        "separable_blocks": separable_blocks(graph),
    }


def weight_bytes(op: QOp) -> int:
    """Bytes of an operator's constants in the file, alignment between them not counted."""
    arrays = (op.weights, op.bias, op.multiplier, op.pad_values, op.table)
    return sum(array.nbytes for array in arrays if array is not None)


def separable_blocks(graph: QGraph) -> list[dict[str, Any]]:
    """Each depthwise convolution with the pointwise one that follows it, against one full convolution in their place.

    A full convolution of c_in to n_c channels with an f x f kernel costs h * w * f^2 * c_in * n_c; the pair costs
    h * w * c_in * (f^2 + n_c). Their ratio is 1 / n_c + 1 / f^2 ("formula"); "ratio" is that of the MACs counted.
    """
    from linnet_converter.qgraph import macs

    blocks: list[dict[str, Any]] = []
    for depthwise in graph.ops:
        if depthwise.kind != OpKind.depthwise:
            continue
        followers = [op for op in graph.ops if op.inputs[:1] == (depthwise.output,) and op.kind == OpKind.pointwise]
        for pointwise in followers:
            height, width, channels_in = graph.tensors[depthwise.output].shape
            channels_out = graph.tensors[pointwise.output].shape[2]
            taps = depthwise.kernel[0] * depthwise.kernel[1]
            pair = macs(graph, depthwise) + macs(graph, pointwise)
            full = height * width * taps * channels_in * channels_out
            blocks.append(
                {
                    "depthwise": depthwise.name,
                    "pointwise": pointwise.name,
                    "kernel": list(depthwise.kernel),
                    "channels_in": channels_in,
                    "channels_out": channels_out,
                    "separable_macs": pair,
                    "full_macs": full,
                    "ratio": pair / full,
                    "formula": 1 / channels_out + 1 / taps,
                }
            )
    return blocks


def _text(report: dict[str, Any], whole: dict[str, Any]) -> str:
    rows = [
        (
            op["name"],
            op["kind"],
            "x".join(map(str, op["output_shape"])),
            f"{op['macs']:,}",
            f"{op['weight_bytes']:,}",
            f"{op['arena_bytes']:,}",
            op["rows"],
        )
        for op in report["ops"]
    ]
    title = (
        f"{report['model']}: input {'x'.join(map(str, report['input_shape']))} {report['input_kind']}, "
        f"{report['classes']} classes, plan for {report['family']}, {report['steps']} steps"
    )
    totals = (
        f"arena  {human_bytes(report['arena_bytes'])} ({report['arena_bytes']:,} bytes; operators share it)\n"
        f"plans  {arenas(whole)}\n"
        f"file   {human_bytes(report['model_bytes'])} ({report['model_bytes']:,} bytes, "
        f"{report['weight_bytes']:,} of them weights)\n"
        f"MACs   {report['macs']:,}, and {report['recomputed_macs']:,} of rows computed again"
    )
    header = ("operator", "kind", "output", "MACs", "weights", "arena", "rows held")
    parts = [title, table(rows, header), totals]
    if report["separable_blocks"]:
        parts.append(_separable_text(report["separable_blocks"]))
    return "\n\n".join(parts)


def _separable_text(blocks: list[dict[str, Any]]) -> str:
    rows = [
        (
            block["depthwise"],
            block["pointwise"],
            "x".join(map(str, block["kernel"])),
            block["channels_out"],
            f"1/{block['channels_out']} + 1/{block['kernel'][0] * block['kernel'][1]} = {block['formula']:.4f}",
            f"{block['ratio']:.4f}",
            f"{block['separable_macs']:,}",
            f"{block['full_macs']:,}",
        )
        for block in blocks
    ]
    pair, full = (sum(block[key] for block in blocks) for key in ("separable_macs", "full_macs"))
    header = ("depthwise", "pointwise", "kernel", "n_c", "1/n_c + 1/f^2", "measured", "MACs", "as one convolution")
    return (
        "Depthwise and pointwise instead of one full convolution: cost relative to it\n\n"
        f"{table(rows, header)}\n\ntogether {pair:,} of {full:,} MACs: {100 * pair / full:.1f} %"
    )

"""`linnet convert` of a network that is quantized already."""

from __future__ import annotations

import argparse
import time

from linnet.files import write_atomic
from linnet.report import human_bytes, table, to_json
from linnet_converter import conversion, qdq
from linnet_converter.budget import Budget
from linnet_converter.commands import arenas, planned, pushes_rows
from linnet_converter.imports import convert
from linnet_converter.qgraph import macs
from linnet_converter.quantize import Preprocessing


def run(args: argparse.Namespace, preprocessing: Preprocessing | None, budget: Budget) -> int:
    """args: of `linnet convert`.  preprocessing: None where none was given."""
    started = time.perf_counter()
    labels = conversion.read_labels(args.labels) if args.labels else ()
    result = convert.convert(
        args.model,
        preprocessing,
        labels=labels,
        push_rows=pushes_rows(args.input, budget),
        tensor_input=args.tensor_input,
        budget=budget,
    )
    if args.emit_qdq:
        write_atomic(args.emit_qdq, qdq.to_onnx(result.graph).SerializeToString())
    write_atomic(args.output, result.data)
    summary = {
        "model": str(args.output),
        "model_bytes": len(result.data),
        **planned(result.graph, result.plans),
        "macs": sum(macs(result.graph, op) for op in result.graph.ops),
        "operators": len(result.graph.ops),
        "input_shape": list(result.graph.tensors[0].shape),
        "input_kind": result.graph.input_kind.name,
        "classes": result.graph.output.shape[2],
        "imported": result.source,
        "notes": list(result.notes),
        "seconds": round(time.perf_counter() - started, 2),
    }
    print(to_json(summary) if args.json else _describe(summary, result.notes))
    return 0


def _describe(summary: dict[str, object], notes: tuple[str, ...]) -> str:
    def number(key: str) -> int:
        return int(str(summary[key]))

    rows = [
        ("model", f"{summary['model']}, {human_bytes(number('model_bytes'))}"),
        ("arena", arenas(summary)),
        ("MACs", f"{number('macs') / 1e6:.2f} M in {summary['operators']} operators"),
        ("classes", str(summary["classes"])),
        ("time", f"{summary['seconds']} s"),
    ]
    return "\n".join([table(rows, ("imported", str(summary["imported"]))), "", *notes])

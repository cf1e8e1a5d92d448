"""`linnet explain`: which layer costs what."""

from __future__ import annotations

import argparse
from pathlib import Path

from linnet.errors import LinnetError
from linnet.files import write_atomic
from linnet.report import to_json

HELP = "show where a .lnt file loses accuracy against its float network, layer by layer"

PICTURES = 16
"""Pictures to measure with: dB of single layers hardly change with more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="M.lnt", help="the model file")
    parser.add_argument(
        "--against", type=Path, required=True, metavar="MODEL.onnx", help="the float network it was converted from"
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="pictures to measure with")
    parser.add_argument(
        "--limit", type=int, default=PICTURES, metavar="N", help=f"how many of them (default: {PICTURES})"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw it")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from linnet_converter import explain, explain_report, lnt_file, onnx_reader, pictures
    from linnet_converter.commands.progress import bars

    try:
        quantized, _ = lnt_file.read(args.model.read_bytes())
    except LinnetError as error:
        raise LinnetError(f"{args.model}: {error}") from error
    graph = onnx_reader.read(args.against)
    odd = explain.mismatch(graph, quantized)
    if odd:
        raise LinnetError(f"{args.model}: {odd}; was it made from {args.against}?")
    shape = quantized.tensors[quantized.ops[0].output].shape
    shown = [pixels for _, pixels in pictures.read(pictures.find(args.images, args.limit), shape)]
    result = explain.explain(graph, quantized, shown, track=bars)
    if args.svg:
        write_atomic(args.svg, explain_report.svg(result, args.model.name).encode())
    print(to_json(explain_report.as_dict(result)) if args.json else explain_report.text(result))
    return 0

"""`linnet validate`: how much int8 costs, measured on pictures."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from linnet import sizes
from linnet.report import human_bytes, table, to_json
from linnet_converter.commands import operators, positive

if TYPE_CHECKING:
    from linnet_converter import validation

HELP = "compare a .lnt file with the network it was made from, on a folder of pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M.lnt", help="the model file")
    parser.add_argument(
        "--against", required=True, metavar="MODEL.onnx|.tflite", help="the network it was converted from"
    )
    parser.add_argument("--images", required=True, metavar="DIR", help="pictures that were not used for calibration")
    parser.add_argument(
        "--labels-csv", metavar="F", help="CSV with the columns file and class_index: reports top-1, top-5"
    )
    parser.add_argument(
        "--label-offset", type=int, default=0, metavar="N", help="add N to each class_index (1: class 0 is background)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="use N pictures only, evenly spread over the names")
    parser.add_argument(
        "--operators",
        action="store_true",
        help="of an imported network: compare operator by operator, each given the interpreter's own input",
    )
    sizes.add_ram(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    import linnet
    from linnet_converter import pictures, validation

    if args.operators:
        return operators.run(args)
    model = linnet.load(args.model, ram=args.ram)
    paths = pictures.find(args.images, args.limit)
    labels = None
    if args.labels_csv is not None:
        labels = pictures.labels(args.labels_csv, args.label_offset)
        pictures.check_labels(paths, args.images, labels)
    skipped: list[str] = []

    def on_unreadable(message: str) -> None:
        skipped.append(message)
        tqdm.write(f"linnet: warning: {message}", file=sys.stderr)

    loaded = pictures.read(paths, model.input_details.shape, on_unreadable)
    progress = tqdm(loaded, total=len(paths), desc="validate", unit="picture", disable=None)  # None: not on a terminal
    result = validation.compare(model, args.against, progress, labels)
    if args.json:
        print(to_json({**asdict(result), "skipped": len(skipped)}))
    else:
        print(_text(result))
    return 0


def _text(result: validation.Validation) -> str:
    original = "float" if result.reference == "float" else "theirs"
    rows: list[tuple[str, str, str]] = []
    if result.top1_float is not None:
        rows.append(("top-1", f"{result.top1_float:.2f} %", f"{result.top1_int8:.2f} %"))
        rows.append(("top-5", f"{result.top5_float:.2f} %", f"{result.top5_int8:.2f} %"))
    lines = [
        f"{result.images} pictures",
        f"same top-1 as {original:<8}{result.agreement:.2f} %",
        f"SQNR of the logits   {result.sqnr_db:.2f} dB",
        f"cosine of the logits {result.cosine:.5f}",
        f"arena                {human_bytes(result.arena_bytes)} ({result.arena_bytes} bytes)",
    ]
    return "\n".join(([table(rows, ("", original, "int8")), ""] if rows else []) + lines)

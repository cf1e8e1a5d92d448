"""`linnet convert`: a float ONNX network and calibration pictures become a .lnt file."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from linnet.errors import LinnetError
from linnet.files import write_atomic
from linnet.report import human_bytes, table, to_json
from linnet_converter import calibrate, conversion, onnx_reader, pictures, qdq
from linnet_converter.commands import imported
from linnet_converter.graph import Shape
from linnet_converter.imports.convert import is_imported
from linnet_converter.qgraph import macs
from linnet_converter.quantize import Preprocessing

HELP = "make a .lnt file: quantize a float ONNX network, or take over a quantized ONNX (QDQ) or TFLite one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL.onnx|.tflite",
        help="one picture in, one answer out: a float ONNX network, or a quantized one, QDQ ONNX or TFLite",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL.lnt")
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="pictures like those the network will see, 50 to 500; for a float network",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="calibrate with N pictures only, evenly spread over the folder"
    )
    parser.add_argument(
        "--method",
        choices=calibrate.METHODS,
        default=calibrate.DEFAULT_METHOD,
        help=f"how ranges are found (default: {calibrate.DEFAULT_METHOD})",
    )
    parser.add_argument(
        "--preprocess",
        choices=tuple(conversion.PRESETS),
        help="what the network is fed, x = (pixel - mean) / std: torch (ImageNet mean and std), keras (-1..1), "
        "none (pixels 0..255 as they are, for networks that normalize by themselves)",
    )
    parser.add_argument("--mean", type=_numbers, metavar="M[,M,M]", help="instead of --preprocess; pixels are 0..255")
    parser.add_argument("--std", type=_numbers, metavar="S[,S,S]", help="x = pixel / 255 is --mean 0 --std 255")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="one label a line, stored in the file")
    parser.add_argument(
        "--input",
        choices=("whole", "rows"),
        default="whole",
        help="whole: the picture lies in RAM; rows: the caller pushes it row by row (less RAM)",
    )
    parser.add_argument(
        "--tensor-input",
        action="store_true",
        help="of a quantized network: take its int8 input tensor as it is, not a picture's pixels",
    )
    parser.add_argument("--emit-qdq", type=Path, metavar="FILE", help="also write the network as QDQ ONNX")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    if is_imported(args.model):
        return imported.run(args, _preprocessing(args) if _states_preprocessing(args) else None)
    if args.calibrate is None:
        raise LinnetError(f"{args.model}: a float network needs --calibrate DIR, pictures like those it will see")
    if args.tensor_input:
        raise LinnetError(f"{args.model}: --tensor-input is for quantized networks; a float network takes pictures")
    preprocessing = _preprocessing(args)
    labels = conversion.read_labels(args.labels) if args.labels else ()
    started = time.perf_counter()
    float_graph = onnx_reader.read(args.model)
    shape = float_graph.shapes[float_graph.input]
    result = conversion.convert(
        float_graph,
        _Progress(args.calibrate, shape, args.limit),
        preprocessing,
        method=args.method,
        labels=labels,
        push_rows=args.input == "rows",
    )
    write_atomic(args.output, result.data)
    if args.emit_qdq:
        write_atomic(args.emit_qdq, qdq.to_onnx(result.graph).SerializeToString())
    summary = {
        "model": str(args.output),
        "model_bytes": len(result.data),
        "arena_bytes": result.plan.arena_bytes,
        "macs": sum(macs(result.graph, op) for op in result.graph.ops),
        "operators": len(result.graph.ops),
        "input_shape": list(shape),
        "classes": result.graph.output.shape[2],
        "method": args.method,
        "seconds": round(time.perf_counter() - started, 2),
    }
    if args.json:
        print(to_json(summary))
    else:
        print(_describe(summary))
    return 0


class _Progress:
    """The calibration pictures, each pass with a progress bar where somebody is watching."""

    def __init__(self, folder: Path, shape: Shape, limit: int | None) -> None:
        self.shape = shape
        self.files = pictures.find(folder, limit)
        self.on_unreadable: Callable[[str], None] = pictures.warn

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        bar = tqdm(
            total=len(self.files), desc="calibrating", unit="picture", disable=not sys.stderr.isatty(), leave=False
        )
        with bar:
            for _, picture in pictures.read(self.files, self.shape, self.on_unreadable):
                yield picture
                bar.update()
        self.on_unreadable = lambda _: None  # once is enough


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number or a list such as 123.7,116.3,103.5") from error


def _states_preprocessing(args: argparse.Namespace) -> bool:
    return args.preprocess is not None or args.mean is not None or args.std is not None


def _preprocessing(args: argparse.Namespace) -> Preprocessing:
    by_hand = args.mean is not None or args.std is not None
    if by_hand and (args.preprocess or args.mean is None or args.std is None):
        raise LinnetError("give either --preprocess, or both --mean and --std")
    if by_hand:
        return Preprocessing(args.mean, args.std)
    if not args.preprocess:
        raise LinnetError(
            "say what the network was trained on: --preprocess torch, keras or none, or --mean M --std S "
            "with x = (pixel - M) / S"
        )
    return conversion.PRESETS[args.preprocess]


def _describe(summary: dict[str, object]) -> str:
    def number(key: str) -> int:
        return int(str(summary[key]))

    rows = [
        ("model", f"{summary['model']}, {human_bytes(number('model_bytes'))}"),
        ("arena", f"{human_bytes(number('arena_bytes'))} ({number('arena_bytes'):,} bytes)"),
        ("MACs", f"{number('macs') / 1e6:.2f} M in {summary['operators']} operators"),
        ("classes", str(summary["classes"])),
        ("time", f"{summary['seconds']} s"),
    ]
    return table(rows, ("converted", str(summary["method"])))

"""`linnet convert`: a float ONNX network and calibration pictures become a .lnt file."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict, replace
from pathlib import Path

from linnet.counts import count
from linnet.errors import LinnetError
from linnet.files import write_atomic
from linnet.report import human_bytes, table, to_json
from linnet.sizes import size
from linnet_converter import conversion, explain, explain_report, onnx_reader, pictures, qdq, recipe, rounding
from linnet_converter.budget import Budget
from linnet_converter.commands import add_input, arenas, board_budget, imported, planned, pushes_rows
from linnet_converter.commands.explain import PICTURES
from linnet_converter.commands.progress import bars, say
from linnet_converter.imports.convert import is_imported
from linnet_converter.qgraph import macs
from linnet_converter.quantize import Preprocessing
from linnet_converter.ranges import METHODS
from linnet_converter.recipe import Recipe

HELP = "make a .lnt file: quantize a float ONNX network, or take over a quantized ONNX (QDQ) or TFLite one"


MINUTES = 12.0

_STEPS = {
    "margin": "leave room in the ranges for pictures that were not seen",
    "clip_weights": "weight scales with the least squared error",
    "correct_bias": "take the mean error of each channel out of its bias",
}
"""Fields of recipe.Recipe that switch a step on or off."""


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
        "--limit", type=count, metavar="N", help="calibrate with N pictures only, evenly spread over the folder"
    )
    parser.add_argument(
        "--quality",
        choices=tuple(recipe.QUALITIES),
        default="default",
        help="fast: plain MinMax; default: all corrections, under a minute for MobileNetV2 1.0@224; best: then "
        "learns from the float network and takes what does better on held-back pictures, minutes",
    )
    parser.add_argument(
        "--time",
        type=_minutes,
        default=MINUTES,
        metavar="MINUTES",
        help=f"what --quality best may take beyond the default (default: {MINUTES})",
    )
    parser.add_argument("--method", choices=METHODS, help="how ranges are found, instead of the quality's own")
    parser.add_argument(
        "--equalization",
        type=float,
        metavar="S",
        help="how far channels ahead of depthwise convolutions are made equal in size: 0 not at all, 1 fully",
    )
    parser.add_argument(
        "--rounding",
        choices=rounding.METHODS,
        help="how weights are rounded, instead of the quality's own: each to the nearest integer, for the inputs that "
        "occur, or for these by AdaRound too (needs torch, slow)",
    )
    for step, what in _STEPS.items():
        parser.add_argument(f"--{step.replace('_', '-')}", action=argparse.BooleanOptionalAction, help=what)
    parser.add_argument(
        "--explain", action="store_true", help="also show what each layer costs and each step gave back"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw what --explain shows")
    parser.add_argument(
        "--preprocess",
        choices=tuple(conversion.PRESETS),
        help="what the network is fed, x = (pixel - mean) / std: torch (ImageNet mean and std), keras (-1..1), "
        "none (pixels 0..255 as they are, for networks that normalize by themselves)",
    )
    parser.add_argument("--mean", type=_numbers, metavar="M[,M,M]", help="instead of --preprocess; pixels are 0..255")
    parser.add_argument("--std", type=_numbers, metavar="S[,S,S]", help="x = pixel / 255 is --mean 0 --std 255")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="one label a line, stored in the file")
    add_input(parser)
    parser.add_argument(
        "--ram",
        type=size,
        metavar="SIZE",
        help="one plan, the fastest whose arena is no larger, such as 128K (default: a fast one and the smallest that "
        "computes nothing twice)",
    )
    parser.add_argument("--flash", type=size, metavar="SIZE", help="fail where the file is larger than this")
    parser.add_argument(
        "--board",
        metavar="NAME",
        help="RAM, flash, caches and kernels of this board (linnet boards); --ram and --flash override. For a "
        "microcontroller the plan is that of `linnet build`, and --ram is of its RAM, stack and variables included",
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
        if chosen := _quantizing(args):
            raise LinnetError(f"{args.model}: is quantized already and keeps its scales; leave out {', '.join(chosen)}")
        return imported.run(args, _preprocessing(args) if _states_preprocessing(args) else None, _budget(args))
    if args.calibrate is None:
        raise LinnetError(f"{args.model}: a float network needs --calibrate DIR, pictures like those it will see")
    if args.tensor_input:
        raise LinnetError(f"{args.model}: --tensor-input is for quantized networks; a float network takes pictures")
    preprocessing, budget = _preprocessing(args), _budget(args)
    labels = conversion.read_labels(args.labels) if args.labels else ()
    started = time.perf_counter()
    float_graph = onnx_reader.read(args.model)
    shape = float_graph.shapes[float_graph.input]
    shown = [picture for _, picture in pictures.read(bars(pictures.find(args.calibrate, args.limit), "reading"), shape)]
    steps = _recipe(args)
    result = conversion.convert(
        float_graph,
        shown,
        preprocessing,
        steps=steps,
        labels=labels,
        push_rows=pushes_rows(args.input, budget),
        budget=budget,
        track=bars,
        search=conversion.Search(60 * args.time, say) if args.quality == "best" else None,
        detailed=args.explain,
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
        "input_shape": list(shape),
        "classes": result.graph.output.shape[2],
        "quality": args.quality,
        "method": result.recipe.method,
        "recipe": asdict(result.recipe),
        "seconds": round(time.perf_counter() - started, 2),
    }
    if result.held_back:
        summary["held_back_db"] = {
            "before": _finite(result.held_back.before_db),
            "after": _finite(result.held_back.after_db),
            "taken": result.held_back.taken,
            "steps": result.held_back.steps,
        }
    explanation = None
    if args.explain or args.svg:
        explanation = explain.explain(
            float_graph, result.graph, pictures.spread(shown, PICTURES), result.stages if args.explain else (), bars
        )
    if args.svg and explanation:
        write_atomic(args.svg, explain_report.svg(explanation, args.output.name).encode())
    if args.json:
        told = {"explain": explain_report.as_dict(explanation)} if explanation else {}
        print(to_json({**summary, **told}))
    else:
        print(_describe(summary))
        if args.explain and explanation:
            print("\n" + explain_report.text(explanation))
    return 0


def _quantizing(args: argparse.Namespace) -> list[str]:
    """Options given that say how to quantize a float network."""
    names = ["calibrate", "limit", "method", "equalization", "rounding", *_STEPS, "svg"]
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is not None]
    given += ["--quality"] if args.quality != "default" else []
    return [*given, "--explain"] if args.explain else given


def _recipe(args: argparse.Namespace) -> Recipe:
    """The quality's recipe with what was asked for by name."""
    if args.equalization is not None and not 0 <= args.equalization <= 1:
        raise LinnetError("--equalization is a number from 0 to 1")
    asked = {name: getattr(args, name) for name in ("method", "equalization", "rounding", *_STEPS)}
    return replace(
        recipe.QUALITIES[args.quality], **{name: value for name, value in asked.items() if value is not None}
    )


def _budget(args: argparse.Namespace) -> Budget:
    return Budget(args.ram, args.flash) if args.board is None else board_budget(args.board, args.ram, args.flash)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number or a list such as 123.7,116.3,103.5") from error


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes, such as 10")
    return value


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


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

    again = f", and {number('recomputed_macs') / 1e6:.2f} M of rows computed again" if number("recomputed_macs") else ""
    rows = [
        ("model", f"{summary['model']}, {human_bytes(number('model_bytes'))}"),
        ("arena", arenas(summary)),
        ("MACs", f"{number('macs') / 1e6:.2f} M in {summary['operators']} operators{again}"),
        ("classes", str(summary["classes"])),
        ("time", f"{summary['seconds']} s"),
    ]
    held_back = summary.get("held_back_db")
    if isinstance(held_back, dict) and None in held_back.values():
        rows.append(("held back", "too little time or too few pictures: the default is kept"))
    elif isinstance(held_back, dict):
        told = f"{held_back['after']:.2f} dB, the default {held_back['before']:.2f} dB"
        told += f" ({held_back['steps']} steps)" if held_back["steps"] else ""
        rows.append(("held back", told if held_back["taken"] else f"{told}: no sure gain, the default is kept"))
    return table(rows, ("converted", str(summary["quality"])))

"""`linnet arch`: reference architectures with seeded weights."""

from __future__ import annotations

import argparse

HELP = "write a reference architecture as ONNX with random weights, for planning, benchmarks and tests"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("architecture", choices=("mobilenet_v2",), help="which network")
    parser.add_argument(
        "--width", type=_width, required=True, metavar="W", help="width multiplier, 1.0 for the paper's"
    )
    parser.add_argument("--size", type=_count, required=True, metavar="S", help="height and width of the picture")
    parser.add_argument("--classes", type=_count, required=True, metavar="N", help="number of classes")
    parser.add_argument("--seed", type=_seed, default=0, metavar="K", help="of the weights (default: 0)")
    parser.add_argument(
        "--padding",
        choices=("tf", "torch"),
        default="tf",
        help="of the stride-2 convolutions: at the bottom and right, or on all sides (default: tf)",
    )
    parser.add_argument("-o", "--output", required=True, metavar="M.onnx", help="the file to write")


def run(args: argparse.Namespace) -> int:
    from linnet.files import write_atomic
    from linnet_converter import arch

    model = arch.mobilenet_v2(args.width, args.size, args.classes, args.seed, args.padding)
    write_atomic(args.output, model.SerializeToString(deterministic=True))
    return 0


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError("must be 0 to 4294967295")
    return value


def _width(text: str) -> float:
    value = float(text)
    if not 0 < value <= 16:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 16")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be 1 to 65535")
    return value

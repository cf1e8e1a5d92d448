"""`linnet build`: firmware for a microcontroller board, and a folder of C for one's own program."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from linnet.errors import LinnetError
from linnet.report import table, to_json
from linnet.sizes import size

HELP = "make firmware for a microcontroller board, and a C folder with just what the network needs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="M.lnt", help="the model file; its plan is made anew for the board")
    parser.add_argument("--board", required=True, metavar="NAME", help="one of `linnet boards`")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the folder to make")
    parser.add_argument(
        "--input",
        choices=("rows", "whole"),
        default="rows",
        help="rows: the picture is pushed row by row (default); whole: it lies in RAM",
    )
    parser.add_argument("--ram", type=size, metavar="SIZE", help="use no more of the board's RAM, such as 64K")
    parser.add_argument("--stack", type=size, metavar="SIZE", help="the stack's size (default: the board's)")
    parser.add_argument(
        "--model-in",
        metavar="REGION",
        help="the memory that holds the model, such as qspi; it must keep it without power",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from linnet_boards import board, building
    from linnet_converter import lnt_file

    machine = board(args.board) if args.model_in is None else building.with_model_in(board(args.board), args.model_in)
    try:
        data = args.model.read_bytes()
    except OSError as error:
        raise LinnetError(f"{args.model}: {error.strerror or error}") from error
    try:
        graph, _ = lnt_file.read(data)
    except LinnetError as error:
        raise LinnetError(f"{args.model}: {error}") from error
    built = building.build(graph, machine, args.output, push_rows=args.input == "rows", ram=args.ram, stack=args.stack)
    for warning in built.warnings:
        print(f"linnet: warning: {warning}", file=sys.stderr)
    if args.json:
        print(to_json(asdict(built) | {"folder": str(args.output)}))
        return 0
    rows = [
        ("firmware", f"{args.output / building.ELF} and .bin"),
        ("C folder", f"{args.output / building.DROP_IN}"),
        ("kernels", f"{built.family}: {', '.join(built.kernels)}"),
        ("arena", f"{built.arena_bytes:,} bytes"),
    ]
    print(table(rows, ("made for", built.board)) + "\n\n" + building.text(built.uses, built.regions))
    return 0

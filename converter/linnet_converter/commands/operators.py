"""`linnet validate --operators`: an imported network against its own interpreter, operator by operator."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from linnet.errors import LinnetError
from linnet.report import table, to_json

if TYPE_CHECKING:
    from linnet_converter.imports.steps import OperatorSteps

SHOWN = 12
PICTURES = 4
"""How many pictures are used where --limit does not say it: the oracle and the reference kernels are slow."""


def run(args: argparse.Namespace) -> int:
    """args: of `linnet validate`."""
    from tqdm import tqdm

    import linnet
    from linnet_converter import lnt_file, pictures
    from linnet_converter.imports import steps

    if args.on:
        raise LinnetError("--operators is computed on this machine: leave --on out")
    model = linnet.load(args.model)  # checks the file
    if not model.is_picture:
        raise LinnetError("the model's input is no picture: validate needs a network that takes pixels")
    graph, _ = lnt_file.read(Path(args.model).read_bytes())
    details = model.input_details
    reference = steps.open_reference(args.against, details.mean, details.std)
    paths = pictures.find_all(args.images, args.limit or PICTURES)
    read = (pixels for _, pixels in pictures.read(paths, details.shape))
    progress = tqdm(read, total=len(paths), desc="operators", unit="picture", disable=None)
    results = steps.compare(graph, reference, progress)
    if args.json:
        print(to_json({"images": len(paths), "operators": [asdict(result) for result in results]}))
    else:
        print(_text(results, len(paths), len(graph.ops)))
    return 0


def _text(results: list[OperatorSteps], images: int, operators: int) -> str:
    worst = sorted(results, key=lambda result: (-result.largest, result.exact))[:SHOWN]
    rows = [(r.name, r.kind, f"{r.largest:.2f}", f"{r.exact:.2f} %") for r in worst]
    within = sum(result.largest <= 1 for result in results)
    lines = [
        table(rows, ("operator", "kind", "steps", "equal")),
        "",
        f"{images} pictures, {len(results)} of {operators} operators have a tensor of the file as output",
        f"within one step: {within} of {len(results)} operators",
    ]
    return "\n".join(lines)

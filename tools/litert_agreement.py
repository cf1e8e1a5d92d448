"""How often an imported TFLite file names the class that LiteRT names, with each of LiteRT's three sets of kernels.

They round differently, so that they differ among themselves too. Of a file with uint8 weights two imports are compared:
as `linnet convert` makes it, and with the biases that the file has (imports/rounding.py). Usage: see --help;
docs/imports.md has the commands.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import linnet
from linnet.report import table, to_json
from linnet_converter import lnt_file, pictures, planner, validation
from linnet_converter.imports import pixels, tflite_reader
from linnet_converter.imports.assemble import assemble
from linnet_converter.imports.network import ImportedNetwork
from linnet_converter.imports.tflite_reference import TfliteReference, interpreter_module

Answers = npt.NDArray[np.float64]
"""(pictures, classes)."""


class Xnnpack:
    """LiteRT as it runs by default. It shows its answer only, which may be probabilities."""

    def __init__(self, path: Path) -> None:
        self._interpreter: Any = interpreter_module().Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._fed = self._interpreter.get_input_details()[0]
        self._answer = self._interpreter.get_output_details()[0]["index"]

    def logits(self, picture: validation.Pixels) -> npt.NDArray[np.float64]:
        kind = self._fed["dtype"]
        fed = (picture.astype(np.int16) - (0 if kind == np.uint8 else 128)).astype(kind)
        self._interpreter.set_tensor(self._fed["index"], fed[None])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._answer), np.float64).ravel()


def imported(network: ImportedNetwork) -> linnet.Model:
    graph = assemble(network, pixels.choose(network, None)).graph
    return linnet.load(lnt_file.write(graph, [planner.plan(graph)]))


def images(options: argparse.Namespace, shape: tuple[int, int, int]) -> Iterator[validation.Pixels]:
    for _, picture in pictures.read(pictures.find_all(options.images, options.limit), shape):
        yield picture
        if options.mirrored:
            yield np.ascontiguousarray(picture[:, ::-1])


def sqnr(wanted: Answers, got: Answers) -> float:
    error = float(((got - wanted) ** 2).sum())
    return 10 * math.log10(float((wanted**2).sum()) / error) if error else math.inf


def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    """One row for each kernel set of LiteRT and each import."""
    network = tflite_reader.read(options.model)
    if not network.integer_input:
        raise SystemExit(f"{options.model}: takes floats; only files that take uint8 or int8 are compared here")
    models = {"Linnet": imported(network)}
    if network.rounds_twice:
        models["Linnet, the file's biases"] = imported(replace(network, rounds_twice=False))
    details = models["Linnet"].input_details
    sides: dict[str, Any] = {"XNNPACK": Xnnpack(options.model)}
    for name, reference in (("optimized", False), ("reference", True)):
        sides[name] = TfliteReference(options.model, details.mean, details.std, reference)
    kernel_sets = list(sides)
    sides |= {name: validation.IntegerLogits(model) for name, model in models.items()}
    answers: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in sides}
    for picture in images(options, details.shape):
        for name, side in sides.items():
            answers[name].append(side.logits(picture))
    stacked = {name: np.stack(given) for name, given in answers.items()}
    return [_row(name, stacked, kernel_sets) for name in sides]


def _row(name: str, answers: dict[str, Answers], kernel_sets: list[str]) -> dict[str, object]:
    row: dict[str, object] = {"runs": name, "images": len(answers[name])}
    classes = answers[name].argmax(axis=1)
    for other in kernel_sets:
        row[f"same as {other}"] = round(100 * float((classes == answers[other].argmax(axis=1)).mean()), 2)
    for other in kernel_sets[1:]:  # XNNPACK's answers are no logits
        row[f"dB against {other}"] = None if name == "XNNPACK" else round(sqnr(answers[other], answers[name]), 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description="An imported TFLite file beside LiteRT's three sets of kernels.")
    parser.add_argument("model", type=Path, metavar="M.tflite", help="a quantized file that takes uint8 or int8")
    parser.add_argument("--images", required=True, nargs="+", metavar="DIR", help="pictures to compare on")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many pictures, evenly spread")
    parser.add_argument("--mirrored", action="store_true", help="each picture's mirror image too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    rows = measure(options)
    if options.json:
        print(to_json(rows))
        return
    heads = tuple(rows[0])
    print(table([tuple("" if row[head] is None else str(row[head]) for head in heads) for row in rows], heads))


if __name__ == "__main__":
    main()

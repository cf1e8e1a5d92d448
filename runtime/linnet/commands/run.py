"""`linnet run`: classify pictures."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet import elsewhere, sizes
from linnet.counts import count
from linnet.errors import LinnetError
from linnet.format_gen import OpKind
from linnet.model import Model, load
from linnet.report import table, to_json

HELP = "classify pictures with a .lnt file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M.lnt", help="the model file")
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="+", help="PPM, PGM or .npy; with Pillow also PNG, JPEG, ..."
    )
    parser.add_argument("--top", type=count, default=5, metavar="N", help="how many classes to show (default: 5)")
    parser.add_argument(
        "--threads", type=count, default=1, metavar="N", help="how many threads share the work (default: 1)"
    )
    sizes.add_ram(parser)
    elsewhere.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 1 where a picture could not be read; the others are answered all the same."""
    elsewhere.check(args)
    if args.on:
        return int(elsewhere.provider("run")(args))
    model = load(args.model, ram=args.ram, threads=args.threads)
    results: list[dict[str, Any]] = []
    failed = False
    for picture in args.pictures:
        try:
            results.append(classify(model, picture, args.top))
        except LinnetError as error:
            failed = True
            results.append({"picture": picture, "error": str(error)})
            print("linnet: error:", error, file=sys.stderr)
            continue
        if not args.json:
            print(text(results[-1], several=len(args.pictures) > 1), flush=True)
    if args.json:
        print(to_json({"model": args.model, "pictures": results}))
    return int(failed)


def classify(model: Model, picture: str, top: int) -> dict[str, Any]:
    """The classes that a model finds most probable in a picture, as `linnet run --json` prints them."""
    pixels = model.prepare(picture)
    start = time.perf_counter()
    answer = model.run(pixels)
    return ranked(model, picture, answer, 1e3 * (time.perf_counter() - start), top)


def ranked(
    model: Model, picture: str, answer: npt.NDArray[np.float32], milliseconds: float, top: int
) -> dict[str, Any]:
    """The same of what `Model.run` returned."""
    if answer.ndim != 1:
        raise LinnetError(f"{picture}: the network's answer of shape {answer.shape} is no list of classes")
    chances = probabilities(model, answer)
    best = np.argsort(-chances, kind="stable")[:top]  # of equals the first class, as argmax
    return {
        "picture": picture,
        "milliseconds": round(milliseconds, 3),
        "top": [{"class": int(i), "label": _label(model, int(i)), "probability": float(chances[i])} for i in best],
    }


def probabilities(model: Model, answer: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(classes,) probabilities of what `Model.run` returned: that itself after a softmax, else the softmax of it."""
    wide = answer.astype(np.float64)
    if model.file.op_kind(len(model.file.ops) - 1) == OpKind.softmax:
        return wide
    powers = np.exp(wide - wide.max())
    return np.asarray(powers / powers.sum())


def _label(model: Model, index: int) -> str:
    return model.labels[index] if index < len(model.labels) else str(index)


def text(result: dict[str, Any], several: bool) -> str:
    """The table for people. several: there are more, and the picture's name goes ahead."""
    rows = [(100 * entry["probability"], entry["class"], entry["label"]) for entry in result["top"]]
    lines = table(rows, ("%", "class", "label"))
    return f"{result['picture']}\n{lines}\n" if several else lines

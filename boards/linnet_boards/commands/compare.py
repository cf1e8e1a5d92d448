"""`linnet compare`: the values of each operator elsewhere and here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from linnet import elsewhere
from linnet.errors import LinnetError
from linnet.report import table, to_json

HELP = "compare what each operator computes elsewhere with what it computes here, on one picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M.lnt", help="the model file")
    parser.add_argument("picture", nargs="?", metavar="PICTURE", help="a picture or .npy (default: seeded noise)")
    parser.add_argument("--kernels", metavar="FAMILY", help="the kernel family there, over ssh (default: the best)")
    elsewhere.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 1 where a value differs."""
    from linnet.commands.bench import noise
    from linnet.model import load
    from linnet_boards import hashes, places

    elsewhere.check(args)
    if not args.on:
        raise LinnetError("say with what: --on USER@HOST, --on serial:PORT, or --on emulator --board NAME")
    if not Path(args.model).is_file():
        raise LinnetError(f"{args.model}: No such file")
    model = load(args.model)
    values = model.prepare(args.picture) if args.picture else noise(model)
    there = places.hashes(args, values, lambda line: print(line, file=sys.stderr))
    here = model.trace(values)
    if len(there) != len(here):
        raise LinnetError(f"{args.on}: {len(there)} operators ran there, {len(here)} here: is it the same model?")
    rows = [
        {"index": i, "name": mine.name, "kind": mine.kind.name, "here": hashes.of_values(mine.values), "there": other}
        for i, (mine, other) in enumerate(zip(here, there, strict=True))
    ]
    wrong = [row for row in rows if row["here"] != row["there"]]
    first = wrong[0]["name"] if wrong else None
    if args.json:
        report = {"model": args.model, "on": args.on, "board": args.board, "picture": args.picture}
        print(to_json(report | {"same": not wrong, "first_difference": first, "operators": rows}))
    else:
        print(_text(rows, wrong))
    return int(bool(wrong))


def _text(rows: list[dict[str, Any]], wrong: list[dict[str, Any]]) -> str:
    listed = [
        (row["name"], row["kind"], f"{row['here']:08x}", f"{row['there']:08x}", "" if row not in wrong else "differs")
        for row in rows
    ]
    if wrong:
        end = (
            f"{wrong[0]['name']} ({wrong[0]['kind']}) is the first of {len(wrong)} operators that compute other values"
        )
    else:
        end = f"all {len(rows)} operators compute the same values"
    return table(listed, ("operator", "kind", "here", "there", "")) + "\n\n" + end

"""`linnet validate`: how much int8 costs, measured on pictures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from linnet import elsewhere, sizes
from linnet.counts import count
from linnet.errors import LinnetError
from linnet.report import human_bytes, table, to_json
from linnet_converter.commands import operators

if TYPE_CHECKING:
    from linnet_converter.tally import Validation
    from linnet_converter.validate_state import Checkpoint
    from linnet_converter.validation import Comparer

HELP = "compare a .lnt file with the network it was made from, on folders of pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M.lnt", help="the model file")
    parser.add_argument(
        "--against", required=True, metavar="MODEL.onnx|.tflite", help="the network it was converted from"
    )
    parser.add_argument(
        "--images", required=True, nargs="+", metavar="DIR", help="pictures that were not used for calibration"
    )
    parser.add_argument(
        "--labels-csv", metavar="F", help="CSV with the columns file and class_index: reports top-1, top-5"
    )
    parser.add_argument(
        "--label-offset", type=int, default=0, metavar="N", help="add N to each class_index (1: class 0 is background)"
    )
    parser.add_argument("--limit", type=count, metavar="N", help="use N pictures only, evenly spread over the names")
    parser.add_argument("--kernels", metavar="FAMILY", help="the kernel family (default: the best of this processor)")
    parser.add_argument(
        "--workers",
        type=count,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="pictures at a time; the result is the same with any number (default: one a processor)",
    )
    parser.add_argument("--resume", action="store_true", help="go on where a run over these pictures was stopped")
    parser.add_argument("--state", metavar="FILE", help="where that is kept (default: in the user's cache)")
    parser.add_argument(
        "--reference-cache", metavar="FILE", help="keep the reference's logits there, and take those that are there"
    )
    parser.add_argument(
        "--operators",
        action="store_true",
        help="of an imported network: compare operator by operator, each given the interpreter's own input",
    )
    sizes.add_ram(parser)
    elsewhere.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Compare every picture; the sums are kept in a file as they grow."""
    from tqdm import tqdm

    from linnet_converter import pictures, validate_away, validate_files

    elsewhere.check(args)
    if args.operators:
        return operators.run(args)
    paths = pictures.find_all(args.images, args.limit)
    labels = None
    if args.labels_csv is not None:
        labels = pictures.labels(args.labels_csv, args.label_offset)
        pictures.check_labels(paths, args.images, labels)
    with ExitStack() as stack:
        comparers = _comparers(args, len(paths), stack)
        kept = _checkpoint(args, paths, labels)
        state = kept.state
        progress = stack.enter_context(  # disable=None: where nobody is watching
            tqdm(total=len(paths), initial=state.done, desc="validate", unit="picture", disable=None)
        )
        left = islice(paths, state.done, None)
        if args.on:

            def say(line: str) -> None:
                tqdm.write(line, file=sys.stderr)

            open_answers = elsewhere.provider("validate")
            answers = stack.enter_context(open_answers(args.on, args.board, args.model, args.kernels, args.ram, say))
            outcomes = validate_away.compare_away(left, labels, comparers, answers)
        else:
            outcomes = validate_files.compare_files(left, labels, comparers)
        try:
            for outcome in outcomes:
                if isinstance(outcome, validate_files.Skipped):
                    state.skipped += 1
                    tqdm.write(f"linnet: warning: {outcome.message}", file=sys.stderr)
                else:
                    state.tally.add(outcome)
                state.done += 1
                progress.update()
                kept.now_and_then()
        except KeyboardInterrupt:
            kept.write()
            tqdm.write(f"linnet: stopped after {state.done} pictures: --resume goes on there", file=sys.stderr)
            raise
        finally:
            outcomes.close()
    if not state.tally.images:
        raise LinnetError(f"none of the {len(paths)} pictures could be read")
    result = state.tally.result(comparers[0].model.least_arena_bytes, comparers[0].reference.kind)
    if args.json:
        print(to_json({**asdict(result), "skipped": state.skipped}))
    else:
        print(_text(result))
    kept.remove()
    return 0


def _comparers(args: argparse.Namespace, pictures: int, stack: ExitStack) -> list[Comparer]:
    """One for each worker, but no more than pictures; the cache is closed with the stack."""
    import linnet
    from linnet_converter import reference_cache, validation

    kernels = None if args.on else args.kernels  # those of the other machine need not run on this one
    model = linnet.load(args.model, kernels=kernels, ram=args.ram)
    mean, std = model.input_details.mean, model.input_details.std
    cache = None
    if args.reference_cache is not None:
        cache = stack.enter_context(reference_cache.ReferenceCache(args.reference_cache))
        network = reference_cache.identity(args.against, mean, std)
    made = []
    for number in range(min(args.workers, pictures)):
        mine = model if number == 0 else linnet.load(args.model, kernels=kernels, ram=args.ram)
        reference = validation.open_reference(args.against, mean, std)
        if cache is not None:
            reference = reference_cache.CachedReference(reference, network, cache)
        made.append(validation.Comparer(mine, reference, args.against))
    return made


def _checkpoint(args: argparse.Namespace, paths: Sequence[Path], labels: dict[str, int] | None) -> Checkpoint:
    """The state to start with: a new one, or with --resume the one that is kept."""
    from linnet_converter import validate_state
    from linnet_converter.validate_state import Checkpoint, Settings, State

    named = args.state is not None
    file = Path(args.state) if named else validate_state.default_path(args.model, args.against, args.images)
    settings = Settings.of(args.model, args.against, paths, labels)
    if not args.resume:
        if named:
            validate_state.check_replaceable(file)
        return Checkpoint(file, State(settings), named)
    found = validate_state.read(file)
    if found is None:
        print("linnet: no run over these pictures was stopped: this one starts with the first", file=sys.stderr)
        return Checkpoint(file, State(settings), named)
    validate_state.check(file, found.settings, settings)
    print(f"linnet: going on after {found.done} of {len(paths)} pictures", file=sys.stderr)
    return Checkpoint(file, found, named)


def _text(result: Validation) -> str:
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

"""`linnet run` and `linnet bench` on a microcontroller, real or emulated."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from linnet import measure
from linnet.commands import bench as bench_command
from linnet.commands import run as run_command
from linnet.errors import LinnetError
from linnet.report import table, to_json

from .estimate import Estimate
from .on_firmware import SERIAL, opened, refuse


def run(args: argparse.Namespace) -> int:
    """Pictures are prepared here, answered there, every operator verified, and printed as `linnet run` prints them."""
    results: list[dict[str, Any]] = []
    refuse(None, args.ram, (args.threads,))
    with opened(args.on, args.board, args.model) as runner:
        model = runner.model
        for picture in args.pictures:
            try:
                values = model.prepare(picture)
            except LinnetError as error:
                results.append({"picture": picture, "error": str(error)})
                print("linnet: error:", error, file=sys.stderr)
                continue
            ((answer, nanoseconds),) = runner.answers([values])
            real = model.real(answer.reshape(model.answer_shape))
            results.append(run_command.ranked(model, picture, real, nanoseconds / 1e6, args.top))
            if not args.json:
                print(run_command.text(results[-1], several=len(args.pictures) > 1), flush=True)
    if args.json:
        print(to_json({"model": args.model, "on": args.on, "board": runner.machine.name, "pictures": results}))
    return int(any("error" in result for result in results))


def bench(args: argparse.Namespace) -> int:
    """Cycles of a board, or instructions and an estimate from an emulator, operator by operator."""
    if args.peers or args.svg:
        raise LinnetError("--peers and --svg are for other machines: leave them out with a microcontroller")
    refuse(args.kernels, args.ram, args.threads)
    with opened(args.on, args.board, args.model) as runner:
        model, machine, info = runner.model, runner.machine, runner.device.info
        values = model.prepare(args.input if args.input else bench_command.noise(model))
        total, costs, guess = runner.profile(values)
        there = runner.device.run(values)
    macs = measure.macs(model.file)
    unit = "cycles" if args.on.startswith(SERIAL) else "instructions"
    if args.json:
        print(
            to_json(
                {
                    "model": args.model,
                    "on": args.on,
                    "board": machine.name,
                    unit: total,
                    "macs": sum(macs),
                    "arena_bytes": info.arena_bytes,
                    "stack_used": there.stack_used,
                    "clock_hz": info.clock_hz,
                    "operators": [
                        {"index": each.index, "name": each.name, "kind": each.kind, unit: each.count, "macs": own}
                        for each, own in zip(costs, macs, strict=True)
                    ],
                    "estimate": None if guess is None else asdict(guess) | {"milliseconds": guess.milliseconds},
                }
            )
        )
        return 0
    lines = [
        f"{args.model} on {machine.title} ({machine.core}), every operator's values as here",
        f"{total:,} {unit}, {sum(macs):,} MACs, {total / max(sum(macs), 1):.3f} per MAC",
    ]
    if guess is None:
        lines.append(f"{1e3 * total / info.clock_hz:.1f} ms at {info.clock_hz // 1_000_000} MHz")
    else:
        lines.append(_guessed(guess))
    lines.append(f"arena {info.arena_bytes:,} bytes, stack {there.stack_used:,} of {info.stack_bytes:,} bytes")
    rows = [
        (each.name, each.kind, f"{each.count:,}", f"{own:,}", f"{each.count / own:.3f}" if own else "")
        for each, own in zip(costs, macs, strict=True)
    ]
    print("\n".join([*lines, "", table(rows, ("operator", "kind", unit, "MACs", "per MAC"))]))
    return 0


def _guessed(guess: Estimate) -> str:
    waiting = f", {guess.waiting:,} of them waiting for weights" if guess.waiting else ""
    return f"estimate: {guess.cycles:,} cycles{waiting}, {guess.milliseconds:.1f} ms at {guess.clock_mhz} MHz"

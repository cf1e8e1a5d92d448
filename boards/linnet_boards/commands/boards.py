"""`linnet boards`: the boards that `--board` knows."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from linnet.report import human_bytes, table, to_json
from linnet_boards import board, names

HELP = "list the boards that --board knows: RAM, flash, clock, caches"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    boards = [board(name) for name in names()]
    if args.json:
        print(to_json([asdict(item) | {"arena_limit": item.arena_limit} for item in boards]))
        return 0
    rows = [
        (
            item.name,
            f"{item.cores} x {item.core}" if item.cores > 1 else item.core,
            f"{item.clock_mhz} MHz",
            human_bytes(item.ram_bytes),
            human_bytes(item.arena_limit),
            "" if item.flash_bytes is None else human_bytes(item.flash_bytes),
            human_bytes(item.l1_bytes) if item.l1_bytes else "",
            human_bytes(item.l2_bytes) if item.l2_bytes else "",
            item.cortex_m.flash[0] if item.cortex_m and item.cortex_m.flash else "",
            item.cortex_m.emulator if item.cortex_m else item.qemu_cpu,
        )
        for item in boards
    ]
    print(
        table(
            rows,
            ("board", "processor", "clock", "RAM", "arena up to", "flash", "L1", "L2", "flash tool", "emulated by"),
        )
    )
    return 0

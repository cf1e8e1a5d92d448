"""`--on` and `--board`: other machines. The package for boards knows them, this one only asks it.

`--on`: an entry point of the group "linnet.elsewhere", named like the command, is called with the command's arguments.
"""

from __future__ import annotations

import argparse
from importlib.metadata import entry_points
from typing import Any

from linnet.errors import LinnetError

GROUP = "linnet.elsewhere"


def add_argument(parser: argparse._ActionsContainer, more: str = "") -> None:
    """--on and --board. more: what else this command knows of places."""
    parser.add_argument(
        "--on",
        metavar="PLACE",
        help="run elsewhere: USER@HOST, which ssh reaches; serial:PORT, a microcontroller with firmware from `linnet "
        f"build`; or emulator{more}",
    )
    parser.add_argument("--board", metavar="NAME", help="with --on emulator: which board (linnet boards)")


def check(args: argparse.Namespace) -> None:
    """Raises LinnetError where --board is given without --on."""
    if args.board and not args.on:
        raise LinnetError("--board goes with --on emulator")


def provider(command: str, option: str = "--on") -> Any:
    """What the entry point of a command names. Raises LinnetError where nothing is installed that provides it.

    option: which wants it.
    """
    for point in entry_points(group=GROUP, name=command):
        try:
            return point.load()
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("linnet_boards"):
                raise
    raise LinnetError(f"{option} needs the package for boards, which this installation lacks: pip install linnet")

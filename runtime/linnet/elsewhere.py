"""`--on`: commands that run a model on another machine. The package for boards provides that, this one only asks it.

An entry point of the group "linnet.elsewhere", named like the command, is called with the command's arguments.
"""

from __future__ import annotations

import argparse
from importlib.metadata import entry_points
from typing import Any

from linnet.errors import LinnetError

GROUP = "linnet.elsewhere"


def add_argument(parser: argparse._ActionsContainer, more: str = "") -> None:
    """--on. more: places beside hosts that this command knows."""
    parser.add_argument("--on", metavar="USER@HOST", help=f"run on this machine, which ssh reaches{more}")


def provider(command: str) -> Any:
    """What the entry point of a command names. Raises LinnetError where nothing is installed that provides it."""
    for point in entry_points(group=GROUP, name=command):
        try:
            return point.load()
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("linnet_boards"):
                raise
    raise LinnetError("--on needs the package for boards, which this installation lacks: pip install linnet")

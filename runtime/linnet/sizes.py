"""Amounts of memory as people write them."""

from __future__ import annotations

import argparse
import re

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def parse_size(text: str) -> int:
    """Bytes of 128K, 1M, 200000; K is 1024. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"{text!r} is not a size such as 128K, 1M or 200000")
    return int(float(match[1]) * UNITS[match[2].upper()])


def size(text: str) -> int:
    """An argument that is an amount of memory."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_ram(parser: argparse.ArgumentParser) -> None:
    """The option of every command that runs a model."""
    parser.add_argument(
        "--ram",
        type=size,
        metavar="SIZE",
        help="the fastest plan in the file whose arena is no larger, such as 128K (default: the fastest)",
    )

"""Arguments that count something."""

from __future__ import annotations

import argparse


def count(text: str) -> int:
    """A number from 1 up."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number: it must be 1 or more")
    return value


def counts(text: str) -> tuple[int, ...]:
    """Several, as 1,2,4; each once."""
    return tuple(dict.fromkeys(count(part) for part in text.split(",")))

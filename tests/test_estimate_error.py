"""The stated error of the cycle estimate is what the prices give."""

from __future__ import annotations

import re
from pathlib import Path

import estimate_error

from linnet_boards.estimate import COSTS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/cortex-m.md"


def test_the_stated_error_is_that_of_the_prices() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    stated = re.findall(r"^\| (Cortex-M\S+) \|[^|]+\| ([\d.]+) \| ([\d.]+) \| (\S+) % \|$", text, re.M)
    found = [
        (each.core, f"{guess:.1f}", f"{real:.1f}", f"{100 * (guess / real - 1):+.0f}")
        for each, guess, real in estimate_error.errors()
    ]
    assert stated == found
    assert {each.core for each in estimate_error.PUBLISHED} < set(COSTS)


def test_prices_of_the_document() -> None:
    """One row of the document's table a core, one column a class."""
    text = DOCUMENT.read_text(encoding="utf-8")
    columns = (
        "other", "load", "store", "multiple", "registers", "multiply", "long_multiply", "divide", "branch", "taken",
        "vector",
    )  # fmt: skip
    (header,) = re.findall(r"^\| Cycles \| other \| load .*\|$", text, re.M)
    assert header.count("|") == len(columns) + 2
    for core, costs in COSTS.items():
        (row,) = re.findall(rf"^\| {re.escape(core)} \|(.*)\|$", text[text.index(header) :].split("\n\n")[0], re.M)
        for name, cell in zip(columns, row.split("|"), strict=True):
            assert not cell.strip() or float(cell) == costs[name], (core, name)

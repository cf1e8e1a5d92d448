"""What commands print: aligned tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

Cell = str | int | float

_NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?( ?(%|x|B|KiB|MiB|ms|us|dB))?|")


def table(rows: Sequence[Sequence[Cell]], header: Sequence[str]) -> str:
    """Aligned text without a final newline. Floats get two places; a column is right-aligned where all its cells are
    numbers, or texts that are one with its unit ("1,024", "20.0 KiB", "3.5 %").
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    columns = range(len(header))
    widths = [max([_width(header[i]), *(_width(row[i]) for row in texts)]) for i in columns]
    right = [bool(rows) and all(_NUMBER.fullmatch(row[i]) for row in texts) for i in columns]

    def padded(text: str, column: int) -> str:
        space = " " * (widths[column] - _width(text))
        return space + text if right[column] else text + space

    def line(cells: Sequence[str]) -> str:
        return "  ".join(padded(cell, i) for i, cell in enumerate(cells)).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *(line(row) for row in texts)])


def human_bytes(count: int) -> str:
    """A number of bytes with its unit: 512 B, 20.0 KiB, 1.31 MiB."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.2f} MiB"


def to_json(value: Any) -> str:
    """Indented JSON. Infinite and undefined numbers, which JSON has none of, become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _text(cell: Cell) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _width(text: str) -> int:
    """Columns on a terminal: labels may be in any script."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )

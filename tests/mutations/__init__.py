"""What tests/mutate.py does to the code, one line at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One line broken: `old` becomes `new` in `file`; `tests` must notice. Some only can where a kernel family runs."""

    name: str
    file: str
    old: str
    new: str
    tests: str = "tests/test_bytes.py"
    family: str = "ref"

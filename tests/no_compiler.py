"""`linnet build` without the time that compiling takes, for tests of all the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from linnet_boards import Board, building
from linnet_boards.firmware import Builder, Use


class NoCompiler(Builder):
    """Makes a folder without firmware."""

    def __init__(self, machine: Board, stack_bytes: int | None, work: Path) -> None:
        assert machine.cortex_m and work.is_dir()
        self.target = machine.cortex_m
        self.stack_bytes = stack_bytes or self.target.stack_bytes

    def compile(self, sources: Sequence[Path], folder: Path) -> list[Path]:  # noqa: ARG002
        return []

    def boot(self) -> list[Path]:
        return []

    def link(self, objects: Sequence[Path], elf: Path) -> None: ...

    def uses(self, elf: Path) -> list[Use]:  # noqa: ARG002
        return []


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "Builder", NoCompiler)

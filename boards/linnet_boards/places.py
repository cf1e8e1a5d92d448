"""What `--on` means: a machine that ssh reaches, a microcontroller on a serial port, or an emulator."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy.typing as npt

from . import on_board, on_firmware


def run(args: argparse.Namespace) -> int:
    """`linnet run --on`."""
    if on_firmware.is_firmware(args.on, args.board):
        from . import firmware_commands

        return firmware_commands.run(args)
    return on_board.run(args)


def bench(args: argparse.Namespace) -> int:
    """`linnet bench --on`."""
    if on_firmware.is_firmware(args.on, args.board):
        from . import firmware_commands

        return firmware_commands.bench(args)
    return on_board.bench(args)


def open_answers(
    where: str,
    board_name: str | None,
    model: str,
    kernels: str | None,
    ram: int | None,
    on_retry: Callable[[str], None],
) -> AbstractContextManager[Any]:
    """`linnet validate --on`. on_retry: is told of connections that broke."""
    if on_firmware.is_firmware(where, board_name):
        on_firmware.refuse(kernels, ram)
        return on_firmware.opened(where, board_name, model)
    return on_board.open_answers(where, model, kernels, ram, on_retry)


def hashes(args: argparse.Namespace, values: npt.NDArray[Any], say: Callable[[str], None]) -> tuple[int, ...]:
    """`linnet compare --on`: a hash of what each operator computes there (`hashes.of_values`). say: what goes on."""
    if on_firmware.is_firmware(args.on, args.board):
        on_firmware.refuse(args.kernels, None)
        with on_firmware.opened(args.on, args.board, args.model) as runner:
            return tuple(record.hash for record in runner.device.run(values, operators=True).operators)
    return on_board.hashes(args.on, args.model, args.kernels, values, say)

"""A network in a board's firmware, at the end of a serial line or in an emulator, run from here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.model import Model, load
from linnet_converter import lnt_file

from . import Board, board, building, hashes, names
from .conversation import Device, Inference
from .estimate import Estimate, estimate
from .qemu_board import Counter, Emulated, instructions
from .serial_line import SerialLine

SERIAL, EMULATOR = "serial:", "emulator"

EMULATOR_PATIENCE = 600.0
"""Seconds that an emulated board may be silent: it computes slower than a real one, slower yet on a busy machine."""


def is_firmware(where: str, board_name: str | None) -> bool:
    """Whether `--on where --board board_name` means a microcontroller."""
    if where.startswith(SERIAL):
        return True
    return where == EMULATOR and board_name in names() and board(board_name).cortex_m is not None


def refuse(kernels: str | None, ram: int | None, threads: tuple[int, ...] = (1,)) -> None:
    """Raises LinnetError for options that firmware, once built, does not have."""
    if kernels is not None or ram is not None or threads != (1,):
        raise LinnetError("firmware has its kernels, RAM and one thread from `linnet build`: leave these options out")


@dataclass(frozen=True)
class OperatorCost:
    """One operator in one inference: instructions in an emulator, cycles on a board."""

    index: int
    name: str
    kind: str
    count: int


class FirmwareRunner:
    """A model that runs on a board, beside the same model here: every answer can be checked operator by operator."""

    def __init__(
        self, model: Model, device: Device, machine: Board, counter: Counter | None = None, words: int = 0
    ) -> None:
        """machine: the board that is meant.  counter: of the emulator.  words: weights that an inference reads."""
        self.model, self.device, self.machine = model, device, machine
        self._counter, self._words = counter, words

    def run(self, values: npt.NDArray[Any]) -> npt.NDArray[np.signedinteger[Any]]:
        """The answer for prepared input, as `Model.run_quantized` gives it."""
        return self._shaped(self.device.run(values).output)

    def _shaped(self, output: bytes) -> npt.NDArray[np.signedinteger[Any]]:
        details = self.model.output_details
        shape = details.shape[2:] if details.shape[:2] == (1, 1) else details.shape
        return np.frombuffer(output, details.dtype).reshape(shape)

    def verify(self, values: npt.NDArray[Any]) -> tuple[Inference, list[npt.NDArray[Any]]]:
        """Run there and here. The answer from there, and here's tensors, which have been found the same.

        Raises LinnetError naming the first operator whose values differ.
        """
        there = self.device.run(values, operators=True)
        here = self.model.trace(values)
        for traced, record in zip(here, there.operators, strict=True):
            if hashes.of_values(traced.values) != record.hash:
                raise LinnetError(
                    f"{self.machine.name}: {traced.name} ({traced.kind.name}) computes other values than here"
                )
        return there, [traced.values for traced in here]

    def answers(
        self, inputs: Iterable[npt.NDArray[Any]], operator: int | None = None
    ) -> Iterator[tuple[npt.NDArray[np.int32], int]]:
        """For each input the flat answer, or what an operator computed, and nanoseconds; all operators are verified.

        The time is the board's own, or in an emulator an estimate.
        """
        for values in inputs:
            found, tensors = self.verify(values)
            chosen = self._shaped(found.output) if operator is None else tensors[operator]
            yield chosen.astype(np.int32).ravel(), self._nanoseconds(found)

    def _nanoseconds(self, found: Inference) -> int:
        if self._counter is None:
            return round(1e9 * found.ticks / self.device.info.clock_hz)
        return round(1e6 * self.estimated(self._counter.take()).milliseconds)

    def estimated(self, counts: dict[str, int]) -> Estimate:
        """counts: of one inference by class."""
        target = self.machine.cortex_m
        assert target
        word_cycles = target.region(target.model).cycles_per_word
        return estimate(self.machine.core, target.boot_clock_mhz, counts, self._words, word_cycles)

    def profile(self, values: npt.NDArray[Any]) -> tuple[int, list[OperatorCost], Estimate | None]:
        """Instructions (emulator) or cycles (board) of one inference and of its operators, and what is estimated."""
        there, _ = self.verify(values)
        if self._counter:
            self._counter.take()
        plain = self.device.run(values)
        guess = self.estimated(self._counter.take()) if self._counter else None
        file = self.model.file
        costs = [
            OperatorCost(i, file.op_name(i), file.op_kind(i).name, self._count(record.ticks))
            for i, record in enumerate(there.operators)
        ]
        return self._count(plain.ticks), costs, guess

    def _count(self, ticks: int) -> int:
        return instructions(ticks, self.device.info.clock_hz) if self._counter else ticks


@contextmanager
def opened(
    where: str, board_name: str | None, path: str | Path, folder: Path | None = None
) -> Iterator[FirmwareRunner]:
    """The model on a board. where: serial:PORT, or emulator, which builds the firmware first (in `folder`, if given).

    Raises LinnetError.
    """
    with ExitStack() as stack:
        model = load(path)
        graph, _ = lnt_file.read(Path(path).read_bytes())
        counter, words = None, 0
        if where.startswith(SERIAL):
            line: SerialLine | Emulated = SerialLine(where.removeprefix(SERIAL))
            stack.callback(line.close)
            device = Device(line)
            machine = board(device.info.board)
        else:
            machine = board(board_name or "")
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linnet-emulator-")))
            made = folder or work / "made"
            building.build(graph, emulated(machine), made, push_rows=True, planned_for=machine)
            counter = Counter(made / building.ELF, work)
            assert machine.cortex_m
            line = Emulated(machine.cortex_m.emulator, made / building.ELF, counter.options)
            stack.callback(line.close)
            device = Device(line, patience=EMULATOR_PATIENCE)
            words = building.report(made)["weight_words"]
        shape = building.shape_of(graph)
        if (device.info.network_crc, device.info.operators) != (shape.network_crc, shape.operators) or (
            device.info.output_bytes != shape.outputs * model.output_details.dtype.itemsize
        ):
            raise LinnetError(f"{machine.name} holds another network than {path}: linnet build and linnet flash it")
        yield FirmwareRunner(model, device, machine, counter, words)


def emulated(machine: Board) -> Board:
    """The board as the emulator has it: its own code, in the memory of the machine that stands in for it.

    Raises LinnetError where there is no machine.
    """
    target = machine.cortex_m
    if target is None or not target.emulator:
        known = ", ".join(name for name in names() if (found := board(name).cortex_m) and found.emulator)
        raise LinnetError(f"{machine.name} cannot be emulated; known are {known}")
    if target.emulator == machine.name:
        return machine
    there = board(target.emulator).cortex_m
    assert there
    place = replace(there, flags=target.flags, stack_bytes=target.stack_bytes)
    return replace(machine, cortex_m=place)

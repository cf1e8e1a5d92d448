"""A network on a board at the other end of a line: the workstation's side of docs/protocol.md."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from linnet import _native
from linnet.errors import LinnetError

from . import protocol
from .protocol import Frame, Request

FIRST_WAIT = 0.5
"""Seconds after which a request is sent again; each time twice as long."""

_HELLO = struct.Struct("<5I4HIH")
_FINISH = struct.Struct("<3I")
_OPERATOR = struct.Struct("<IQ")
_CODE = struct.Struct("<i")
_OWN_CODES = {-100: "it does not know this request", -101: "the request has a wrong length", -102: "out of sequence"}
_OUT_OF_SEQUENCE = -102


class Transport(Protocol):
    """A line to a board."""

    name: str

    def write(self, data: bytes) -> None: ...

    def read(self, seconds: float) -> bytes:
        """What has arrived, after waiting for it no longer than this; empty where nothing has."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Info:
    """What a board says of itself. input_shape: (height, width, channels).  network_crc: `building.network_crc`.
    clock: "dwt" or "systick".
    """

    board: str
    network_crc: int
    model_bytes: int
    arena_bytes: int
    stack_bytes: int
    clock_hz: int
    input_shape: tuple[int, int, int]
    operators: int
    output_bytes: int
    clock: str


@dataclass(frozen=True)
class OperatorRecord:
    """hash: of all values that an operator computed (`hashes.of_values`).  ticks: of the board's clock."""

    hash: int
    ticks: int


@dataclass(frozen=True)
class Inference:
    """One answer. output: as the network computes it.  ticks: from the first row to the answer, waiting for rows left
    out.  stack_used: the most bytes so far.  operators: empty unless asked for.
    """

    output: bytes
    ticks: int
    stack_used: int
    operators: tuple[OperatorRecord, ...]


class Device:
    """A conversation with one board. Every request is answered once, whatever the line loses, doubles or damages."""

    def __init__(self, transport: Transport, *, first_wait: float = FIRST_WAIT, patience: float = 60.0) -> None:
        """patience: seconds without an answer after which the board counts as absent.

        Raises LinnetError where nobody answers or the firmware speaks another version.
        """
        self._transport = transport
        self._first_wait, self._patience = first_wait, patience
        self._reader = protocol.Reader()
        self._sequence = 0
        self.resent = 0
        """Requests that had to be sent again."""
        self.info = self._hello()

    def run(self, values: npt.NDArray[Any], *, operators: bool = False) -> Inference:
        """One inference on what the network takes, (height, width, channels), of one byte each.

        operators: also their hashes and times, which makes it slower. Raises LinnetError.
        """
        if values.shape != self.info.input_shape or values.itemsize != 1:
            raise LinnetError(f"{self._transport.name}: the network takes {self.info.input_shape}, not {values.shape}")
        self._ask(Request.begin, bytes([operators]))
        for row in np.ascontiguousarray(values):
            self._ask(Request.rows, row.tobytes())
        low, high, stack = self._fields(_FINISH, self._ask(Request.finish))
        output = self._all(Request.output, "<I", 1, self.info.output_bytes)
        raw = self._all(Request.operators, "<H", _OPERATOR.size, self.info.operators if operators else 0)
        records = tuple(OperatorRecord(*found) for found in _OPERATOR.iter_unpack(raw))
        return Inference(output, low | high << 32, stack, records)

    def close(self) -> None:
        self._transport.close()

    def _all(self, request: Request, start: str, size: int, count: int) -> bytes:
        """So many things of a size that a request gives some of, from the one on that it names."""
        whole = b""
        while len(whole) < size * count:
            part = self._ask(request, struct.pack(start, len(whole) // size))
            whole += part
            if not part or len(part) % size or len(whole) > size * count:
                raise self._nonsense(part)
        return whole

    def _fields(self, form: struct.Struct, payload: bytes) -> tuple[Any, ...]:
        if len(payload) < form.size:
            raise self._nonsense(payload)
        return form.unpack_from(payload)

    def _nonsense(self, payload: bytes) -> LinnetError:
        name, count = self._transport.name, len(payload)
        return LinnetError(f"{name}: an answer of {count} bytes makes no sense: build and flash the firmware anew")

    def _hello(self) -> Info:
        raw = self._ask(Request.hello)
        fields = self._fields(_HELLO, raw)
        crc, model, arena, stack, hz, height, width, channels, operators, output, dwt = fields
        if hz == 0:
            raise self._nonsense(raw)
        return Info(
            board=raw[_HELLO.size :].decode("ascii", "replace"),
            network_crc=crc,
            model_bytes=model,
            arena_bytes=arena,
            stack_bytes=stack,
            clock_hz=hz,
            input_shape=(height, width, channels),
            operators=operators,
            output_bytes=output,
            clock="dwt" if dwt else "systick",
        )

    def _ask(self, request: Request, payload: bytes = b"") -> bytes:
        """The answer's payload. The board carries a request out once, however often it comes."""
        self._sequence = (self._sequence + 1) % 65536
        sent = protocol.encode(Frame(protocol.VERSION, request, self._sequence, payload))
        wait, started = self._first_wait, time.monotonic()
        while True:
            self._transport.write(sent)
            answer = self._await(request, wait)
            if answer is not None:
                return answer
            if time.monotonic() - started > self._patience:
                raise LinnetError(
                    f"{self._transport.name}: no answer for {self._patience:.0f} seconds: is the firmware running, and "
                    "the line the right one?"
                )
            wait *= 2
            self.resent += 1

    def _await(self, request: Request, seconds: float) -> bytes | None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for frame in self._reader.take(self._transport.read(left)):
                if frame.version != protocol.VERSION:
                    raise LinnetError(
                        f"{self._transport.name}: the firmware speaks version {frame.version} of the protocol, this "
                        f"package {protocol.VERSION}: build and flash it anew"
                    )
                if frame.type == protocol.REFUSED and frame.sequence in {0, self._sequence}:
                    (code,) = self._fields(_CODE, frame.payload)
                    if code != _OUT_OF_SEQUENCE or frame.sequence:
                        text = _OWN_CODES.get(code) or _native.error_text(code)
                        raise LinnetError(f"{self._transport.name}: the board says: {text}")
                if frame.type == request | protocol.ANSWER and frame.sequence == self._sequence:
                    return frame.payload
        return None

"""Frames on a serial line, as boards/firmware/frame.c has them: docs/protocol.md."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

VERSION = 1
MOST_BYTES = 1 << 17
"""More than any frame has: a row of 65,535 bytes and what is around it."""
ANSWER = 0x80
REFUSED = 0xFF


class Request(IntEnum):
    """What the workstation asks for; an answer has ANSWER added to it."""

    hello = 1
    begin = 2
    rows = 3
    finish = 4
    output = 5
    operators = 6


@dataclass(frozen=True)
class Frame:
    """One message. sequence: 0 to 65535; an answer has that of its request."""

    version: int
    type: int
    sequence: int
    payload: bytes


def stuff(data: bytes) -> bytes:
    """Consistent overhead byte stuffing (Cheshire and Baker 1999): the same without zeros."""
    out = bytearray()
    *parts, last = data.split(b"\0")
    for part in parts:
        whole = len(part) // 254 * 254
        out += b"".join(b"\xff" + part[at : at + 254] for at in range(0, whole, 254))
        out += bytes([len(part) - whole + 1]) + part[whole:]
    for at in range(0, max(len(last), 1), 254):
        group = last[at : at + 254]
        out += bytes([len(group) + 1]) + group
    return bytes(out)


def unstuff(data: bytes) -> bytes | None:
    """What `stuff` was given, or None where the data cannot come from it."""
    out = bytearray()
    at = 0
    while at < len(data):
        group = data[at]
        part = data[at + 1 : at + group]
        if group == 0 or len(part) != group - 1:
            return None
        at += group
        out += part
        if group != 255 and at < len(data):
            out.append(0)
    return bytes(out)


def encode(frame: Frame) -> bytes:
    """As it goes over the line."""
    raw = struct.pack("<BBH", frame.version, frame.type, frame.sequence) + frame.payload
    return b"\0" + stuff(raw + struct.pack("<I", zlib.crc32(raw))) + b"\0"


def decode(part: bytes) -> Frame | None:
    """What lies between two zeros, or None where that is no whole, undamaged frame."""
    raw = unstuff(part)
    if raw is None or len(raw) < 8 or zlib.crc32(raw[:-4]) != struct.unpack("<I", raw[-4:])[0]:
        return None
    version, kind, sequence = struct.unpack_from("<BBH", raw)
    return Frame(version, kind, sequence, raw[4:-4])


class Reader:
    """Finds the frames in what arrives."""

    def __init__(self) -> None:
        self._left = b""

    def take(self, data: bytes) -> Iterator[Frame]:
        """The frames that end in these bytes; damaged ones are passed over."""
        *parts, self._left = (self._left + data).split(b"\0")
        self._left = self._left[:MOST_BYTES]  # what speaks another language may never end a frame
        for part in parts:
            frame = decode(part) if part else None
            if frame is not None:
                yield frame

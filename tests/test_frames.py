"""The serial protocol's frames: the same in C and Python, and nothing damaged ever comes through."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest

from linnet_boards import hashes, protocol
from linnet_boards.protocol import Frame

FIRMWARE = Path(__file__).parent.parent / "boards/firmware"
CAPACITY = 1200

ffi = cffi.FFI()
ffi.cdef("""
typedef struct frame_reader {
    uint8_t *bytes; uint32_t capacity; uint32_t count; uint8_t left; uint8_t group; bool damaged;
} frame_reader;
uint32_t frame_take(frame_reader *reader, uint8_t byte);
void frame_send(uint8_t *bytes, uint32_t count, void (*put)(uint8_t byte));
""")


@pytest.fixture(scope="module")
def firmware(cc: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """boards/firmware/frame.c, compiled for this machine."""
    library = tmp_path_factory.mktemp("frame") / "frame.so"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    subprocess.run([*cc, *flags, FIRMWARE / "frame.c", "-o", library], check=True)
    return ffi.dlopen(str(library))


class Reader:
    """The firmware's side."""

    def __init__(self, firmware: Any, capacity: int = CAPACITY) -> None:
        self.firmware = firmware
        self.memory = ffi.new("uint8_t[]", capacity + 16)
        ffi.buffer(self.memory)[capacity:] = b"\xa5" * 16
        self.capacity = capacity
        self.reader = ffi.new("frame_reader *", {"bytes": self.memory, "capacity": capacity})

    def take(self, data: bytes) -> list[bytes]:
        found = []
        for byte in data:
            count = self.firmware.frame_take(self.reader, byte)
            if count:
                found.append(bytes(ffi.buffer(self.memory)[:count]))
            assert ffi.buffer(self.memory)[self.capacity :] == b"\xa5" * 16
        return found


def raw(frame: Frame) -> bytes:
    return bytes([frame.version, frame.type, frame.sequence & 255, frame.sequence >> 8]) + frame.payload


def payloads() -> list[bytes]:
    rng = np.random.default_rng(1)
    lengths = [0, 1, 2, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 256, 500, 760, 1000]
    random = [rng.integers(0, 256, n).astype(np.uint8).tobytes() for n in lengths]
    return [*random, *(bytes(n) for n in lengths), *(b"\x01" * n for n in lengths)]


def test_both_sides_agree(firmware: Any) -> None:
    reader = Reader(firmware)
    python = protocol.Reader()
    sent = bytearray()
    put = ffi.callback("void(uint8_t)", sent.append)
    for i, payload in enumerate(payloads()):
        frame = Frame(protocol.VERSION, 3, i * 997 % 65536, payload)
        line = protocol.encode(frame)
        assert line[0] == line[-1] == 0 and 0 not in line[1:-1]
        assert reader.take(line) == [raw(frame)]
        assert list(python.take(line)) == [frame]
        sent.clear()
        memory = ffi.new("uint8_t[]", raw(frame) + bytes(4))
        firmware.frame_send(memory, len(raw(frame)), put)
        assert bytes(sent) == line


def test_damage(firmware: Any) -> None:
    """Flipped, lost, doubled and additional bytes: what comes out was sent, and the next frame is whole."""
    rng = np.random.default_rng(2)
    reader, python = Reader(firmware), protocol.Reader()
    good = Frame(1, 2, 7, b"the next one")
    passed = 0
    for payload in payloads() * 6:
        frame = Frame(1, 3, int(rng.integers(65536)), payload)
        line = bytearray(protocol.encode(frame))
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(line)))
            match int(rng.integers(4)):
                case 0:
                    line[at] ^= 1 << int(rng.integers(8))
                case 1 if len(line) > 1:
                    del line[at]
                case 2:
                    line.insert(at, line[at])
                case _:
                    line.insert(at, int(rng.integers(256)))
        arrived = bytes(line) + protocol.encode(good)
        for found in (reader.take(arrived), [raw(frame) for frame in python.take(arrived)]):
            assert found[-1] == raw(good)
            assert all(part == raw(frame) for part in found[:-1])
            passed += len(found) > 1
    assert passed  # a zero too many, or a byte between frames, does no harm


def test_too_long(firmware: Any) -> None:
    reader = Reader(firmware, 32)
    fits, long = Frame(1, 3, 1, bytes(range(24))), Frame(1, 3, 1, bytes(range(25)))
    assert reader.take(protocol.encode(long)) == []
    assert reader.take(protocol.encode(fits)) == [raw(fits)]


def test_hash_is_that_of_the_firmware() -> None:
    """FNV-1a, written out once more."""

    def fnv1a(data: bytes) -> int:
        value = 2166136261
        for byte in data:
            value = (value ^ byte) * 16777619 % 2**32
        return value

    rng = np.random.default_rng(3)
    for dtype in (np.int8, np.int32):
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min, limits.max, (3, 4, 5), dtype)
        wanted = 0
        for y in range(3):
            for x in range(4):
                place = y.to_bytes(4, "little") + x.to_bytes(4, "little")
                wanted += fnv1a(place + values[y, x].tobytes())
        assert hashes.of_values(values) == wanted % 2**32

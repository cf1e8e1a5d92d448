"""Firmware that answers nonsense, and folders that hold more than firmware."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_networks

from linnet import cli
from linnet.errors import LinnetError
from linnet_boards import board, building, protocol, serial_line
from linnet_boards.conversation import Device
from linnet_boards.protocol import ANSWER, REFUSED, VERSION, Frame, Request

HELLO = struct.pack("<5I4HIH", 1, 2, 3, 4, 1_000_000, 2, 3, 1, 2, 6, 0) + b"board"
GOOD = {
    Request.hello: HELLO,
    Request.begin: b"",
    Request.rows: b"",
    Request.finish: struct.pack("<3I", 7, 0, 9),
    Request.output: b"abcdef",
    Request.operators: struct.pack("<IQIQ", 1, 2, 3, 4),
}


class Board:
    """Answers each request with what is written down, ahead of it whatever `first` is."""

    name = "it"

    def __init__(self, answers: dict[Request, bytes], first: bytes = b"", version: int = VERSION) -> None:
        self._answers, self._first, self._version = answers, first, version
        self._reader = protocol.Reader()
        self._out = b""

    def write(self, data: bytes) -> None:
        for frame in self._reader.take(data):
            payload = self._answers[Request(frame.type)]
            answer = Frame(self._version, frame.type | ANSWER, frame.sequence, payload)
            self._out += self._first + protocol.encode(answer)

    def read(self, seconds: float) -> bytes:  # noqa: ARG002
        out, self._out = self._out, b""
        return out

    def close(self) -> None: ...


def run(line: Board) -> bytes:
    device = Device(line, first_wait=0.05, patience=0.05)
    return device.run(np.zeros((2, 3, 1), np.uint8), operators=True).output


def test_what_a_good_board_says() -> None:
    assert run(Board(GOOD)) == b"abcdef"
    noise = b"boot: ok\r\n" * 100 + b"\xff\xfe" + b"\0" + bytes(range(1, 255)) * 2 + b"\0"
    assert run(Board(GOOD, noise)) == b"abcdef"
    stale = protocol.encode(Frame(VERSION, Request.finish | ANSWER, 65535, b"old"))
    assert run(Board(GOOD, stale)) == b"abcdef"


@pytest.mark.parametrize(
    ("request_", "payload"),
    [
        (Request.hello, b""),
        (Request.hello, HELLO[:20]),
        (Request.hello, struct.pack("<5I4HIH", 1, 2, 3, 4, 0, 2, 3, 1, 2, 6, 0)),  # a clock of 0 Hz
        (Request.finish, b""),
        (Request.finish, b"\1" * 11),
        (Request.output, b""),
        (Request.output, b"more than it said"),
        (Request.operators, b""),
        (Request.operators, b"\1" * 13),
        (Request.operators, b"\1" * 36),
    ],
)
def test_answers_of_a_wrong_length(request_: Request, payload: bytes) -> None:
    with pytest.raises(LinnetError, match=f"it: an answer of {len(payload)} bytes makes no sense"):
        run(Board(GOOD | {request_: payload}))


def test_another_version() -> None:
    with pytest.raises(LinnetError, match="speaks version 2 of the protocol, this package 1"):
        run(Board(GOOD, version=2))


@pytest.mark.parametrize("payload", [b"", b"\1"])
def test_a_refusal_without_a_reason(payload: bytes) -> None:
    with pytest.raises(LinnetError, match="makes no sense"):
        run(Board(GOOD, protocol.encode(Frame(VERSION, REFUSED, 0, payload))))


def test_what_never_ends_a_frame_is_forgotten() -> None:
    reader = protocol.Reader()
    for _ in range(40):
        assert not list(reader.take(b"\1" * 65536))
    assert len(reader._left) == protocol.MOST_BYTES
    frame = Frame(VERSION, 1, 2, b"x" * 65535)
    assert list(reader.take(protocol.encode(frame))) == [frame]


def test_a_port_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "WRITE_SECONDS", 0.2)
    ours, theirs = os.openpty()
    line = serial_line.SerialLine(os.ttyname(theirs))
    try:
        with pytest.raises(LinnetError, match="the port has gone: Write timeout"):
            line.write(bytes(1_000_000))
    finally:
        line.close()
        os.close(ours)
        os.close(theirs)


# ---------------------------------------------------------------------------------------------- folders


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Builds without a compiler, into tmp_path/made."""
    built = building.Built("mps2-an386", "ref", 1, 2, 3, 4, (), (), (), ())

    def compiled(_graph: object, _board: object, made: Path, *_: object) -> building.Built:
        (made / "c").mkdir()
        (made / "c/example.c").touch()
        (made / building.ELF).touch()
        return built

    monkeypatch.setattr(building, "_build", compiled)

    def build() -> Path:
        building.build(small_networks.classifier(), board("mps2-an386"), tmp_path / "made", push_rows=True)
        return tmp_path / "made"

    return build


def test_a_folder_is_built_again_but_nobody_elses_file_is_lost(builds: Callable[[], Path]) -> None:
    made = builds()
    before = (made / building.ELF).stat().st_ino
    assert (builds() / building.ELF).stat().st_ino != before
    mine = made / "c/camera.c"
    mine.write_text("int camera;")
    with pytest.raises(LinnetError, match=r"c/camera\.c: was not made by linnet build, and would be lost: move it"):
        builds()
    assert mine.exists()
    (made / building.REPORT).write_text("{")
    with pytest.raises(LinnetError, match=r"build\.json: damaged"):
        builds()
    assert [path.name for path in made.parent.iterdir()] == ["made"]


def test_what_fails_leaves_the_old_folder(builds: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    made = builds()
    before = (made / building.ELF).stat().st_ino

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "_build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        builds()
    assert (made / building.ELF).stat().st_ino == before
    assert [path.name for path in made.parent.iterdir()] == ["made"]


@pytest.mark.parametrize(
    "options",
    [
        ["validate", "--against", "x.onnx", "--images", "."],
        ["bench", "--threads", "2"],
        ["bench", "--ram", "64K"],
        ["bench", "--kernels", "ref"],
        ["run", "p.png", "--threads", "2"],
        ["run", "p.png", "--ram", "64K"],
    ],
)
def test_options_that_firmware_does_not_have(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if options[0] == "validate":
        from linnet_boards import places

        with pytest.raises(LinnetError, match="from `linnet build`: leave these options out"):
            places.open_answers("serial:/dev/null", None, "m.lnt", "ref", None, print)
        return
    (tmp_path / "m.lnt").write_bytes(small_networks.lnt(small_networks.classifier()))
    command = [options[0], str(tmp_path / "m.lnt"), *options[1:], "--on", "serial:/dev/null"]
    assert cli.main(command) == 1
    assert "from `linnet build`: leave these options out" in capsys.readouterr().err

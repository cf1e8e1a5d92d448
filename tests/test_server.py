"""boards/firmware/server.c as a program of this machine: every request, right and wrong, once and again."""

from __future__ import annotations

import os
import re
import select
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import no_compiler
import numpy as np
import pytest
import random_networks
import small_networks

import linnet
from linnet.errors import LinnetError
from linnet_boards import board, building, firmware, hashes, protocol
from linnet_boards.conversation import Device
from linnet_boards.protocol import ANSWER, REFUSED, Frame, Request
from linnet_converter.qgraph import QGraph

PORT = Path(__file__).parent / "c/firmware/port_native.c"
WRONG_TYPE, WRONG_LENGTH, WRONG_SEQUENCE = -100, -101, -102


class Server:
    """The running program: a `conversation.Transport`, and frames one by one."""

    name = "server"

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._reader = protocol.Reader()
        self.deaf = 0
        """So many answers are lost on the way."""
        self.asked = 0

    def write(self, data: bytes) -> None:
        assert self._process.stdin
        self.asked += 1
        self._process.stdin.write(data)

    def read(self, seconds: float) -> bytes:
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], max(seconds, 0))
        data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
        if data and self.deaf:
            self.deaf -= 1
            return b""
        return data

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, kind: int, sequence: int, payload: bytes = b"") -> Frame:
        """One request and its answer."""
        self.write(protocol.encode(Frame(protocol.VERSION, kind, sequence, payload)))
        while True:
            data = self.read(10)
            assert data, "no answer"
            for frame in self._reader.take(data):
                assert frame.sequence == sequence and frame.version == protocol.VERSION
                return frame

    def refusal(self, kind: int, sequence: int, payload: bytes = b"") -> int:
        frame = self.ask(kind, sequence, payload)
        assert frame.type == REFUSED
        return int(struct.unpack("<i", frame.payload)[0])


@pytest.fixture(scope="module")
def graph() -> QGraph:
    return small_networks.classifier(softmax=True)


@pytest.fixture(scope="module")
def code(graph: QGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drop-in folder."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        no_compiler.install(patch)
        building.build(graph, board("mps2-an385"), folder / "made", push_rows=True)
    return folder / "made" / building.DROP_IN


def compiled(code: Path, folder: Path, cc: list[str], model: str) -> Path:
    """The firmware with model.c as given."""
    target = board("mps2-an385").cortex_m
    assert target
    (folder / "port_config.h").write_text(firmware.port_config(board("mps2-an385"), target, 4096))
    (folder / "model.c").write_text(model)
    listed = re.search(r"STATIC\n(.*?)\n\)", (code / "CMakeLists.txt").read_text(), re.S)
    assert listed
    files = [code / source for source in listed[1].split() if source != "model.c"]
    files += [folder / "model.c", PORT, *(firmware.SOURCES / f"{name}.c" for name in ("main", "server", "frame"))]
    includes = [f"-I{path}" for path in (folder, firmware.SOURCES, code, code / "linnet/include", code / "linnet/src")]
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-DLNT_FIRMWARE"]
    subprocess.run([*cc, *flags, *includes, *files, "-o", folder / "server"], check=True)
    return folder / "server"


@pytest.fixture(scope="module")
def program(code: Path, cc: list[str]) -> Path:
    return compiled(code, code.parent, cc, (code / "model.c").read_text())


@pytest.fixture
def server(program: Path) -> Iterator[Server]:
    running = Server(program)
    yield running
    running.close()


def test_an_inference(server: Server, graph: QGraph) -> None:
    device = Device(server)
    here = linnet.load(small_networks.lnt(graph))
    assert device.info.board == "mps2-an385" and device.info.clock == "dwt"
    assert device.info.input_shape == graph.tensors[0].shape and device.info.operators == len(graph.ops)
    assert device.info.network_crc == building.network_crc(graph)
    for seed in (1, 2):
        picture = random_networks.picture(graph, seed)
        there = device.run(picture, operators=True)
        assert there.output == here.run_quantized(picture).tobytes()
        assert [o.hash for o in there.operators] == [hashes.of_values(o.values) for o in here.trace(picture)]
        assert there.stack_used == 1234
        # A look at this clock takes 7 ticks, and that is taken off: what stays is nothing.
        assert there.ticks == 0 and all(o.ticks == 0 for o in there.operators)
    assert device.resent == 0


def test_a_request_that_comes_again_is_not_carried_out_again(server: Server, graph: QGraph) -> None:
    """Each answer is lost once: the row that was pushed is not pushed twice."""
    here = linnet.load(small_networks.lnt(graph))
    picture = random_networks.picture(graph, 3)
    device = Device(server, first_wait=0.05)
    server.deaf, before = 5, server.asked
    assert device.run(picture).output == here.run_quantized(picture).tobytes()
    assert device.resent >= 5 and server.asked - before >= 5 + 2 + len(picture)


def test_requests_one_by_one(server: Server, graph: QGraph) -> None:
    picture = random_networks.picture(graph, 4)
    rows = [row.tobytes() for row in picture]
    assert server.ask(Request.hello, 65534).type == Request.hello | ANSWER
    assert server.refusal(Request.begin, 500, b"\0") == WRONG_SEQUENCE
    assert server.ask(Request.begin, 65535, b"\1").type == Request.begin | ANSWER
    assert server.ask(Request.rows, 0, rows[0]).payload == b""  # 65536 is 0
    assert server.ask(Request.rows, 0, rows[0]).payload == b""  # again: not pushed again
    assert server.refusal(Request.rows, 1, rows[1][:-1]) == WRONG_LENGTH
    assert server.refusal(Request.output, 2, struct.pack("<I", 0)) < 0  # no answer yet
    assert server.refusal(77, 3) == WRONG_TYPE
    assert server.refusal(Request.begin, 4) == WRONG_LENGTH
    assert server.refusal(Request.operators, 5, b"\0") == WRONG_LENGTH
    assert server.refusal(Request.finish, 6) < 0  # rows are missing
    for number, row in enumerate(rows[1:], start=7):
        assert server.ask(Request.rows, number, row).type == Request.rows | ANSWER
    number = 7 + len(rows) - 1
    assert server.refusal(Request.rows, number, rows[0]) < 0  # one too many
    assert server.ask(Request.finish, number + 1).type == Request.finish | ANSWER
    output = server.ask(Request.output, number + 2, struct.pack("<I", 0)).payload
    assert output == linnet.load(small_networks.lnt(graph)).run_quantized(picture).tobytes()
    assert server.ask(Request.output, number + 3, struct.pack("<I", 4)).payload == output[4:]
    assert server.ask(Request.output, number + 4, struct.pack("<I", len(output))).payload == b""
    assert server.refusal(Request.output, number + 5, struct.pack("<I", len(output) + 1)) < 0
    assert server.refusal(Request.output, number + 6, b"") == WRONG_LENGTH
    records = server.ask(Request.operators, number + 7, struct.pack("<H", 0)).payload
    assert len(records) == 12 * len(graph.ops)
    assert server.ask(Request.operators, number + 8, struct.pack("<H", 3)).payload == records[36:]
    assert server.ask(Request.operators, number + 9, struct.pack("<H", len(graph.ops))).payload == b""


class Late:
    """A board whose answer to the request before comes first."""

    name = "late"

    def __init__(self) -> None:
        self._waiting = b""

    def write(self, data: bytes) -> None:
        (asked,) = protocol.Reader().take(data)
        payload = struct.pack("<5I4HIH", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0)
        for sequence, board_name in ((asked.sequence - 1, b"before"), (asked.sequence, b"now")):
            answer = Frame(protocol.VERSION, asked.type | ANSWER, sequence % 65536, payload + board_name)
            self._waiting += protocol.encode(answer)

    def read(self, seconds: float) -> bytes:  # noqa: ARG002
        data, self._waiting = self._waiting, b""
        return data

    def close(self) -> None: ...


def test_old_answers_are_passed_over() -> None:
    """An answer that comes after its request was repeated must not be taken for that of the next request."""
    assert Device(Late()).info.board == "now"


def test_another_version(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "VERSION", 2)
    running = Server(program)
    try:
        with pytest.raises(LinnetError, match="the firmware speaks version 1 of the protocol, this package 2: build"):
            Device(running)
    finally:
        running.close()


def test_a_picture_of_another_size(server: Server) -> None:
    device = Device(server)
    with pytest.raises(LinnetError, match=r"the network takes \(12, 10, 3\), not \(12, 10, 4\)"):
        device.run(np.zeros((12, 10, 4), np.uint8))


def test_a_network_that_cannot_be_opened(code: Path, cc: list[str], tmp_path: Path) -> None:
    """The firmware says why, unasked."""
    text = (code / "model.c").read_text()
    identifier = "".join(f"\\{byte:03o}" for byte in b"LNT1")
    assert identifier in text
    running = Server(compiled(code, tmp_path, cc, text.replace(identifier, identifier[:-1] + "0", 1)))
    try:
        with pytest.raises(LinnetError, match=r"the board says: this is no \.lnt file"):
            Device(running)
    finally:
        running.close()

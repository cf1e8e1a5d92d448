"""Other runtimes that `linnet bench` compares with: what each needs, and a process for each."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.measure import SETTLE, Block

WORKER = Path(__file__).with_name("peer_worker.py")

PINS = {
    "onnxruntime": "pip install onnxruntime==1.31.1",
    "litert": "pip install ai-edge-litert==2.3.0",
    "tflite-runtime": "pip install tflite-runtime==2.14.0 'numpy<2', with Python 3.9 to 3.11; in an environment of its "
    "own, named by --peer-python tflite-runtime=PYTHON",
}
"""What makes each peer work where it does not."""

OPEN_SECONDS = 120.0
BLOCK_SECONDS = 600.0


class PeerError(LinnetError):
    """A peer that cannot be measured, and why, in one line. runtime: it is broken itself, not the file it was given."""

    def __init__(self, why: str, runtime: bool = True) -> None:
        super().__init__(why)
        self.runtime = runtime


@dataclass(frozen=True)
class Peer:
    """One runtime with one file. key: how JSON names it.  kind: one of PINS.

    channels_first: for onnxruntime, whether the file takes NCHW.
    """

    key: str
    kind: str
    model: Path
    python: str = sys.executable
    channels_first: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Input:
    """The picture that all are given: uint8 (height, width, channels), and (pixel - mean) / std."""

    pixels: npt.NDArray[np.uint8]
    mean: Sequence[float]
    std: Sequence[float]


class PeerRunner:
    """A peer in its process, a linnet.measure.Timed. version: of the runtime.  top1: the class it finds in the input.

    Raises PeerError where it does not start. A context manager: leaving it ends the process.
    """

    def __init__(self, peer: Peer, threads: int, given: Input) -> None:
        self.peer = peer
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 lives as long as the process
        try:
            self._process = subprocess.Popen(
                [peer.python, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
            )
        except OSError as error:
            self._log.close()
            raise PeerError(f"{peer.python}: {error.strerror or error}") from error
        try:
            with tempfile.NamedTemporaryFile(suffix=".npy") as file:
                np.save(file, given.pixels)
                file.flush()
                opened = self._ask(
                    {
                        "kind": peer.kind,
                        "model": str(peer.model),
                        "threads": threads,
                        "pixels": file.name,
                        "mean": list(given.mean),
                        "std": list(given.std),
                        "channels_first": peer.channels_first,
                    },
                    OPEN_SECONDS,
                )
        except BaseException:
            self.close()
            raise
        self.version: str = opened["version"]
        self.top1: int = opened["top1"]

    @property
    def name(self) -> str:
        return self.peer.key

    def time(self, runs: int) -> Block:
        try:
            answer = self._ask({"runs": runs, "settle": SETTLE}, BLOCK_SECONDS)
        except PeerError as error:
            raise PeerError(f"{self.name}: {error}", error.runtime) from error
        return Block(np.array(answer["seconds"]), answer["preempted"], answer["cpu_seconds"], answer["process_seconds"])

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):  # of what it has not read
            self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> PeerRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, task: dict[str, Any], seconds: float) -> dict[str, Any]:
        """One line there, one line back."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps(task).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise PeerError(self._ended()) from error
        # one answer a question, so that nothing can be left in stdout's buffer
        if not select.select([stdout], [], [], seconds)[0]:
            raise PeerError(f"it has not answered for {seconds:.0f} seconds")
        line = stdout.readline()
        if not line:
            raise PeerError(self._ended())
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise PeerError(f"it answered {line[:40]!r}: is {self.peer.python} a Python?") from error
        if "error" in answer:
            raise PeerError(answer["error"], answer["runtime"])
        return answer

    def _ended(self) -> str:
        status = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with status {status}" + (f": {said[-1][:200]}" if said else "")


def named(text: str) -> tuple[str, ...]:
    """The peers of "onnxruntime,litert". Raises LinnetError for an unknown one."""
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not kinds:
        raise LinnetError(f"--peers: name some of {', '.join(PINS)}")
    for kind in kinds:
        if kind not in PINS:
            raise LinnetError(f"--peers: {kind!r} is no peer: choose from {', '.join(PINS)}")
    return kinds


def absent(kind: str, model: str | Path, error: PeerError) -> str:
    """The line that says why a peer is not measured, and what makes it work."""
    remedy = f"what works: {PINS[kind]}" if error.runtime else f"is {model} the same network?"
    return f"{kind} is not measured: {str(error).rstrip('.')}; {remedy}"

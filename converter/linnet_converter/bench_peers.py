"""`linnet bench --peers`: the files that the peers run, and their processes beside Linnet's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.measure import interleave

from . import pictures
from .peers import Input, Peer, PeerError, PeerRunner, absent, named

if TYPE_CHECKING:
    from .peer_models import Activations, FloatNetwork, Form

CALIBRATION = 32
"""Pictures that onnxruntime's files are calibrated on; the ranges do not change the time."""

Pixels = npt.NDArray[np.uint8]

_TRIAL_RUNS = 20
_TRIAL_BLOCK = 4


class Peers:
    """Peers that work, ready to be opened with any number of threads. A context manager: it holds their files.

    absent: what was asked for and does not work, by its JSON name: one line that says why and what works.
    """

    def __init__(
        self,
        kinds: str,
        given: Input,
        against: str | None,
        tflite: str | None,
        calibrate: str | None = None,
        pythons: Sequence[str] = (),
    ) -> None:
        """kinds: "onnxruntime,litert,tflite-runtime" or some of them.  against: the float ONNX file, tflite: the TFLite
        file, where a peer needs it.  calibrate: a folder of pictures; without one, noise.  pythons: PEER=PYTHON each.

        Raises LinnetError where a file that a peer needs is not named or not read.
        """
        self.absent: dict[str, str] = {}
        self._given = given
        self._against, self._tflite, self._calibrate = against, tflite, calibrate
        self._kinds = named(kinds)
        self._pythons = _pythons(pythons)
        if "onnxruntime" in self._kinds and against is None:
            raise LinnetError("--peers onnxruntime needs the float network: --against MODEL.onnx")
        if tflite is None and {"litert", "tflite-runtime"} & set(self._kinds):
            raise LinnetError("--peers litert and tflite-runtime need the int8 network: --tflite MODEL.tflite")
        for path in (against, tflite):
            if path is not None and not Path(path).is_file():
                raise LinnetError(f"{path}: no such file")
        self._stack = ExitStack()
        self._peers: list[Peer] = []

    def __enter__(self) -> Peers:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="linnet-bench-")))
        try:
            for kind in self._kinds:
                if kind == "onnxruntime":
                    self._add_onnxruntime(folder)
                else:
                    assert self._tflite is not None
                    self._add(Peer(kind.replace("-", "_"), kind, Path(self._tflite), self._python(kind)))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, threads: int, stack: ExitStack) -> list[PeerRunner]:
        """A process for each that works; they end with the stack."""
        runners = []
        for peer in self._peers:
            try:
                runners.append(stack.enter_context(PeerRunner(peer, threads, self._given)))
            except PeerError as error:
                self.absent[peer.key] = absent(peer.kind, peer.model, error)
        return runners

    def _python(self, kind: str) -> str:
        return self._pythons.get(kind, sys.executable)

    def _add(self, peer: Peer) -> None:
        """Keep a peer that runs at all."""
        try:
            PeerRunner(peer, 1, self._given).close()
        except PeerError as error:
            self.absent[peer.key] = absent(peer.kind, peer.model, error)
        else:
            self._peers.append(peer)

    def _add_onnxruntime(self, folder: Path) -> None:
        assert self._against is not None
        try:
            from .peer_models import FloatNetwork

            network = FloatNetwork(self._against, folder)
        except LinnetError:
            raise
        except Exception as error:  # onnxruntime's own have no common base, nor has what a broken installation raises
            for key in ("onnxruntime_u8s8", "onnxruntime_s8s8"):
                self.absent[key] = absent("onnxruntime", self._against, PeerError(_brief(error)))
            return
        if network.shape != self._given.pixels.shape:
            raise LinnetError(f"{self._against}: its input is {network.shape}, the model's {self._given.pixels.shape}")
        forms: tuple[Activations, Activations] = ("u8s8", "s8s8")
        calibration = self._pictures()
        for activations in forms:
            try:
                self._peers.append(self._faster(network, activations, calibration))
            except PeerError as error:
                self.absent[f"onnxruntime_{activations}"] = absent("onnxruntime", self._against, error)

    def _faster(self, network: FloatNetwork, activations: Activations, calibration: Sequence[Pixels]) -> Peer:
        """QDQ or QOperator, whichever onnxruntime runs faster on this machine, on one thread."""
        forms: tuple[Form, Form] = ("qdq", "qoperator")
        refused: list[str] = []
        with ExitStack() as stack:
            runners = []
            for form in forms:
                try:
                    path = network.quantized(activations, form, calibration, self._given.mean, self._given.std)
                    peer = Peer(form, "onnxruntime", path, self._python("onnxruntime"), network.channels_first)
                    runners.append(stack.enter_context(PeerRunner(peer, 1, self._given)))
                except Exception as error:  # as above, of quantize_static
                    refused.append(f"{form}: {_brief(error)}")
            if not runners:
                raise PeerError("; ".join(refused))
            times = interleave(runners, _TRIAL_RUNS, _TRIAL_BLOCK)
            # processor time of the shortest block: what a busy machine disturbs least
            found = {runner.name: 1e3 * float(times[runner.name].cpu_seconds.min()) for runner in runners}
            best = min(runners, key=lambda runner: found[runner.name]).peer
        return replace(best, key=f"onnxruntime_{activations}", notes={"format": best.key, "format_trial_ms": found})

    def _pictures(self) -> list[Pixels]:
        shape = self._given.pixels.shape
        if self._calibrate is not None:
            found = pictures.find(self._calibrate, CALIBRATION)
            return [pixels for _, pixels in pictures.read(found, (shape[0], shape[1], shape[2]))]
        random = np.random.default_rng(0)
        return [self._given.pixels, *(random.integers(0, 256, shape, np.uint8) for _ in range(3))]


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _pythons(given: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for text in given:
        kind, equals, python = text.partition("=")
        if not (equals and python) or named(kind) != (kind,):
            raise LinnetError(f"--peer-python {text}: expected PEER=PYTHON, as tflite-runtime=/path/to/bin/python")
        found[kind] = python
    return found

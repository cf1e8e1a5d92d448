"""Logits of reference networks in a file: the float network computes each picture once, however often int8 changes.

SQLite, so that several validations may share the file and a killed one leaves it whole.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from importlib import metadata
from pathlib import Path
from threading import Lock

import numpy as np

from linnet.errors import LinnetError

from .imports.tflite_file import is_tflite
from .onnx_file import load_model
from .tally import Logits
from .validation import Pixels, Reference

INTERVAL = 2.0
"""Seconds between two writings to the file."""

RUNTIMES = ("onnxruntime", "ai-edge-litert", "tflite-runtime")


class ReferenceCache:
    """One file for any number of networks and pictures; threads may share it. A context manager."""

    def __init__(self, path: str | Path) -> None:
        """Raises LinnetError where the file cannot be opened, or is something else."""
        self._path = path
        self._lock = Lock()
        self._pending: list[tuple[bytes, bytes, bytes]] = []
        self._written = time.monotonic()
        try:
            self._file = sqlite3.connect(path, timeout=60, check_same_thread=False)
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS logits (network BLOB, picture BLOB, logits BLOB, "
                "PRIMARY KEY (network, picture)) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise LinnetError(f"{path}: no cache of reference logits: {error}") from error

    def get(self, network: bytes, picture: bytes) -> Logits | None:
        with self._lock:
            try:
                found = self._file.execute(
                    "SELECT logits FROM logits WHERE network = ? AND picture = ?", (network, picture)
                ).fetchone()
            except sqlite3.Error as error:
                raise LinnetError(f"{self._path}: {error}") from error
        return None if found is None else np.frombuffer(found[0][1:], found[0][:1].decode()).astype(np.float64)

    def put(self, network: bytes, picture: bytes, logits: Logits) -> None:
        """Kept exactly, as float32 where that is exact."""
        narrow = logits.astype(np.float32)
        stored = b"f" + narrow.tobytes() if np.array_equal(narrow, logits) else b"d" + logits.tobytes()
        with self._lock:
            self._pending.append((network, picture, stored))
            if time.monotonic() - self._written >= INTERVAL:
                self._write()

    def _write(self) -> None:
        """In one short transaction: as long as one is open, others wait for the file."""
        try:
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO logits VALUES (?, ?, ?)", self._pending)
        except sqlite3.Error as error:
            raise LinnetError(f"{self._path}: {error}") from error
        self._pending.clear()
        self._written = time.monotonic()

    def __enter__(self) -> ReferenceCache:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._write()
        finally:
            self._file.close()


class CachedReference:
    """A Reference that asks the cache first."""

    def __init__(self, reference: Reference, network: bytes, cache: ReferenceCache) -> None:
        """network: `identity` of the reference."""
        self.kind, self.shape, self.classes = reference.kind, reference.shape, reference.classes
        self._reference, self._network, self._cache = reference, network, cache

    def logits(self, pixels: Pixels) -> Logits:
        """(classes,) of uint8 (height, width, channels)."""
        picture = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=20).digest()
        found = self._cache.get(self._network, picture)
        if found is None:
            found = self._reference.logits(pixels)
            self._cache.put(self._network, picture, found)
        return found


def identity(path: str | Path, mean: tuple[float, ...], std: tuple[float, ...]) -> bytes:
    """What logits depend on beside the pixels: the network with its weights, the preprocessing, the runtime."""
    # an ONNX file's weights may lie in files beside it
    content = Path(path).read_bytes() if is_tflite(path) else load_model(path).SerializeToString(deterministic=True)
    runtimes = []
    for name in RUNTIMES:
        try:
            runtimes.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return hashlib.blake2b(content + repr((mean, std, runtimes)).encode(), digest_size=20).digest()

"""The C library's worker threads, which end with the object that started them."""

from __future__ import annotations

import weakref
from typing import Any

from linnet import _native
from linnet.errors import LinnetError


class Threads:
    """So many threads for one model, the caller's own counted. None is started for a count of 1.

    Raises LinnetError for a count that is no thread or more than the system starts.
    """

    def __init__(self, count: int) -> None:
        native = _native.library()
        check(count)
        self.count = count
        self._native = native
        memory = _native.aligned(native.lnt_threads_bytes(count))
        self._threads = _native.ffi.cast("lnt_threads *", _native.pointer(memory))
        _native.check(native.lnt_threads_start(self._threads, count), f"{count} threads")
        weakref.finalize(self, _stop, native, self._threads, memory)  # memory: lives until the workers are gone

    def hook(self, hooks: Any) -> None:
        """Have a `lnt_hooks *` cut steps for these threads."""
        if self.count > 1:
            self._native.lnt_threads_hooks(self._threads, hooks)


def check(count: int) -> None:
    """Raises LinnetError for a number of threads that the library does not have."""
    if not 1 <= count <= _native.MAX_THREADS:
        raise LinnetError(f"cannot run in {count} threads: give a number from 1 to {_native.MAX_THREADS}")


def _stop(native: Any, threads: Any, _memory: Any) -> None:
    native.lnt_threads_stop(threads)

"""The C library through cffi in ABI mode: declarations, loading, and memory that it accepts."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError

ABI = 3
"""LNT_ABI of kernels_c/include/linnet.h that the declarations below were copied from."""

ALIGN = 64
"""LNT_PACK_ALIGN, and a multiple of LNT_ALIGN: where memory for the library starts."""

MAX_THREADS = 256
"""LNT_MAX_THREADS of kernels_c/include/linnet_threads.h."""

LIBRARY = Path(__file__).parent / "liblinnet.so"

# lnt_net stays opaque: its size comes from lnt_net_bytes().
_DECLARATIONS = """
typedef struct lnt_net lnt_net;
typedef struct lnt_hooks {
    void (*parallel_for)(void *context, void (*task)(void *arg, uint32_t i), void *arg, uint32_t count);
    void *parallel_context;
    uint32_t workers;
    uint32_t least_work;
    void (*trace)(void *context, uint32_t op, uint32_t y, uint32_t n, uint32_t x, uint32_t xn, const void *data,
                  uint32_t row_bytes, uint32_t layout);
    void *context;
} lnt_hooks;
int lnt_abi(void);
size_t lnt_net_bytes(void);
int64_t lnt_arena_bytes(const void *model, size_t model_bytes);
int64_t lnt_least_arena_bytes(const void *model, size_t model_bytes);
int lnt_open(lnt_net *net, const void *model, size_t model_bytes, void *arena, size_t arena_bytes);
const char *lnt_family_name(uint32_t index);
int64_t lnt_packed_bytes(const lnt_net *net, const char *family);
int lnt_pack(lnt_net *net, const char *family, void *memory, size_t bytes);
int64_t lnt_constant_bytes(const lnt_net *net, const char *family, uint32_t op);
int lnt_pack_constants(const lnt_net *net, const char *family, uint32_t op, void *memory, size_t bytes);
int64_t lnt_scratch_bytes(const lnt_net *net, const char *family, uint32_t op, uint32_t n, uint32_t xn);
const char *lnt_kernel_name(const lnt_net *net, const char *family, uint32_t op);
void lnt_set_hooks(lnt_net *net, const lnt_hooks *hooks);
void *lnt_input(const lnt_net *net);
size_t lnt_input_bytes(const lnt_net *net);
int lnt_run(lnt_net *net);
int lnt_begin(lnt_net *net);
int lnt_push_rows(lnt_net *net, const void *rows, uint32_t n);
int lnt_finish(lnt_net *net);
const void *lnt_output(const lnt_net *net);
int lnt_tensor_info(const lnt_net *net, int which, int32_t info[5], float *scale);
const char *lnt_error_text(int code);
typedef struct lnt_threads lnt_threads;
size_t lnt_threads_bytes(uint32_t count);
int lnt_threads_start(lnt_threads *threads, uint32_t count);
void lnt_threads_hooks(lnt_threads *threads, lnt_hooks *hooks);
void lnt_threads_stop(lnt_threads *threads);
"""

TRACE_SIGNATURE = f"void(void *, {', '.join(['uint32_t'] * 5)}, const void *, uint32_t, uint32_t)"

ffi = cffi.FFI()
ffi.cdef(_DECLARATIONS)


@functools.cache
def library() -> Any:
    """The library inside this package, opened at the first call.

    Raises LinnetError where it is missing, built for another machine, or of another ABI.
    """
    if not LIBRARY.exists():
        raise LinnetError(
            f"the C library {LIBRARY.name} is not in {LIBRARY.parent}: install a wheel for this machine (pip install "
            "linnet), or in a source tree run `make setup`"
        )
    try:
        opened: Any = ffi.dlopen(str(LIBRARY))
        abi = int(opened.lnt_abi())
    except (OSError, AttributeError) as error:
        reason = str(error).partition(".  Additionally")[0]  # cffi adds that it searched elsewhere too
        raise LinnetError(f"{reason}: reinstall linnet from a wheel for this machine") from error
    if abi != ABI:
        raise LinnetError(
            f"{LIBRARY} has ABI {abi}, this package needs {ABI}: they come from different versions, reinstall linnet"
        )
    return opened


def error_text(code: int) -> str:
    """The library's one line for an error code."""
    return str(ffi.string(library().lnt_error_text(code)).decode("ascii", "replace"))


def check(code: int, subject: str) -> None:
    """Raise LinnetError "subject: the library's text" unless code is LNT_OK or positive."""
    if code < 0:
        raise LinnetError(f"{subject}: {error_text(code)}")


def aligned(count: int) -> npt.NDArray[np.uint8]:
    """`count` zeroed bytes that start on a multiple of ALIGN; at least one, so that the pointer is never null.

    Raises LinnetError where there is not so much memory.
    """
    count = max(count, 1)
    try:
        padded = np.zeros(count + ALIGN, np.uint8)
    except MemoryError as error:
        raise LinnetError(f"there are no {count} bytes of memory left") from error
    start = -padded.ctypes.data % ALIGN
    return padded[start : start + count]


def pointer(memory: npt.NDArray[Any]) -> Any:
    """`void *` to a C-contiguous array. Valid while the array lives: the caller keeps it."""
    return ffi.cast("void *", memory.ctypes.data)

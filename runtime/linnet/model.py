"""A network that is ready to run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from linnet import _native, image
from linnet._threads import Threads
from linnet.errors import LinnetError
from linnet.format_gen import DType, Family, InputKind, Layout, OpKind
from linnet.modelfile import ModelFile

if TYPE_CHECKING:
    from PIL import Image

IntArray = npt.NDArray[np.signedinteger[Any]]
Input: TypeAlias = "str | os.PathLike[str] | Image.Image | npt.NDArray[Any]"
Trace = Callable[[int, int, int, int, int, Any, int, int], None]


@dataclass(frozen=True)
class TensorDetails:
    """What an input or output holds: real = scale * (value - zero_point).

    shape: (height, width, channels).  dtype: of the values in memory.  mean, std: for a picture only, per channel; the
    source network saw (pixel - mean) / std. Linnet takes the pixels themselves.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class OperatorOutput:
    """What one operator computed: integers (height, width, channels), NHWC whatever the plan's layout."""

    index: int
    name: str
    kind: OpKind
    values: IntArray


@dataclass(frozen=True)
class OperatorTime:
    """Seconds that one operator took in one inference, all its steps together; steps: how many those are."""

    index: int
    name: str
    kind: OpKind
    seconds: float
    steps: int


class Model:
    """A network in memory, checked and ready. Make one with `linnet.load`.

    One Model runs one inference at a time: it is not thread-safe. Give each thread its own Model.
    """

    def __init__(
        self,
        data: npt.NDArray[np.uint8],
        name: str,
        kernels: str | None = None,
        ram: int | None = None,
        threads: int = 1,
    ) -> None:
        """data: the file's bytes, (bytes,), from `_native.aligned`. name: what error messages call the model.

        kernels, ram, threads: as `load` has them.
        """
        native = _native.library()
        self._native = native
        self._name = name
        self._data = data
        at = _native.pointer(data)
        needed = native.lnt_arena_bytes(at, data.size)
        _native.check(needed, name)
        least = native.lnt_least_arena_bytes(at, data.size)
        _native.check(least, name)
        if ram is not None and ram < least:
            raise LinnetError(f"{name}: needs {least} bytes of arena, {least - ram} more than the {ram} allowed")
        self._least_arena_bytes = int(least)
        room = int(needed) if ram is None else min(ram, int(needed))
        self._arena = _native.aligned(room)
        self._net_memory = _native.aligned(native.lnt_net_bytes())
        self._net = _native.ffi.cast("lnt_net *", _native.pointer(self._net_memory))
        _native.check(native.lnt_open(self._net, at, data.size, _native.pointer(self._arena), room), name)
        self._file = ModelFile(data.data)
        self._arena_bytes = next((p.arena_bytes for p in self._file.plans if p.arena_bytes <= room), room)
        self._kernels, self._packed = self._pack(kernels)
        self._threads = Threads(threads)
        self._input = self._details(0)
        self._output = self._details(1)

    # ------------------------------------------------------------------------------------------ what the model is

    @property
    def file(self) -> ModelFile:
        """The fields of the model file: operators, names, plans."""
        return self._file

    @property
    def input_details(self) -> TensorDetails:
        """What `run` takes: uint8 pixels for a picture network, else int8."""
        return self._input

    @property
    def output_details(self) -> TensorDetails:
        """What `run_quantized` returns: int32 logits or probabilities, or int8."""
        return self._output

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Of what `run` returns: (channels,) of a 1x1 output, else (height, width, channels)."""
        shape = self._output.shape
        return shape[2:] if shape[:2] == (1, 1) else shape

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each class, empty where the file has none."""
        return self._file.labels

    @property
    def arena_bytes(self) -> int:
        """RAM for activations under the plan in use, the model file and `lnt_net` not counted."""
        return self._arena_bytes

    @property
    def least_arena_bytes(self) -> int:
        """The same under the smallest plan of the file (`load(ram=)`)."""
        return self._least_arena_bytes

    @property
    def model_bytes(self) -> int:
        """Length of the model file."""
        return self._file.file_bytes

    @property
    def kernels(self) -> str:
        """The kernel family that runs the network (`linnet.kernel_families`)."""
        return self._kernels

    @property
    def packed_bytes(self) -> int:
        """RAM for constants as the kernels want them, beside the model file."""
        return self._packed.size

    @property
    def threads(self) -> int:
        """How many threads share the work. The workers end with the model."""
        return self._threads.count

    @property
    def is_picture(self) -> bool:
        """Whether the input is a picture (uint8 pixels)."""
        return self._file.input_kind == InputKind.pixels

    def __repr__(self) -> str:
        height, width, channels = self._input.shape
        return f"<linnet.Model {self._name}: {height}x{width}x{channels}, arena {self._arena_bytes} bytes>"

    # ------------------------------------------------------------------------------------------ running

    def run(self, source: Input) -> npt.NDArray[np.float32]:
        """Run once; the answer in real values, float32: (channels,) of a 1x1 output, else (height, width, channels).

        Logits or probabilities, as the network ends. source is one of
        * a path: a picture (`linnet.image` says how it is read and resized), or .npy with an array as below;
        * a Pillow picture, treated the same;
        * an array (height, width, channels) exactly as `input_details` says: uint8 pixels for a picture network. For
          other networks int8 values, or floats, which are quantized here with the input's scale and zero point.

        Raises LinnetError where the source cannot be read or is not what the network takes.
        """
        return self.real(self.run_quantized(source))

    def real(self, values: IntArray) -> npt.NDArray[np.float32]:
        """What the integers of an answer stand for."""
        wide = self._output.scale * (values.astype(np.float64) - self._output.zero_point)
        return wide.astype(np.float32)

    def run_quantized(self, source: Input) -> IntArray:
        """Like `run`, but the integers as the network computes them: int32 or int8 (see `output_details`)."""
        self._execute(self.prepare(source))
        return self._answer()

    def begin(self) -> None:
        """Start an inference whose rows are pushed as they arrive."""
        self._check(self._native.lnt_begin(self._net))

    def push_rows(self, rows: npt.NDArray[Any]) -> None:
        """Compute as far as the next rows of the input allow: (n, width, channels) or one row (width, channels).

        The rows are of `input_details.dtype` and are not needed after the call. Raises LinnetError for another shape or
        type, without `begin`, and for more rows than the input has.
        """
        _, width, channels = self._input.shape
        if rows.ndim == 2:
            rows = rows[None]
        if rows.ndim != 3 or rows.shape[1:] != (width, channels) or rows.dtype != self._input.dtype:
            raise LinnetError(
                f"{self._name}: cannot take rows {_describe(rows)}: "
                f"expected {self._input.dtype} (any, {width}, {channels})"
            )
        rows = np.ascontiguousarray(rows)
        self._check(self._native.lnt_push_rows(self._net, _native.pointer(rows), len(rows)))

    def finish(self) -> npt.NDArray[np.float32]:
        """The answer after the last row, as `run` gives it. Raises LinnetError while rows are missing."""
        self._check(self._native.lnt_finish(self._net))
        return self.real(self._answer())

    def prepare(self, source: Input) -> npt.NDArray[np.uint8] | npt.NDArray[np.int8]:
        """The array that the network takes for a source that `run` takes, C-contiguous, of `input_details`."""
        details = self._input
        if isinstance(source, str | os.PathLike):
            if self.is_picture:
                return image.fit(image.read_image(source), *details.shape)
            return self._prepare_file(source)
        if not isinstance(source, np.ndarray):
            if not (self.is_picture and hasattr(source, "convert")):
                kind = "a picture's path, a Pillow picture" if self.is_picture else "a .npy file's path"
                raise LinnetError(
                    f"{self._name}: cannot take {type(source).__name__}: expected {kind} or a {details.dtype} array "
                    f"{details.shape}"
                )
            return image.fit(image.from_pillow(source), *details.shape)
        return self._prepare_array(source)

    # ------------------------------------------------------------------------------------------ looking inside

    def trace(self, source: Input, operators: Collection[int] | None = None) -> tuple[OperatorOutput, ...]:
        """Run once and keep what operators computed, in their order. The first is the input as the network stores it.

        operators: indices of those wanted, default all (a network's whole activations: some megabytes).
        """
        file = self._file
        wanted = range(len(file.ops)) if operators is None else sorted(set(operators))
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(file.ops):
            raise LinnetError(f"{self._name}: operators are numbered 0 to {len(file.ops) - 1}")
        outputs = {index: np.zeros(self._shape(index), self._dtype(index)) for index in wanted}

        def keep(op: int, y: int, n: int, x: int, xn: int, data: Any, row_bytes: int, layout: int) -> None:
            if op not in outputs or n == 0:
                return
            if layout != Layout.nhwc:
                raise LinnetError(f"{self._name}: rows of layout {layout} cannot be unpacked")
            target = outputs[op]
            used = xn * target[0, 0].nbytes  # a row in the arena may be longer than its values
            raw = np.frombuffer(_native.ffi.buffer(data, (n - 1) * row_bytes + used), np.uint8)
            rows = [raw[i * row_bytes : i * row_bytes + used] for i in range(n)]
            values = np.concatenate(rows).view(target.dtype)
            target[y : y + n, x : x + xn] = values.reshape(n, xn, target.shape[2])

        self._execute(self.prepare(source), keep)
        return tuple(OperatorOutput(i, file.op_name(i), file.op_kind(i), values) for i, values in outputs.items())

    def profile(self, source: Input, runs: int = 5) -> tuple[OperatorTime, ...]:
        """Time of each operator, the median of so many runs, in operators' order.

        The clock is read from Python after each step. That is left out, but the way there and back, about a microsecond
        a step, is not: operators of many tiny steps look slower than they are.
        """
        file, prepared = self._file, self.prepare(source)
        seconds = np.zeros((max(runs, 1), len(file.ops)))
        for spent in seconds:
            clock = _Clock(spent)
            self._execute(prepared, clock.tick, clock.start)
        medians = np.median(seconds, axis=0)
        return tuple(
            OperatorTime(i, file.op_name(i), file.op_kind(i), float(medians[i]), clock.steps[i])
            for i in range(len(file.ops))
        )

    # ------------------------------------------------------------------------------------------ the C library

    def _pack(self, family: str | None) -> tuple[str, npt.NDArray[np.uint8]]:
        """Choose the kernels. The name of their family, and the memory that must live as long as the net."""
        packed_for = self._file.plans[0].family
        if packed_for != Family.ref:
            if family not in (None, packed_for.name):
                raise LinnetError(f"{self._name}: its constants are packed for {packed_for.name}, not for {family}")
            return packed_for.name, np.zeros(0, np.uint8)
        name = family or kernel_families()[0]
        needed = self._native.lnt_packed_bytes(self._net, name.encode())
        _native.check(needed, f"{self._name}: kernels {name}")
        memory = _native.aligned(needed)
        _native.check(self._native.lnt_pack(self._net, name.encode(), _native.pointer(memory), memory.size), self._name)
        return name, memory

    def _check(self, code: int) -> None:
        _native.check(code, self._name)

    def _execute(
        self, values: npt.NDArray[Any], trace: Trace | None = None, start: Callable[[], None] | None = None
    ) -> None:
        """One inference on prepared values. What trace raises is raised here, after the run.

        start: called when all is ready, just before the first step.
        """
        ffi, native, net = _native.ffi, self._native, self._net
        raised: list[BaseException] = []
        hooks = ffi.new("lnt_hooks *")
        self._threads.hook(hooks)
        if trace is not None:

            def hook(_context: Any, *step: Any) -> None:
                trace(*step)

            def failed(_kind: Any, error: BaseException, _traceback: Any) -> None:
                raised.append(error)

            callback = ffi.callback(_native.TRACE_SIGNATURE, hook, onerror=failed)
            hooks.trace = callback
        native.lnt_set_hooks(net, hooks)
        try:
            target = native.lnt_input(net)
            whole = target != ffi.NULL
            if whole:
                ffi.memmove(target, values, values.nbytes)
            if start is not None:
                start()
            if whole:
                self._check(native.lnt_run(net))
            else:
                self._check(native.lnt_begin(net))
                self._check(native.lnt_push_rows(net, _native.pointer(values), len(values)))
                self._check(native.lnt_finish(net))
        finally:
            native.lnt_set_hooks(net, ffi.NULL)  # the callback dies with this call
        if raised:
            raise raised[0]

    def _answer(self) -> IntArray:
        size = int(np.prod(self._output.shape)) * self._output.dtype.itemsize
        raw = _native.ffi.buffer(self._native.lnt_output(self._net), size)
        return np.frombuffer(raw, self._output.dtype).reshape(self.answer_shape).copy()

    def _details(self, which: int) -> TensorDetails:
        info = _native.ffi.new("int32_t[5]")
        scale = _native.ffi.new("float *")
        self._check(self._native.lnt_tensor_info(self._net, which, info, scale))
        height, width, channels, itemsize, zero_point = (int(value) for value in info)
        shape = (height, width, channels)
        if which == 0 and self.is_picture:
            return TensorDetails(shape, np.dtype(np.uint8), 1.0, 0, self._file.mean, self._file.std)
        return TensorDetails(shape, np.dtype(np.int32 if itemsize == 4 else np.int8), float(scale[0]), zero_point)

    # ------------------------------------------------------------------------------------------ inputs and shapes

    def _prepare_file(self, source: str | os.PathLike[str]) -> npt.NDArray[np.uint8] | npt.NDArray[np.int8]:
        if not os.fspath(source).endswith(".npy"):
            raise LinnetError(f"{source}: this network takes no picture but an array: give a .npy file")
        try:
            return self._prepare_array(image.read_npy(source))
        except OSError as error:
            raise LinnetError(f"{source}: {error.strerror or error}") from error
        except LinnetError as error:
            raise LinnetError(f"{source}: {error}") from error

    def _prepare_array(self, array: npt.NDArray[Any]) -> npt.NDArray[np.uint8] | npt.NDArray[np.int8]:
        details = self._input
        floats = np.issubdtype(array.dtype, np.floating)
        if floats and self.is_picture:
            raise LinnetError(
                f"{self._name}: cannot take {array.dtype}: give the pixels themselves, uint8 from 0 to 255; the model "
                "holds mean and standard deviation"
            )
        shaped = array[:, :, None] if array.ndim == 2 and details.shape[2] == 1 else array
        if shaped.shape != details.shape or not (floats or array.dtype == details.dtype):
            or_floats = "" if self.is_picture else " or floats"
            raise LinnetError(
                f"{self._name}: cannot take {_describe(array)}: expected {details.dtype} {details.shape}{or_floats}"
            )
        if floats:
            if not np.isfinite(shaped).all():
                raise LinnetError(f"{self._name}: the input holds values that are not finite")
            steps = np.rint(shaped.astype(np.float64) / details.scale) + details.zero_point
            shaped = np.clip(steps, -128, 127).astype(np.int8)
        return np.ascontiguousarray(shaped)

    def _shape(self, operator: int) -> tuple[int, int, int]:
        tensor = self._file.tensors[int(self._file.ops[operator]["output"])]
        return int(tensor["height"]), int(tensor["width"]), int(tensor["channels"])

    def _dtype(self, operator: int) -> npt.DTypeLike:
        tensor = self._file.tensors[int(self._file.ops[operator]["output"])]
        return np.int32 if tensor["dtype"] == DType.int32 else np.int8


class _Clock:
    """Adds the time between two ticks to the operator that ticks."""

    def __init__(self, seconds: npt.NDArray[np.float64]) -> None:
        self.seconds = seconds
        self.steps = [0] * len(seconds)
        self.last = 0.0

    def start(self) -> None:
        self.last = time.perf_counter()

    def tick(self, operator: int, *_: Any) -> None:
        self.seconds[operator] += time.perf_counter() - self.last
        self.steps[operator] += 1
        self.last = time.perf_counter()


def _describe(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"


def kernel_families() -> tuple[str, ...]:
    """The kernel families that run on this processor, best first; the last is `ref`, portable C."""
    native = _native.library()
    names: list[str] = []
    while name := native.lnt_family_name(len(names)):
        names.append(_native.ffi.string(name).decode())
    return tuple(names)


def load(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    kernels: str | None = None,
    ram: int | None = None,
    threads: int = 1,
) -> Model:
    """Open a .lnt file, or its bytes, and check it once and for all.

    kernels: the family to run with, one of `kernel_families()`; None: the best. All compute the same bytes.
    ram: bytes of arena allowed; None: as many as the file's fastest plan takes.
    threads: how many share the work of one inference, the caller's own counted. The bytes are the same with any number.
    Raises LinnetError, naming the file, where it cannot be read, is damaged, or was made for a kernel family that this
    library does not have.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        raw = np.frombuffer(source, np.uint8)
        data = _native.aligned(raw.size)
        data[: raw.size] = raw
        return Model(data, "model", kernels, ram, threads)
    path = Path(source)
    try:
        with path.open("rb") as stream:
            data = _native.aligned(os.fstat(stream.fileno()).st_size)
            data = data[: stream.readinto(data.data)]
    except OSError as error:
        raise LinnetError(f"{path}: {error.strerror or error}") from error
    return Model(data, str(path), kernels, ram, threads)

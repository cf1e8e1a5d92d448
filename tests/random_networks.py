"""Seeded random quantized networks: single operators at the edges of what the law allows, and whole networks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from linnet.format_gen import DType, InputKind, OpKind
from linnet_converter.qgraph import QGraph, QOp, QTensor
from linnet_converter.quantize import exp_table

Shape = tuple[int, int, int]

SINGLE_KINDS = tuple(kind for kind in OpKind if kind != OpKind.input)


@dataclass
class Builder:
    """Appends operators with random parameters to a network."""

    rng: np.random.Generator
    edges: bool = False
    """Parameters and weights from the ends of their ranges rather than such that activations stay lively."""
    tensors: list[QTensor] = field(default_factory=list)
    ops: list[QOp] = field(default_factory=list)

    def tensor(self, shape: Shape, dtype: DType = DType.int8) -> int:
        zero_point = 0
        if dtype == DType.int8:
            zero_point = int(self.rng.choice([-128, -1, 0, 127, int(self.rng.integers(-128, 128))]))
        self.tensors.append(QTensor(f"t{len(self.tensors)}", shape, 0.125, zero_point, dtype))
        return len(self.tensors) - 1

    def shape(self, tensor: int) -> Shape:
        return self.tensors[tensor].shape

    def emit(self, kind: OpKind, inputs: tuple[int, ...], output: int, **fields: object) -> int:
        self.ops.append(QOp(f"op{len(self.ops)}", kind, inputs, output, **fields))  # type: ignore[arg-type]
        return output

    def source(self, shape: Shape) -> int:
        self.tensors.append(QTensor("input", shape, 1.0, 0))
        return self.emit(OpKind.input, (), 0)

    def clamp(self) -> tuple[int, int]:
        if self.rng.random() < 0.5:
            return -128, 127
        low, high = sorted(int(v) for v in self.rng.integers(-128, 128, 2))
        return (low, high) if self.edges else (min(low, -60), max(high, 60))

    def weights(self, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
        if self.edges and self.rng.random() < 0.5:
            return self.rng.choice(np.array([-127, 0, 127], np.int8), shape)
        return self.rng.integers(-127, 128, shape).astype(np.int8)

    def scaling(self, channels: int, taps: int, gain: float = 1.0) -> dict[str, object]:
        """Bias, multiplier and shift; gain 64 for a residual's six fractional bits."""
        if not self.edges:
            ratio = gain * 60 / (74 * 74 * np.sqrt(taps))
            shift = 0
            while ratio * 2.0 ** (31 - shift) * 2 >= 2**30:
                shift += 1
            middle = int(ratio * 2.0 ** (31 - shift))
            return {
                "bias": self.rng.integers(-(2**11), 2**11, channels).astype(np.int32),
                "multiplier": self.rng.integers(middle // 2, 2 * middle, channels).astype(np.int32),
                "shift": shift,
            }
        shift = int(self.rng.integers(0, 6))
        room = ((2**31 - 1) >> shift) - 16384 * taps
        bias = self.rng.integers(-room, room + 1, channels) // self.rng.choice([1, 1 << 8, 1 << 16], channels)
        bias[self.rng.random(channels) < 0.2] = room
        bias[self.rng.random(channels) < 0.2] = -room
        multiplier = self.rng.integers(0, 2**30, channels) >> self.rng.integers(0, 30, channels)
        multiplier[self.rng.random(channels) < 0.1] = 2**30 - 1
        return {"bias": bias.astype(np.int32), "multiplier": multiplier.astype(np.int32), "shift": shift}

    def conv(self, x: int, channels: int, kernel: tuple[int, int], stride: tuple[int, int], depthwise: bool) -> int:
        height, width, channels_in = self.shape(x)
        pad, out = zip(
            *(self.padding(*axis) for axis in zip((height, width), kernel, stride, strict=True)), strict=True
        )
        output = self.tensor((out[0], out[1], channels_in if depthwise else channels))
        common = {"kernel": kernel, "stride": stride, "pad": pad, "clamp": self.clamp()}
        if depthwise:
            fields = common | self.scaling(channels_in, kernel[0] * kernel[1])
            return self.emit(OpKind.depthwise, (x,), output, weights=self.weights((*kernel, channels_in)), **fields)
        fields = common | self.scaling(channels, kernel[0] * kernel[1] * channels_in)
        border = self.rng.integers(-128, 128, channels_in).astype(np.int8)
        weights = self.weights((channels, *kernel, channels_in))
        return self.emit(OpKind.conv, (x,), output, weights=weights, pad_values=border, **fields)

    def padding(self, size: int, kernel: int, stride: int) -> tuple[int, int]:
        """Padding before, and output size, of one axis: any that leaves each output at least one real tap."""
        while True:
            before, after = (int(v) for v in self.rng.integers(0, kernel, 2))
            out = (size + before + after - kernel) // stride + 1
            if out >= 1 and (out - 1) * stride - before < size:
                return before, out

    def pointwise(self, x: int, channels: int, residual: int | None = None) -> int:
        height, width, channels_in = self.shape(x)
        output = self.tensor((height, width, channels))
        fields: dict[str, object] = {"weights": self.weights((channels, channels_in)), "clamp": self.clamp()}
        if residual is None:
            return self.emit(OpKind.pointwise, (x,), output, **fields | self.scaling(channels, channels_in))
        factor, offset = self.addend(residual, output)
        fields |= self.scaling(channels, channels_in, gain=64) | {"factor": factor, "offset": offset}
        return self.emit(OpKind.pointwise, (x, residual), output, **fields)

    def addend(self, *tensors: int) -> tuple[int, ...]:
        """Factors of the addends (all but the last tensor) and the sum's offset."""
        *addends, output = tensors
        top = 2**15 - 1
        factors = [
            int(self.rng.choice([0, 1, top, int(self.rng.integers(0, top))]))
            if self.edges
            else int(self.rng.integers(2**12, 2**14))
            for _ in addends
        ]
        zeros = sum(self.tensors[x].zero_point * f for x, f in zip(addends, factors, strict=True))
        return *factors, self.tensors[output].zero_point * 2**14 - zeros + 2**13

    def add(self, a: int, b: int) -> int:
        output = self.tensor(self.shape(a))
        factor, factor2, offset = self.addend(a, b, output)
        fields = {"factor": factor, "factor2": factor2, "offset": offset, "clamp": self.clamp()}
        return self.emit(OpKind.add, (a, b), output, **fields)

    def pool(self, x: int) -> int:
        height, width, channels = self.shape(x)
        state = self.tensor((1, 1, channels), DType.int32)
        output = self.tensor((1, 1, channels))
        shift = int(self.rng.integers(0, 4))
        mean = min(int(2.0 ** (31 - shift) * 1.5 / (height * width)), 2**30 - 1)
        factor = int(self.rng.integers(0, 2**30)) if self.edges else mean
        offset = -height * width * self.tensors[x].zero_point
        return self.emit(
            OpKind.avg_pool, (x,), output, state=state, shift=shift, factor=factor, offset=offset, clamp=self.clamp()
        )

    def dense(self, x: int, classes: int) -> int:
        channels = self.shape(x)[2]
        output = self.tensor((1, 1, classes), DType.int32)
        fields = self.scaling(classes, channels, 20)
        return self.emit(OpKind.fully_connected, (x,), output, weights=self.weights((classes, channels)), **fields)

    def softmax(self, x: int) -> int:
        output = self.tensor(self.shape(x), DType.int32)
        shift = int(self.rng.integers(0, 64)) if self.edges else 26
        factor = int(self.rng.integers(1, 2**31)) if self.edges else 2**31 - 1
        return self.emit(OpKind.softmax, (x,), output, shift=shift, factor=factor, table=exp_table())

    def graph(self, kind: InputKind) -> QGraph:
        picture = kind == InputKind.pixels
        channels = self.tensors[0].shape[2] if picture else 0
        return QGraph(tuple(self.tensors), tuple(self.ops), kind, (0.0,) * channels, (1.0,) * channels)


def _kernel(rng: np.random.Generator) -> tuple[tuple[int, int], tuple[int, int]]:
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6))) if rng.random() < 0.5 else (3, 3)
    stride = (
        (int(rng.integers(1, 4)), int(rng.integers(1, 4))) if rng.random() < 0.3 else (int(rng.integers(1, 3)),) * 2
    )
    return kernel, stride


def single(seed: int, kind: OpKind) -> QGraph:
    """One operator of a kind (with what must surround it), parameters at the edges of the law."""
    rng = np.random.default_rng([seed, kind])
    b = Builder(rng, edges=rng.random() < 0.7)
    channels = int(rng.choice([1, 2, 3, 5, 8, 16, 17, 31, 32, 33, 64, 100]))
    size = (
        (1, 1)
        if kind in (OpKind.fully_connected, OpKind.softmax)
        else (int(rng.integers(1, 13)), int(rng.integers(1, 13)))
    )
    x = b.source((*size, channels))
    out = int(rng.choice([1, 2, 3, 7, 8, 16, 19, 40]))
    if kind in (OpKind.conv, OpKind.depthwise):
        b.conv(x, out, *_kernel(rng), kind == OpKind.depthwise)
    elif kind == OpKind.pointwise:
        residual = b.pointwise(x, out) if rng.random() < 0.5 else None
        b.pointwise(x, out, residual)
    elif kind == OpKind.add:
        b.add(x, x if rng.random() < 0.2 else b.pointwise(x, channels))
    elif kind == OpKind.avg_pool:
        b.pool(x)
    else:
        logits = b.dense(x, out)
        if kind == OpKind.softmax:
            b.softmax(logits)
    return b.graph(InputKind.pixels if rng.random() < 0.3 else InputKind.tensor)


def network(seed: int) -> QGraph:
    """A small network of the family: stem, inverted residuals with every kind of shortcut, head."""
    rng = np.random.default_rng(seed)
    b = Builder(rng)
    x = b.source((int(rng.integers(9, 30)), int(rng.integers(9, 30)), 3))
    x = b.conv(x, int(rng.choice([4, 8, 11])), (3, 3), (2, 2), depthwise=False)
    for _ in range(int(rng.integers(1, 6))):
        start, channels = x, b.shape(x)[2]
        if rng.random() < 0.8:
            x = b.pointwise(x, channels * int(rng.integers(1, 5)))
        kernel, stride = ((3, 3), (1, 1)) if rng.random() < 0.6 else _kernel(rng)
        x = b.conv(x, 0, kernel, stride, depthwise=True)
        same = b.shape(x)[:2] == b.shape(start)[:2]
        out = channels if same else int(rng.choice([4, 7, 12]))
        style = rng.random()
        if same and style < 0.5:
            x = b.pointwise(x, out, residual=start)
        elif same and style < 0.8:
            x = b.add(b.pointwise(x, out), start)
        else:
            x = b.pointwise(x, out)
    if rng.random() < 0.8:
        before_pool = rng.random()
        if before_pool < 0.5:
            x = b.conv(x, 0, (3, 3), (1, 1), depthwise=True)
        x = b.pool(b.pointwise(x, 24) if before_pool > 0.25 else x)
        x = b.dense(x, 10)
        if rng.random() < 0.5:
            b.softmax(x)
    return b.graph(InputKind.pixels)


def picture(graph: QGraph, seed: int) -> npt.NDArray[np.uint8] | npt.NDArray[np.int8]:
    """A random input of the right shape and type, edge values among it."""
    rng = np.random.default_rng(seed)
    shape = graph.tensors[0].shape
    values = rng.integers(0, 256, shape)
    extreme = rng.random(shape) < 0.1
    values[extreme] = rng.choice([0, 127, 128, 255], int(extreme.sum()))
    if graph.input_kind == InputKind.pixels:
        return values.astype(np.uint8)
    return (values - 128).astype(np.int8)

"""From a network on its file's grids to the integers of docs/numerics.md.

Every quantized tensor of the file stays one, with its scale and zero point; nothing is fused that the file keeps apart.
Three things differ, because the law has no other form for them: the logits are int32 on a scale of their own, a
convolution whose output the file leaves unquantized ahead of an addition becomes the law's residual, and a sum that is
much finer than an addend gets its scale in two steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from linnet.errors import LinnetError
from linnet.format_gen import DType, OpKind
from linnet_converter.graph import Add, Clamp, Conv, GlobalAveragePool, Softmax
from linnet_converter.qgraph import QGraph, QOp, QTensor
from linnet_converter.quantize import SMALLEST_SUM_SCALE, exp_table, per_output, stored_layout

from . import affine, rounding
from .network import Grid, ImportedNetwork
from .pixels import InputStage
from .sums import add_operator, finer_grid
from .weights import Integers, integers

REMEDY = "quantize it too, or give the float network with --calibrate"

_FRACTION_BITS = 6


@dataclass(frozen=True)
class Assembled:
    """requantized: names of the operators whose weights could not be taken over, with how many channels of how many."""

    graph: QGraph
    requantized: tuple[tuple[str, int, int], ...]


def assemble(network: ImportedNetwork, stage: InputStage, labels: Sequence[str] = ()) -> Assembled:
    """The quantized network. Raises LinnetError naming the node that cannot be expressed."""
    return _Assembler(network, stage).run(labels)


class _Assembler:
    """Works through the nodes in order; one instance assembles one network."""

    def __init__(self, network: ImportedNetwork, stage: InputStage) -> None:
        self.network, self.stage = network, stage
        self.float_graph = network.graph
        self.tensors: list[QTensor] = []
        self.ops: list[QOp] = []
        self.index: dict[str, int] = {}
        self.residuals: dict[str, Conv] = {}  # unquantized branches, by their output, until their Add comes
        self.requantized: list[tuple[str, int, int]] = []

    def run(self, labels: Sequence[str]) -> Assembled:
        self._input()
        for node in self.float_graph.nodes:
            if isinstance(node, Conv):
                self._conv(node)
            elif isinstance(node, Add):
                self._add(node)
            elif isinstance(node, GlobalAveragePool):
                self._pool(node)
            else:
                self._softmax(node)
        classes = self.tensors[self.ops[-1].output].shape[2]
        if labels and len(labels) != classes:
            raise LinnetError(
                f"{len(labels)} labels for {classes} classes: give one label a line, in the order of the outputs"
            )
        graph = QGraph(
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            input_kind=self.stage.kind,
            mean=self.stage.mean,
            std=self.stage.std,
            labels=tuple(labels),
        )
        return Assembled(graph, tuple(self.requantized))

    # Tensors

    def _grid(self, node: Conv | Add | GlobalAveragePool) -> Grid:
        grid = self.network.grids.get(node.output)
        if grid is None:
            raise LinnetError(
                f"{type(node).__name__} '{node.name}': its output '{node.output}' is not quantized; {REMEDY}"
            )
        return grid

    def _source(self, node: Conv | Add | GlobalAveragePool | Softmax, name: str) -> tuple[int, QTensor]:
        if name not in self.index:
            raise LinnetError(f"{type(node).__name__} '{node.name}': its input '{name}' is not quantized; {REMEDY}")
        return self.index[name], self.tensors[self.index[name]]

    def _emit(self, tensor: QTensor, op: QOp) -> None:
        self.index[tensor.name] = len(self.tensors)
        self.ops.append(replace(op, output=len(self.tensors)))
        self.tensors.append(tensor)

    def _tensor(self, name: str, grid: Grid) -> QTensor:
        return QTensor(name, self.float_graph.shapes[name], grid.scale, grid.zero_point)

    def _input(self) -> None:
        name = self.float_graph.input
        grid, scaler = self.network.grids[name], self.stage.scaler
        source = self._tensor(name, grid)
        if scaler is None:
            self._emit(source, QOp(name, OpKind.input, (), 0))
            return
        self._emit(QTensor(f"{name}:pixels", source.shape, 1.0, 0), QOp(name, OpKind.input, (), 0))
        op = QOp(
            name=f"{name}:quantize",
            kind=OpKind.depthwise,
            inputs=(0,),
            output=0,
            shift=scaler.shift,
            weights=scaler.weights.reshape(1, 1, -1),
            bias=scaler.bias,
            multiplier=scaler.multiplier,
        )
        self._emit(source, op)

    # Operators

    def _conv(self, node: Conv) -> None:
        if node.output == self.float_graph.logits and self._can_be_logits(node):
            self._logits(node)
        elif node.output in self.network.grids or not self._is_branch(node):
            grid = self._grid(node)
            clamp = grid.clamp(node.activation)
            follow = self.network.rounds_twice and clamp[0] >= grid.zero_point
            made = self._integers(node, grid.scale, round_twice=follow)
            if node.depthwise and node.kernel == (1, 1):
                _, source = self._source(node, node.input)
                real = node.weights.ravel(), node.bias
                made = affine.steep_channels_searched(made, *real, Grid(source.scale, source.zero_point), grid)
            op = self._weighted(node, grid, made)
            self._emit(self._tensor(node.output, grid), replace(op, clamp=clamp))
        else:
            self.residuals[node.output] = node

    def _can_be_logits(self, node: Conv) -> bool:
        on_one_pixel = self.float_graph.shapes[node.input][:2] == (1, 1)
        return node.is_pointwise and node.activation.is_identity and on_one_pixel and len(self.ops) > 1

    def _is_branch(self, node: Conv) -> bool:
        readers = list(self.float_graph.consumers(node.output))
        return (
            len(readers) == 1
            and isinstance(readers[0], Add)
            and readers[0].inputs[0] != readers[0].inputs[1]
            and node.is_pointwise
            and node.activation.is_identity
        )

    def _integers(self, node: Conv, scale_out: float, fraction_bits: int = 0, round_twice: bool = False) -> Integers:
        _, source = self._source(node, node.input)
        weights = per_output(node)
        steps = self.network.weight_steps.get(node.name, np.zeros(len(weights)))
        grid = Grid(source.scale, source.zero_point)
        correlation = 1.0 if node.is_pointwise else 4.0  # neighbouring pixels are alike
        bias, finest = node.bias, 1
        if round_twice:
            bias = bias + rounding.lift(steps * source.scale / scale_out) * scale_out
            finest = rounding.FINEST
        made = integers(node.name, weights, steps, bias, grid, scale_out, fraction_bits, correlation, finest)
        if made.requantized.any():
            self.requantized.append((node.name, int(made.requantized.sum()), len(weights)))
        return made

    def _weighted(self, node: Conv, grid: Grid | None, made: Integers) -> QOp:
        """The operator without its clamp; grid: None for logits."""
        index, source = self._source(node, node.input)
        kind = OpKind.depthwise if node.depthwise else OpKind.pointwise if node.is_pointwise else OpKind.conv
        kind = OpKind.fully_connected if grid is None else kind
        return QOp(
            name=node.name,
            kind=kind,
            inputs=(index,),
            output=0,
            kernel=node.kernel,
            stride=node.stride,
            pad=node.pads[:2],
            shift=made.shift,
            weights=stored_layout(made.weights, node, kind),
            bias=made.bias,
            multiplier=made.multiplier,
            pad_values=np.full(source.shape[2], source.zero_point, np.int8) if kind == OpKind.conv else None,
        )

    def _logits(self, node: Conv) -> None:
        _, source = self._source(node, node.input)
        largest = source.scale * float(np.abs(node.weights).max()) / 127
        # fine enough for every sum, coarse enough for every bias
        scale = max(largest * 2**31 / (2**30 - 256), float(np.abs(node.bias).max()) / 2**24, 2.0**-100)
        steps = self.network.weight_steps.get(node.name)
        if steps is not None:  # the file's own weight scale may be coarser than its largest weight needs
            scale = max(scale, source.scale * float(steps.max()) * 2**31 / (2**30 - 256))
        scale = float(np.float32(scale))
        tensor = QTensor(node.output, self.float_graph.shapes[node.output], scale, 0, DType.int32)
        self._emit(tensor, self._weighted(node, None, self._integers(node, scale)))

    def _add(self, node: Add) -> None:
        branch = next((name for name in node.inputs if name in self.residuals), None)
        grid = self._grid(node)
        if branch is not None:
            self._residual(node, self.residuals.pop(branch), grid)
            return
        addends = [self._source(node, name) for name in node.inputs]
        for position, (_, addend) in enumerate(addends):
            finer = finer_grid(addend, addends[1 - position][1], grid)
            if finer is not None:
                name = f"{node.output}:addend{position}"
                self._rescale(name, addend, QTensor(name, addend.shape, finer.scale, finer.zero_point), Clamp())
                addends[position] = self._source(node, name)
        smallest = max(addend.scale for _, addend in addends) * SMALLEST_SUM_SCALE
        if grid.scale >= smallest:
            self._emit(self._tensor(node.output, grid), add_operator(node.name, addends, grid, node.activation))
            return
        # neither factor may reach 2, and both addends are needed whole: the sum gets its finer scale afterwards
        scale = float(np.float32(smallest * (1 + 2.0**-20)))
        coarse = Grid(scale, int(np.clip(np.rint(-128 - grid.range.low / scale), -128, 127)))
        between = QTensor(f"{node.output}:sum", addends[0][1].shape, coarse.scale, coarse.zero_point)
        self._emit(between, add_operator(f"{node.name}:sum", addends, coarse, Clamp()))
        self._rescale(node.name, between, self._tensor(node.output, grid), node.activation)

    def _rescale(self, name: str, source: QTensor, out: QTensor, activation: Clamp) -> None:
        """Put a tensor on another scale: a depthwise 1x1 convolution with weights of one."""
        channels = source.shape[2]
        ones = np.ones((channels, 1))
        grid = Grid(source.scale, source.zero_point)
        made = integers(name, ones, ones[:, 0] / 127, np.zeros(channels), grid, out.scale)
        op = QOp(
            name=name,
            kind=OpKind.depthwise,
            inputs=(self.index[source.name],),
            output=0,
            shift=made.shift,
            clamp=Grid(out.scale, out.zero_point).clamp(activation),
            weights=made.weights.reshape(1, 1, channels),
            bias=made.bias,
            multiplier=made.multiplier,
        )
        self._emit(out, op)

    def _residual(self, node: Add, conv: Conv, grid: Grid) -> None:
        """A projection that the file leaves unquantized ahead of the sum: the law's residual, rounded once."""
        shortcut, addend = self._source(node, node.inputs[1] if node.inputs[0] == conv.output else node.inputs[0])
        if grid.scale < addend.scale * SMALLEST_SUM_SCALE:
            raise LinnetError(
                f"Add '{node.name}': its output scale {grid.scale:g} is below half of its input's {addend.scale:g}; "
                f"quantize the output of Conv '{conv.name}' too"
            )
        op = self._weighted(conv, grid, self._integers(conv, grid.scale, _FRACTION_BITS))
        factor = round(addend.scale / grid.scale * 2**14)
        op = replace(
            op,
            inputs=(*op.inputs, shortcut),
            clamp=grid.clamp(node.activation),
            factor=factor,
            offset=grid.zero_point * 2**14 - addend.zero_point * factor + 2**13,
        )
        self._emit(self._tensor(node.output, grid), op)

    def _pool(self, node: GlobalAveragePool) -> None:
        index, source = self._source(node, node.input)
        grid = self._grid(node)
        height, width, channels = source.shape
        ratio = source.scale / (grid.scale * height * width)
        shift = max(0, math.ceil(math.log2(ratio)) + 2)  # ratio * 2^(31-shift) < 2^30
        while shift and round(ratio * 2.0 ** (32 - shift)) < 2**30:
            shift -= 1
        if 256 * height * width > (2**31 - 1) >> shift:
            raise LinnetError(f"GlobalAveragePool '{node.name}': {height} x {width} positions do not fit 32-bit sums")
        state = QTensor(f"{node.output}:sums", (1, 1, channels), source.scale / (height * width), 0, DType.int32)
        self.tensors.append(state)
        op = QOp(
            name=node.name,
            kind=OpKind.avg_pool,
            inputs=(index,),
            output=0,
            state=len(self.tensors) - 1,
            shift=shift,
            clamp=grid.clamp(node.activation),
            factor=round(ratio * 2.0 ** (31 - shift)),
            offset=-height * width * source.zero_point,
        )
        self._emit(self._tensor(node.output, grid), op)

    def _softmax(self, node: Softmax) -> None:
        index, logits = self._source(node, node.input)
        if logits.dtype != DType.int32:
            raise LinnetError(f"Softmax '{node.name}': must follow a dense layer; give the network without it")
        exponent = logits.scale * math.log2(math.e) * 2**16
        shift = 30 - math.floor(math.log2(exponent))
        if not 0 <= shift <= 63:
            raise LinnetError(f"Softmax '{node.name}': cannot take logits of scale {logits.scale:g}")
        op = QOp(
            name=node.name,
            kind=OpKind.softmax,
            inputs=(index,),
            output=0,
            shift=shift,
            factor=min(round(exponent * 2.0**shift), 2**31 - 1),
            table=exp_table(),
        )
        self._emit(QTensor(node.output, logits.shape, 2.0**-30, 0, DType.int32), op)

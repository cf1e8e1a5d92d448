"""The int8 network in torch: it computes what the integers stand for, and gradients pass its roundings.

Forward, every value is one that the integer network can take, up to the rounding of factors (docs/numerics.md); at any
time the twin is a valid int8 network. Backward, a rounding counts as none (the straight-through estimator, Bengio et
al. 2013, arXiv 1308.3432), and scales and zero points get the gradients of Esser et al. 2020 (LSQ, arXiv 1902.08153)
and Bhalgat et al. 2020 (LSQ+, arXiv 2004.09576).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users call it

from linnet.format_gen import DType, OpKind

from . import quantize, side_by_side
from .correct import as_float
from .graph import Conv, FloatArray
from .qgraph import QGraph, QOp
from .quantize import Preprocessing
from .ranges import Range
from .recipe import Stage

Tensor = Any
"""torch.Tensor: torch is optional, and without it there are no types."""

_FULL = 126.5
"""A channel whose largest weight is less, in steps, has its scale from elsewhere (quantize): from its bias or from the
output's scale, with which its few small integers may be rounded anew."""


class _Quantize(torch.autograd.Function):
    """scale * (clamp(round(x / scale) + zero, low, high) - zero), zero a whole number."""

    # few passes over memory: they, not the convolutions, are what a step's time goes to
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero: Tensor, low: float, high: float) -> Tensor:
        step, ends = scale.item(), (low - zero.item(), high - zero.item())
        made = torch.mul(x, 1 / step).round_().clamp_(*ends).mul_(step)
        ctx.save_for_backward(x, made)
        ctx.step, ctx.ends = step, ends
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, made = ctx.saved_tensors
        below, above = ((end + half) * ctx.step for end, half in zip(ctx.ends, (-0.5, 0.5), strict=True))
        passed = torch.ops.aten.hardtanh_backward(gradient, x, below, above)
        by_scale = (_dot(gradient, made) - _dot(passed, x)) / ctx.step
        by_zero = (passed.sum() - gradient.sum()) * ctx.step if ctx.needs_input_grad[2] else None
        return passed, by_scale, by_zero, None, None


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum of products of (pictures, channels, height, width), in the order in which they lie."""
    return torch.dot(*(each.permute(0, 2, 3, 1).reshape(-1) for each in (a, b)))


def _round(x: Tensor) -> Tensor:
    """Rounded; gradients pass."""
    return x + (torch.round(x) - x).detach()


@dataclass
class _Layer:
    """A convolution's parameters: what the scale of its weights and its bias change by.

    weights: the integers, as torch has them; they stay.  gain: log of a factor on their scale, (out,).  bias: (out,),
    in units of `unit`.  scalable: 1 for channels whose scale may change, else 0, (out,).
    """

    start: side_by_side.Integers
    scale_in: float
    unit: float
    weights: Tensor
    gain: Tensor
    bias: Tensor
    scalable: Tensor


@dataclass
class _Output:
    """An int8 tensor's parameters: log of a factor on its scale, and what is added to its zero point."""

    scale: Tensor
    zero: Tensor


class Twin:
    """Parameters start at the int8 network's; `stage` gives the network as it is now."""

    def __init__(self, stage: Stage, preprocessing: Preprocessing, logits_step: float) -> None:
        """stage: corrected (recipe.stages).  logits_step: real units in which the logits' biases are learned."""
        self.base, self.preprocessing = stage, preprocessing
        self.quantized = quantize.quantize(stage.graph, stage.ranges, preprocessing)
        self.layers: dict[str, _Layer] = {}
        self._given: set[str] = set()
        self.outputs: dict[str, _Output] = {}
        known = {node.name for node in stage.graph.nodes}
        for op in self.ops():
            out = self.quantized.tensors[op.output]
            if op.weights is not None:
                self.layers[op.name] = self._layer(op, out.scale if out.dtype == DType.int8 else logits_step)
                if op.name not in known:  # the picture's normalization: no float node could take up what changes
                    self._given |= {op.name, out.name}
            elif op.kind == OpKind.softmax:
                continue
            if out.dtype == DType.int8:
                self.outputs[out.name] = _Output(*(torch.zeros((), requires_grad=True) for _ in range(2)))
        self.ends = blocks(self.quantized)
        logits = self.quantized.writer(self.quantized.logits)
        self.features = self.quantized.tensors[logits.inputs[0]].name
        """What the logits are made of."""

    def ops(self) -> Iterator[QOp]:
        """Operators that the twin computes, in order."""
        return (op for op in self.quantized.ops if op.kind not in (OpKind.input, OpKind.softmax))

    def _layer(self, op: QOp, unit: float) -> _Layer:
        constants = side_by_side.integers(self.quantized, op)
        source = self.quantized.tensors[op.inputs[0]]
        weights = torch.tensor(self._placed(op, constants.weights), dtype=torch.float32)
        return _Layer(
            start=constants,
            scale_in=source.scale,
            unit=unit,
            weights=weights,
            gain=torch.zeros(len(weights), requires_grad=True),
            bias=torch.zeros(len(weights), requires_grad=True),
            scalable=(weights.abs().amax((1, 2, 3)) >= _FULL).float(),
        )

    def _kernel(self, op: QOp) -> tuple[int, int]:
        height, width, _ = self.quantized.tensors[op.inputs[0]].shape
        return (height, width) if op.kind == OpKind.fully_connected else op.kernel

    def _placed(self, op: QOp, weights: FloatArray) -> FloatArray:
        """(out, taps) as torch wants them, (out, in, height, width)."""
        if op.kind == OpKind.depthwise:
            return weights.reshape(-1, 1, *op.kernel)
        placed: FloatArray = weights.reshape(len(weights), *self._kernel(op), -1).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(placed)

    def forward(self, x: Tensor, *, apart: bool) -> dict[str, Tensor]:
        """Outputs of all blocks, the logits among them, and the features, by the tensor's name.

        x: pixel - 128, (pictures, channels, height, width).  apart: every block's gradient ends at its input.
        """
        values = {self.quantized.ops[0].output: x}
        ends = {}
        for op in self.ops():
            out = self.quantized.tensors[op.output]
            value = self._computed(op, values)
            if out.name in self.outputs:
                value = self._stored(op, value)
            values[op.output] = value
            if out.name in {*self.ends, self.features}:
                ends[out.name] = value
            if out.name in self.ends:
                values = {op.output: value.detach() if apart else value}
        return ends

    def _computed(self, op: QOp, values: dict[int, Tensor]) -> Tensor:
        x = values[op.inputs[0]]
        if op.kind == OpKind.avg_pool:
            return x.mean((2, 3), keepdim=True)
        if op.kind == OpKind.add:
            return x + values[op.inputs[1]]
        layer = self.layers[op.name]
        scale = torch.tensor(layer.start.scale / layer.scale_in, dtype=torch.float32) * torch.exp(layer.gain)
        weights = layer.weights * scale[:, None, None, None]
        bias = torch.tensor(layer.start.bias, dtype=torch.float32) + layer.unit * layer.bias
        source, out = self.quantized.tensors[op.inputs[0]], self.quantized.tensors[op.output]
        kernel = self._kernel(op)
        low = [(out.shape[i] - 1) * op.stride[i] + kernel[i] - op.pad[i] - source.shape[i] for i in (0, 1)]
        if op.pad_values is not None and op.inputs[0] == self.quantized.ops[0].output:
            x = x - torch.tensor(side_by_side.pad_values(self.quantized, op))[:, None, None]
        x = F.pad(x, (op.pad[1], max(low[1], 0), op.pad[0], max(low[0], 0)))
        made = F.conv2d(x, weights, bias, op.stride, groups=source.shape[2] if op.kind == OpKind.depthwise else 1)
        return made + values[op.inputs[1]] if len(op.inputs) == 2 else made

    def _stored(self, op: QOp, value: Tensor) -> Tensor:
        out = self.quantized.tensors[op.output]
        learned = self.outputs[out.name]
        scale = out.scale * torch.exp(learned.scale)
        zero = torch.clamp(_round(out.zero_point + learned.zero), -128, 127)
        nodes = side_by_side.stands_for(self.base.graph, self.quantized, op)
        low, high = -128.0, 127.0
        clamp = getattr(nodes[-1], "activation", None) if nodes else None
        if clamp is not None:
            ends = np.rint(np.array([clamp.low, clamp.high]) / scale.item()) + zero.item()
            low, high = np.clip(ends, -128, 127)
        return _Quantize.apply(value, scale, zero, float(low), float(high))

    def parameters(self) -> dict[str, list[Tensor]]:
        """By kind. Ranges that begin at zero keep doing so."""
        layers = [layer for name, layer in self.layers.items() if name not in self._given]
        outputs = {name: output for name, output in self.outputs.items() if name not in self._given}
        zero_points = {out.name: out.zero_point for out in self.quantized.tensors}
        return {
            "gain": [layer.gain for layer in layers],
            "bias": [layer.bias for layer in layers],
            "scale": [output.scale for output in outputs.values()],
            "zero": [output.zero for name, output in outputs.items() if zero_points[name] > -128],
        }

    def mask(self) -> None:
        """Take gradients from what may not move; to be called ahead of each step."""
        for layer in self.layers.values():
            if layer.gain.grad is not None:
                layer.gain.grad *= layer.scalable

    def stage(self) -> Stage:
        """Float graph and ranges that quantize to the network as it is now."""
        graph, ranges = self.base.graph, dict(self.base.ranges)
        stored_input = quantize.stored_input(graph, self.preprocessing)
        nodes = {node.name: node for node in graph.nodes}
        for op in self.ops():
            node = nodes.get(op.name)
            if isinstance(node, Conv):
                read = stored_input if node.input == graph.input else None
                nodes[op.name] = as_float(node, self._integers(op), self.layers[op.name].scale_in, read)
            name = self.quantized.tensors[op.output].name
            if name in self.outputs and name in ranges:
                ranges[name] = self._range(op.output)
        return Stage("reconstruction", replace(graph, nodes=tuple(nodes[node.name] for node in graph.nodes)), ranges)

    def _integers(self, op: QOp) -> side_by_side.Integers:
        layer = self.layers[op.name]
        gain, bias = (each.detach().numpy().astype(np.float64) for each in (layer.gain, layer.bias))
        start = layer.start
        return replace(start, scale=start.scale * np.exp(gain), bias=start.bias + layer.unit * bias)

    def _range(self, tensor: int) -> Range:
        out = self.quantized.tensors[tensor]
        learned = self.outputs[out.name]
        scale = out.scale * float(np.exp(learned.scale.item()))
        zero = int(np.clip(np.rint(out.zero_point + learned.zero.item()), -128, 127))
        return (-128 - zero) * scale, (127 - zero) * scale


def blocks(quantized: QGraph) -> list[str]:
    """Names of the tensors that end a block: whole separable convolutions or inverted residuals, and the logits.

    A block ends with a convolution that reads a depthwise one, where later operators read nothing before its output.
    """
    ends = []
    for index, op in enumerate(quantized.ops):
        later = {tensor for other in quantized.ops[index + 1 :] for tensor in other.inputs}
        alone = all(quantized.writer_index(tensor) >= index for tensor in later)
        separable = bool(op.inputs) and quantized.writer(op.inputs[0]).kind == OpKind.depthwise
        if op.output == quantized.logits or (alone and separable and op.kind != OpKind.depthwise):
            ends.append(quantized.tensors[op.output].name)
    return ends

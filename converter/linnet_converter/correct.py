"""Weights and biases that make up for what quantization does to the network, layer by layer in order.

Every layer is looked at on what it will read: the output of the integer layers before it, already corrected. Its
weights are rounded for those inputs (rounding.py); then its bias takes the mean by which the integer network's sums
miss the float network's. That is the empirical bias correction of Nagel et al. 2019 (arXiv 1906.04721, section 4.2 and
appendix D), with one change: positions where the float sum lies outside the activation's clamp hardly count, because
there the clamp hides whatever the sum is.

The result is a float graph again, its weights on the grid of their int8 scales: quantizing it finds these integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from linnet.format_gen import OpKind

from .graph import Conv, FloatArray, Graph
from .qgraph import QGraph, QOp
from .quantize import per_output
from .rounding import Rounding, covariance, descend, lower_of_both
from .side_by_side import Integers, Pictures, SideBySide, Values, affordable, bounds, integers, with_integers

OUTSIDE = 0.1
"""How much a position counts whose float sum lies outside the clamp. From 0.002 to 0.1 no figure changes by 0.4 dB."""

_ON_GRID = 1e-4
"""Weights this near to an integer, in steps, are one: float32 has touched them."""

Track = Callable[[Sequence[QOp]], Iterable[QOp]]


def correct(
    graph: Graph,
    quantized: QGraph,
    pictures: Pictures,
    *,
    rounding: Rounding = "covariance",
    bias: bool = True,
    track: Track = iter,
) -> Graph:
    """The graph with weights rounded by a method of rounding.py, and biases corrected (`bias`).

    quantized: the graph as quantize makes it now.  pictures: uint8 (height, width, channels), those of calibration.
    track: wraps the operators gone through, for a progress bar.
    """
    both = SideBySide(graph, quantized, affordable(graph, pictures))
    nodes = {node.name: node for node in graph.nodes}
    for seed, op in enumerate(track(quantized.ops[1:])):
        conv = both.conv(op)
        if conv is None:
            both.advance(op)
            continue
        constants, wanted = integers(quantized, op), both.wanted(op)
        if rounding != "nearest":
            weights = _rounded(both, op, conv, constants, wanted, seed, soft=rounding == "adaround")
            constants = replace(constants, weights=weights)
        computed = both.computed(with_integers(op, constants))
        if bias:
            missing = mean_error(wanted, computed, bounds(graph, quantized, op))
            constants = replace(constants, bias=constants.bias + missing)
            computed += missing.astype(np.float32)[:, None, None]
        node = nodes[op.name]
        assert isinstance(node, Conv)
        scale_in = quantized.tensors[op.inputs[0]].scale
        read = (both.gain, both.shift) if node.input == graph.input else None
        nodes[op.name] = as_float(node, constants, scale_in, read)
        both.keep(op, wanted, computed)
    return replace(graph, nodes=tuple(nodes[node.name] for node in graph.nodes))


def mean_error(wanted: Values, computed: Values, limits: tuple[Values, Values]) -> FloatArray:
    """By how much computed lies below wanted in each channel, (channels,), where the activation lets it be seen."""
    low, high = limits
    total, missing = (np.zeros(wanted.shape[1]) for _ in range(2))
    for right, got in zip(wanted, computed, strict=True):
        weight = np.where((right > low) & (right < high), np.float32(1), np.float32(OUTSIDE))
        total += weight.sum((1, 2))
        missing += (weight * (right - got)).sum((1, 2))
    return missing / total


def _rounded(
    both: SideBySide, op: QOp, conv: Conv, constants: Integers, wanted: Values, seed: int, *, soft: bool
) -> FloatArray:
    """Integer weights (out, taps) for the inputs that occur.  soft: of each row those from AdaRound, if better."""
    scale_in = both.quantized.tensors[op.inputs[0]].scale
    target = np.clip(per_output(conv) * (scale_in / constants.scale)[:, None], -127, 127)
    nearest = np.rint(target)
    target = np.where(np.abs(target - nearest) < _ON_GRID, nearest, target)
    if np.array_equal(target, nearest):
        return nearest
    read, should_be = both.patches(op, wanted, seed)
    depthwise = op.kind == OpKind.depthwise
    moments = _moments_of_channels(both, op, read, should_be) if depthwise else covariance(read)
    if not soft:
        return descend(target, moments)
    from . import adaround  # torch is optional

    return lower_of_both(target, moments, adaround.soften(target, moments))


def _moments_of_channels(both: SideBySide, op: QOp, read: Values, should_be: Values) -> FloatArray:
    """H of each channel of a depthwise convolution, (channels, taps, taps), for SideBySide.patches."""
    low, high = (bound.ravel() for bound in bounds(both.graph, both.quantized, op))
    weight = np.where((should_be > low) & (should_be < high), np.float32(1), np.float32(OUTSIDE))
    return np.stack([covariance(read[:, :, c], weight[:, c]) for c in range(read.shape[2])])


def as_float(
    node: Conv, constants: Integers, scale_in: float, stored_input: tuple[FloatArray, FloatArray] | None
) -> Conv:
    """The float convolution that quantizes to these integers.

    scale_in: of the input that constants.scale is for.  stored_input: quantize.stored_input's gain and shift, of a
    convolution of the network's input.
    """
    rows = constants.weights * (constants.scale / scale_in)[:, None]
    bias = constants.bias
    if stored_input is not None:  # take the picture's normalization out again
        gain, shift = stored_input
        channels = len(gain)
        taps = rows.shape[1] // channels
        bias = bias - rows @ constants.pad
        rows = rows / np.tile(gain, taps)
        bias = bias - rows @ np.tile(shift, taps)
        if node.depthwise:  # it became a full convolution: one input channel of each row is its own
            own = rows.reshape(channels, taps, channels)
            rows = np.einsum("ctc->ct", own)
    if node.depthwise:
        return replace(node, weights=rows.T.reshape(node.weights.shape), bias=bias)
    return replace(node, weights=rows.reshape(node.weights.shape), bias=bias)

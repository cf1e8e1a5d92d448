"""Give every channel between a convolution and the depthwise one behind it as much of the 8-bit grid as it can use.

Cross-layer equalization, Nagel et al. 2019 (arXiv 1906.04721), section 4.1, where it costs nothing: the depthwise
convolution reads one channel at a time, so that the producer's row times r and the filter divided by r give the same
float network and the same int8 weights; only multipliers change.

The tensor has one scale, its largest channel's. A channel whose maximum is m under a tensor maximum of M could be
raised by M / m; r is a power of that, (M / m)^STRENGTH, rounded down to a power of 2^(1/4), because a channel that
fills the grid on the calibration pictures is cut on others (docs/quantization.md has figures). Steps of 2^(1/4) let
`ratios` read r off the weights of a finished file.

A clamp (ReLU6) follows its channel: it becomes one at 6 r, which is never below 6. The quantized clamp stays at 6,
where a scaled channel's own grid ends: see graph.Conv.gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .calibrate import Extremes
from .graph import Conv, FloatArray, Graph

STRENGTH = 0.75
STEPS_PER_OCTAVE = 4
LARGEST_OCTAVES = 5
"""Channels that are all but dead are not raised further than 2^5."""


def between(graph: Graph) -> list[tuple[Conv, list[Conv]]]:
    """Convolutions whose output is read by depthwise ones only, with those readers."""
    pairs = []
    for node in graph.nodes:
        if not isinstance(node, Conv) or node.output == graph.output or not _scales(node):
            continue
        readers = list(graph.consumers(node.output))
        depthwise = [reader for reader in readers if isinstance(reader, Conv) and reader.depthwise]
        if readers and len(depthwise) == len(readers):
            pairs.append((node, depthwise))
    return pairs


def _scales(node: Conv) -> bool:
    """Whether a factor of 1 or more may pass the activation: zero must be its lower bound, if it has one."""
    return node.activation.low in (0.0, -np.inf) and node.activation.high > 0


def gains(seen: Extremes, strength: float = STRENGTH) -> FloatArray:
    """r of each channel, (channels,), each 1 or more."""
    magnitude = seen.magnitude
    largest = magnitude.max(initial=0.0)
    alive = magnitude > 0
    octaves = strength * np.log2(np.where(alive, largest, 1.0) / np.where(alive, magnitude, 1.0))
    # the small addend keeps a quotient of exact powers of two from falling a step short
    steps = np.floor(np.minimum(octaves, LARGEST_OCTAVES) * STEPS_PER_OCTAVE + 1e-6)
    result: FloatArray = 2.0 ** (steps / STEPS_PER_OCTAVE)
    return result


def equalize(graph: Graph, seen: Mapping[str, Extremes], strength: float = STRENGTH) -> Graph:
    """The same float function with channels of similar size ahead of depthwise convolutions."""
    return rescale(graph, {conv.output: gains(seen[conv.output], strength) for conv, _ in between(graph)})


def rescale(graph: Graph, ratios: Mapping[str, FloatArray]) -> Graph:
    """The same float function with tensors (those that `between` names) multiplied by a ratio per channel."""
    nodes = {node.output: node for node in graph.nodes}
    for conv, readers in between(graph):
        ratio = ratios.get(conv.output)
        if ratio is None:
            continue
        made = nodes[conv.output]
        assert isinstance(made, Conv)
        rows = made.weights * (ratio if made.depthwise else ratio[:, None, None, None])
        nodes[conv.output] = replace(
            made, weights=rows, bias=made.bias * ratio, gain=tuple(made.gain_of_channels * ratio)
        )
        for reader in readers:
            read = nodes[reader.output]
            assert isinstance(read, Conv)
            nodes[reader.output] = replace(read, weights=read.weights / ratio)
    return replace(graph, nodes=tuple(nodes[node.output] for node in graph.nodes))


def ratios(graph: Graph, rows: Mapping[str, tuple[FloatArray, FloatArray]]) -> dict[str, FloatArray]:
    """The gains of a finished network, read off its weights, for `rescale`.

    graph: as its source is read.  rows: by tensor that `between` names, what the integers of the convolution that makes
    it stand for, weights (out, taps) and bias (out,), real units. Weights are off by rounding, gains are apart by
    2^(1/4): the nearest is the right one, unless a channel has next to no weights.
    """
    found = {}
    for conv, _ in between(graph):
        if conv.output not in rows:
            continue
        weights, bias = rows[conv.output]
        wanted = (
            conv.weights[0].reshape(-1, conv.channels).T if conv.depthwise else conv.weights.reshape(conv.channels, -1)
        )
        scaled, plain = (weights * wanted).sum(axis=1), np.square(wanted).sum(axis=1)
        # of a channel without weights the bias has to tell
        blind = scaled <= 0
        scaled = np.where(blind, np.abs(bias), scaled)
        plain = np.where(blind, np.abs(conv.bias), plain)
        known = (scaled > 0) & (plain > 0)
        octaves = np.log2(np.where(known, scaled, 1.0) / np.where(known, plain, 1.0))
        found[conv.output] = 2.0 ** (np.maximum(np.rint(octaves * STEPS_PER_OCTAVE), 0) / STEPS_PER_OCTAVE)
    return found

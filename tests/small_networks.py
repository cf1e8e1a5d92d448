"""Tiny whole classifiers with random weights, for tests of everything around the arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import random_networks

from linnet.format_gen import InputKind
from linnet_converter import lnt_file, planner
from linnet_converter.qgraph import QGraph

HEIGHT, WIDTH, CLASSES = 12, 10, 10


def classifier(
    *,
    softmax: bool = False,
    channels: int = 3,
    kind: InputKind = InputKind.pixels,
    labels: Sequence[str] = (),
    seed: int = 1,
) -> QGraph:
    """Stem, one inverted residual, pool, dense layer: 12x10 in, 10 classes out."""
    b = random_networks.Builder(np.random.default_rng(seed))
    x = b.source((HEIGHT, WIDTH, channels))
    if kind == InputKind.tensor:
        b.tensors[0] = replace(b.tensors[0], scale=0.5, zero_point=3)
    x = b.conv(x, 8, (3, 3), (2, 2), depthwise=False)
    y = b.pointwise(x, 16)
    y = b.conv(y, 0, (1, 1), (1, 1), depthwise=True)
    y = b.pointwise(y, 8, residual=x)
    y = b.conv(y, 0, (3, 3), (1, 1), depthwise=True)
    y = b.pool(b.pointwise(y, 24))
    y = b.dense(y, CLASSES)
    if softmax:
        b.softmax(y)
        b.tensors[-1] = replace(b.tensors[-1], scale=2.0**-30)
    return replace(b.graph(kind), labels=tuple(labels))


def lnt(graph: QGraph, *, push_rows: bool = False) -> bytes:
    """The network's .lnt file."""
    return lnt_file.write(graph, [planner.plan(graph, push_rows=push_rows)])

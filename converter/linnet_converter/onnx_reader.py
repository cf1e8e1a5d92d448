"""Read a float ONNX network into Linnet's graph: activations, batch norm, padding and layout folded away.

The file is opened by onnx_file.py and its nodes are walked once, in order. Each is constant (and computed), folded
(onnx_folding.py), an operator of the graph (onnx_operators.py), or a LinnetError of one line that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from linnet.errors import LinnetError
from linnet_converter import onnx_folding, onnx_operators
from linnet_converter.graph import Graph
from linnet_converter.onnx_file import SourceNode, load_source, one_line
from linnet_converter.onnx_folding import Handler
from linnet_converter.onnx_walk import READS, Walk

HANDLERS = onnx_folding.HANDLERS | onnx_operators.HANDLERS

REMEDIES = {
    "ArgMax": "export without it: Linnet gives the class scores",
    "ConvTranspose": "Linnet runs classifiers, without upsampling",
    "LogSoftmax": "export without it, or end in Softmax",
    "MaxPool": "use a convolution of stride 2 instead",
    "Sigmoid": "export without it: Linnet gives the scores, and a probability of 0.5 is a score of 0",
    "TopK": "export without it: Linnet gives the class scores",
} | dict.fromkeys(
    ("Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Selu", "Softplus", "Swish", "Tanh"),
    "train with ReLU or ReLU6",
)


def read(path: str | Path) -> Graph:
    """Read an ONNX file. Raises LinnetError, one line, where it is damaged or holds what Linnet cannot run."""
    return walk_nodes(Walk(load_source(path)), HANDLERS).finish()


def walk_nodes(walk: Walk, handlers: Mapping[str, Handler]) -> Walk:
    """Visit all nodes of the walk's file; the same walk."""
    for node in walk.source.nodes:
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused at the end
                _visit(walk, node, handlers)
        except (ValueError, IndexError, TypeError, ArithmeticError, MemoryError) as error:
            # what numpy says to attributes and weights that contradict each other, as in a damaged file
            raise LinnetError(f"{node.label}: cannot be read ({one_line(error)}); export the file again") from error
    return walk


def _visit(walk: Walk, node: SourceNode, handlers: Mapping[str, Handler]) -> None:
    if walk.compute_constant(node):
        return
    handler = handlers.get(node.op)
    if handler is None:
        node.fail("this operator is not supported", REMEDIES.get(node.op, READS))
    handler(walk, node)

"""Read a network that was quantized in ONNX's QDQ format: onnxruntime's quantize_static, PyTorch's PT2E exports.

The file is walked like a float network (onnx_reader.py), its dequantized weights being constants. QuantizeLinear gives
the tensor of the operator ahead of it a grid; DequantizeLinear changes nothing. Where a tensor is quantized a second
time (Conv, Q, DQ, Clip, Q), the second rounding stays an operator of its own, unless one rounding on the second grid
lies within one step of the two.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from linnet.errors import LinnetError
from linnet_converter.graph import Clamp, Conv, Graph, Softmax
from linnet_converter.onnx_file import SourceNode, load_source
from linnet_converter.onnx_quantized import DEQUANTIZE, QDQ, QUANTIZE, grid
from linnet_converter.onnx_reader import HANDLERS, walk_nodes
from linnet_converter.onnx_views import View, compose, fold_clamp
from linnet_converter.onnx_walk import Walk

from .network import Grid, ImportedNetwork

COARSEST_FOLD = 1.9
"""A first grid up to so many times coarser than the second moves a value by less than one step of the second."""


def read(path: str | Path) -> ImportedNetwork:
    """Read a QDQ ONNX file. Raises LinnetError, one line, where it is damaged or holds what Linnet cannot run."""
    walk = walk_nodes(Walk(load_source(path, quantized=True)), HANDLERS | _HANDLERS)
    graph = walk.finish()
    if walk.input.grid is None:
        raise LinnetError(f"{path}: its input '{graph.input}' is not quantized; quantize the whole network")
    grids = {draft.tensor: draft.grid for draft in (walk.input, *walk.drafts) if draft.grid is not None}
    steps = {
        draft.node.name: draft.steps for draft in walk.drafts if draft.node is not None and draft.steps is not None
    }
    return merge_logits(ImportedNetwork(graph, grids, steps, walk.source.integer_input))


def merge_logits(network: ImportedNetwork) -> ImportedNetwork:
    """Put a scale and shift of quantized scores (MatMul, Q, DQ, Add, Q) back into the dense layer that makes them.

    The scores stay int32 then, as those of a dense layer with a bias do.
    """
    graph = network.graph
    last = next((node for node in graph.nodes if node.output == graph.logits), None)
    dense = next((node for node in graph.nodes if isinstance(last, Conv) and node.output == last.input), None)
    if not (
        isinstance(last, Conv)
        and isinstance(dense, Conv)
        and last.depthwise
        and last.kernel == (1, 1)
        and last.activation.is_identity
        and dense.is_pointwise
        and dense.activation.is_identity
        and graph.shapes[dense.input][:2] == (1, 1)
        and sum(1 for _ in graph.consumers(dense.output)) == 1
    ):
        return network
    factor = last.weights.ravel()
    merged = replace(
        dense,
        output=last.output,
        weights=dense.weights * factor[:, None, None, None],
        bias=dense.bias * factor + last.bias,
    )
    nodes = tuple(merged if node is dense else node for node in graph.nodes if node is not last)
    shapes = {name: shape for name, shape in graph.shapes.items() if name != dense.output}
    steps = dict(network.weight_steps)
    if dense.name in steps:
        steps[dense.name] = steps[dense.name] * np.abs(factor)
    made: Graph = replace(graph, nodes=nodes, shapes=shapes)
    return replace(network, graph=made, weight_steps=steps)


def _grid(walk: Walk, node: SourceNode) -> Grid:
    return grid(node, walk.constant(node, 1), walk.constant(node, 2))


def _quantize(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node)
    if isinstance(view.draft.node, Softmax):  # probabilities keep the law's own scale
        walk.set_view(node, view)
        return
    made, draft = _grid(walk, node), view.draft
    if draft is walk.input:
        if draft.grid not in (None, made):
            node.fail("quantizes the input another time, otherwise", "quantize the input once")
        draft.grid = made
        walk.set_view(node, view)
    elif draft.grid is None:
        if view.affine is not None:
            walk.refuse_affine(node, view)
        draft.grid = made
        walk.set_folded(node, view)
    else:
        _quantize_again(walk, node, view, made)


def _quantize_again(walk: Walk, node: SourceNode, view: View, made: Grid) -> None:
    draft = view.draft
    assert draft.grid is not None
    plain = view.affine is None
    if plain and view.clamp is None and made == draft.grid:
        walk.set_view(node, view)
        return
    if plain and not view.shared and draft.grid.scale <= COARSEST_FOLD * made.scale:
        # what the first grid could hold still limits the values
        before = Clamp() if made == draft.grid else draft.grid.range
        if fold_clamp(draft, compose(before, view.clamp or Clamp())):
            draft.grid = made
            walk.set_folded(node, replace(view, clamp=None))
            return
    walk.set_view(node, walk.requantized(node, view, made, node.outputs[0]))


def _dequantize(walk: Walk, node: SourceNode) -> None:
    view = walk.view(node)
    if isinstance(view.draft.node, Softmax):
        walk.set_view(node, view)
        return
    made = _grid(walk, node)
    if view.draft is walk.input and view.draft.grid is None and walk.source.integer_input:
        view.draft.grid = made
    if view.draft.grid != made:
        node.fail("its scale or zero point is not that of the QuantizeLinear ahead of it", QDQ)
    walk.set_view(node, view)


_HANDLERS = dict.fromkeys(QUANTIZE, _quantize) | dict.fromkeys(DEQUANTIZE, _dequantize)

"""The state of a walk over an ONNX file: what each tensor is so far, the operators made, the input's layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np

from linnet.errors import LinnetError
from linnet_converter.graph import Add, Clamp, Conv, FloatArray, Graph, Node, Shape, Softmax
from linnet_converter.imports.network import Grid
from linnet_converter.onnx_file import Array, SourceFile, SourceNode, is_shape_only, one_line
from linnet_converter.onnx_quantized import DEQUANTIZE, QUANTIZE, dequantize_constant, quantize_constant
from linnet_converter.onnx_views import (
    PADDING,
    Draft,
    IndexArray,
    View,
    channel_order,
    compose,
    fold_clamp,
    per_channel,
)

READS = (
    "Linnet reads Conv, Gemm, MatMul, Add, global average pooling, Relu, Clip and a final Softmax; "
    "change the network or cut the node off before exporting"
)

BEHIND_SOFTMAX = {"Identity", "Reshape", "Flatten", "Squeeze", "Cast", *QUANTIZE, *DEQUANTIZE}
MOVES = ("Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""Operators that only move elements."""


class Walk:
    """Handlers (onnx_folding.py, onnx_operators.py) read operands through it and set the outputs of their node.

    layout: "NCHW" or "NHWC" once the first convolution has shown how the input lies, "" before.
    logits: name of the file's tensor that enters the final softmax, or of the output.
    """

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        _, first, second, third = source.input_shape
        self.input = Draft(source.input, (first, second, third))
        positions = np.arange(self.input.size, dtype=np.int32).reshape(source.input_shape)
        self.values: dict[str, Array | View] = {
            source.input: View(self.input, positions, self._is_shared(source.input))
        }
        self.steps: dict[str, FloatArray] = {}  # of constants that the file dequantizes: the step at each element
        self.drafts: list[Draft] = []
        self.layout = ""
        self.logits = source.output
        self._names: set[str] = set()
        self._relabel: IndexArray | None = None  # position as the file lies -> position in (h, w, c)
        self._input_affine: tuple[FloatArray, FloatArray] | None = None

    # Operands

    def operand(self, node: SourceNode, position: int) -> Array | View | None:
        """An input of the node, None where it is absent."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        if name and name not in self.values:
            if name not in self.source.constants:
                node.fail(f"its input '{name}' is an output that Linnet does not compute", "export for inference")
            self.values[name] = self.source.constant(name)
        return self.values[name] if name else None

    def view(self, node: SourceNode, position: int = 0, allow_partial: bool = False) -> View:
        """An input that is computed from the picture; an average over a part of the map only where allowed."""
        value = self.operand(node, position)
        if not isinstance(value, View):
            node.fail(f"its input {position} is constant or missing", "export the file again")
        if isinstance(value.draft.node, Softmax) and node.op not in BEHIND_SOFTMAX:
            node.fail("follows the Softmax", "Linnet has Softmax as the last node only")
        if value.partial_mean and not allow_partial:
            raise LinnetError(f"{value.partial_mean}: averages over other than height and width; {READS}")
        return value

    def constant(self, node: SourceNode, position: int) -> Array | None:
        """An input that must not depend on the picture, None where it is absent."""
        value = self.operand(node, position)
        if isinstance(value, View):
            node.fail(f"its input {position} ('{node.inputs[position]}') is computed, not constant", READS)
        return value

    def floats(self, node: SourceNode, position: int) -> FloatArray:
        """A constant input that must be there, as float64."""
        value = self.constant(node, position)
        if value is None:
            node.fail(f"its input {position} is missing", "export the file again")
        return value.astype(np.float64)

    def scalar(self, node: SourceNode, position: int, default: float) -> float:
        """A constant input with one value in all its elements."""
        value = self.constant(node, position)
        if value is None:
            return default
        if not value.size or np.any(value != value.flat[0]):
            node.fail("its bound or value is not one number", "use the same for all channels")
        return float(value.flat[0])

    def compute_constant(self, node: SourceNode) -> bool:
        """Compute a node that does not depend on the picture's values; False where it does."""
        operands = [self.operand(node, position) for position in range(len(node.inputs))]
        views = [position for position, value in enumerate(operands) if isinstance(value, View)]
        if not all(is_shape_only(node.op, position) for position in views) or not (operands or node.op == "Constant"):
            return False
        feeds: dict[str, Array] = {}
        for position, (name, value) in enumerate(zip(node.inputs, operands, strict=True)):
            if isinstance(value, View):
                # Shape wants the shape, CastLike the type
                feeds[name] = self.view(node, position).index.astype(np.float32)
            elif value is not None:
                feeds[name] = value
        if node.op in DEQUANTIZE or node.op in QUANTIZE:
            self._compute_quantized(node, operands)
            return True
        self.values.update(zip(node.outputs, self.source.evaluate(node, feeds), strict=False))
        if node.op in MOVES and node.inputs[0] in self.steps:
            moved = self.source.evaluate(node, feeds | {node.inputs[0]: self.steps[node.inputs[0]]})
            self.steps[node.outputs[0]] = moved[0]
        return True

    def _compute_quantized(self, node: SourceNode, operands: Sequence[Array | View | None]) -> None:
        stored, scale, zero_point = (*operands, None, None)[:3]
        assert not isinstance(stored, View) and not isinstance(scale, View) and not isinstance(zero_point, View)
        if stored is None or scale is None:
            node.fail("a value or its scale is missing", "export the file again")
        if node.op in QUANTIZE:
            self.values[node.outputs[0]] = quantize_constant(node, stored, scale, zero_point)
        else:
            real, steps = dequantize_constant(node, stored, scale, zero_point)
            self.values[node.outputs[0]], self.steps[node.outputs[0]] = real, steps

    def weight_steps(
        self, node: SourceNode, position: int, arrange: Callable[[FloatArray], FloatArray]
    ) -> FloatArray | None:
        """Step of each element of constant weights, arranged as the weights were; None unless they are quantized."""
        steps = self.steps.get(node.inputs[position])
        return None if steps is None else arrange(steps)

    # Results

    def set_view(self, node: SourceNode, view: View) -> None:
        """Make the node's first output this view; it is shared if the view or the output is."""
        output = node.outputs[0]
        self.values[output] = replace(view, shared=view.shared or self._is_shared(output))

    def set_folded(self, node: SourceNode, view: View) -> None:
        """The node has folded into the view's draft, which now computes the node's first output."""
        view.draft.tensor = node.outputs[0]
        self.set_view(node, view)

    def emit(
        self,
        node: SourceNode,
        made: Node,
        inputs: Sequence[Draft],
        shape: Shape,
        index: IndexArray,
        steps: FloatArray | None = None,
    ) -> None:
        """Add an operator (its tensors are named at the end); the node's first output lies as index says."""
        self.set_view(node, View(self._draft(made, node.outputs[0], inputs, shape, steps), index))

    def _draft(
        self, made: Node, tensor: str, inputs: Sequence[Draft], shape: Shape, steps: FloatArray | None = None
    ) -> Draft:
        name, number = made.name, 2
        while name in self._names:
            name, number = f"{made.name}_{number}", number + 1
        self._names.add(name)
        draft = Draft(tensor, shape, tuple(inputs), replace(made, name=name), steps=steps)
        self.drafts.append(draft)
        return draft

    # Quantized files

    def requantized(self, node: SourceNode, view: View, grid: Grid, tensor: str) -> View:
        """Put the view's values on a grid by an operator of its own, a depthwise 1x1 convolution that makes `tensor`.

        What is still to be applied to the view (a scale and shift, an activation) is its weights, bias and clamp.
        """
        if view.draft is self.input:
            node.fail("comes between the input's QuantizeLinear and the first convolution", "quantize the input last")
        channels = view.draft.shape[2]
        scale, shift = np.ones(channels), np.zeros(channels)
        if view.affine is not None:
            given = [per_channel(values, view.draft.shape) for values in (view.affine.scale, view.affine.shift)]
            if given[0] is None or given[1] is None:
                self.refuse_affine(node, view)
            scale, shift = given[0], given[1]
        name = node.name if tensor == node.outputs[0] else tensor
        made = Conv(name, "", "", scale.reshape(1, 1, 1, -1), shift, depthwise=True, activation=view.clamp or Clamp())
        draft = self._draft(made, tensor, (view.draft,), view.draft.shape, np.abs(scale) / 127)
        draft.grid = grid
        return View(draft, view.index, moves=view.moves)

    def clamped(self, node: SourceNode, view: View) -> View:
        """The view with its activation behind a QuantizeLinear applied, on the same grid."""
        if view.clamp is None:
            return view
        assert view.draft.grid is not None
        if view.affine is not None or view.shared or not fold_clamp(view.draft, view.clamp):
            return self.requantized(node, view, view.draft.grid, f"{node.name}:activation")
        return replace(view, clamp=None)

    def _is_shared(self, tensor: str) -> bool:
        return self.source.uses.get(tensor, 0) > 1

    # The network's input

    def find_layout(self, node: SourceNode, index: IndexArray) -> None:
        """Learn how the network's input lies from what its first convolution, index (c, h, w), reads of it."""
        dims = self.input.shape
        positions = np.arange(self.input.size, dtype=np.int32)
        for layout, axes in (("NCHW", (1, 2, 0)), ("NHWC", (0, 1, 2))):
            shape = (dims[axes[0]], dims[axes[1]], dims[axes[2]])
            relabel = np.empty_like(positions)
            relabel[positions.reshape(dims).transpose(axes).ravel()] = positions
            if index.min(initial=0) != PADDING and channel_order(relabel[index], shape) is not None:
                self.layout, self._relabel, self.input.shape = layout, relabel, shape
                return
        node.fail(
            "does not read the whole input as a picture", "export with an NCHW or NHWC input, neither cut nor reshaped"
        )

    def logical(self, node: SourceNode, view: View) -> View:
        """The view in (h, w, c) positions, which differ from the file's for the network's input.

        Normalization of the input becomes the graph's; all operators that read the input must see the same.
        """
        if view.clamp is not None:
            view = self.clamped(node, view)
        if view.draft is not self.input:
            return view
        if self._relabel is None:
            node.fail("comes before the first convolution", "Linnet's networks begin with a convolution")
        scale, shift = np.ones(self.input.size), np.zeros(self.input.size)
        if view.affine is not None:
            scale[self._relabel], shift[self._relabel] = view.affine.scale, view.affine.shift
        by_channel = per_channel(scale, self.input.shape), per_channel(shift, self.input.shape)
        if by_channel[0] is None or by_channel[1] is None:
            label = view.affine.label if view.affine else node.label
            raise LinnetError(f"{label}: is not one number per channel; normalize the picture per channel")
        known = self._input_affine or (by_channel[0], by_channel[1])
        if not (np.array_equal(by_channel[0], known[0]) and np.array_equal(by_channel[1], known[1])):
            node.fail("sees the input normalized otherwise than another operator", "normalize the input once")
        self._input_affine = known
        index = np.where(view.index == PADDING, PADDING, self._relabel[view.index]).astype(np.int32)
        return replace(view, index=index, affine=None)

    def settled(self, node: SourceNode, view: View) -> View:
        """The view in (h, w, c) positions with nothing left to apply to it."""
        view = self.logical(node, view)
        if view.affine is not None:
            self.refuse_affine(node, view)
        return view

    def refuse_affine(self, node: SourceNode, view: View) -> NoReturn:
        """Refuse a scale or shift that could fold neither backwards nor into this node."""
        assert view.affine is not None
        shared = " (which is read elsewhere too)" if view.shared else ""
        raise LinnetError(
            f"{view.affine.label}: cannot be folded into {view.draft.label}{shared} before it "
            f"or {node.label} after it; put it directly behind a convolution, ahead of the activation"
        )

    # The end

    def finish(self) -> Graph:
        """Check the output and put the operators together."""
        output = f"output '{one_line(self.source.output)}'"
        final = self.values.get(self.source.output)
        if not isinstance(final, View) or final.draft.node is None or self._input_affine is None:
            raise LinnetError(f"{output} is not computed by a convolution from the input; export the whole network")
        draft = final.draft
        if final.partial_mean:
            raise LinnetError(f"{final.partial_mean}: averages over other than height and width; {READS}")
        if final.affine is not None:
            raise LinnetError(
                f"{final.affine.label}: cannot be folded into {draft.label}; export the network without it"
            )
        if draft.shape[:2] != (1, 1):
            shape = "x".join(str(length) for length in draft.shape)
            raise LinnetError(
                f"{draft.label}: {output} is a map of {shape}, not class scores; end in pooling and a dense layer"
            )
        if not np.array_equal(final.index.ravel(), np.arange(draft.size)):
            last = final.moves[-1] if final.moves else draft.label
            raise LinnetError(f"{last}: rearranges {output}; export the network without it")
        for each in self.drafts:
            _check_finite(each)
        if not np.isfinite(self._input_affine).all():
            raise LinnetError(
                f"the normalization of '{self.source.input}' is not finite; train or export the network again"
            )
        return Graph(
            nodes=tuple(_named(each) for each in self.drafts),
            shapes={each.tensor: each.shape for each in (self.input, *self.drafts)},
            input=self.input.tensor,
            output=draft.tensor,
            input_scale=self._input_affine[0],
            input_shift=self._input_affine[1],
            source_input=self.source.input,
            source_logits=self.logits,
            source_layout=self.layout,
        )


def clamp_changes(view: View, clamp: Clamp) -> bool:
    """False where the view's values already lie within the clamp."""
    now = view.draft.activation
    return compose(now, clamp) != now


def _check_finite(draft: Draft) -> None:
    weights, bias = getattr(draft.node, "weights", None), getattr(draft.node, "bias", None)
    for values in (weights, bias):
        if values is not None and not np.isfinite(values).all():
            raise LinnetError(
                f"{draft.label}: its weights are not all finite numbers; train or export the network again"
            )


def _named(draft: Draft) -> Node:
    """The draft's node with its tensors named."""
    node, inputs = draft.node, [each.tensor for each in draft.inputs]
    assert node is not None
    if isinstance(node, Add):
        return replace(node, inputs=(inputs[0], inputs[1]), output=draft.tensor)
    return replace(node, input=inputs[0], output=draft.tensor)

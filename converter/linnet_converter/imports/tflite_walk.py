"""The state of a walk over a TFLite file: what each tensor is so far, and the operators made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from linnet_converter.graph import Clamp, Conv, FloatArray, Graph, Node, Shape, Softmax

from .network import Grid, ImportedNetwork
from .tflite_file import TfliteFile, TfliteOperator, TfliteTensor

READS = (
    "Linnet reads CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, PAD, MEAN and AVERAGE_POOL_2D over the whole map, "
    "RELU, RELU6, RESHAPE, SQUEEZE, SOFTMAX, QUANTIZE and DEQUANTIZE"
)
CONVERT_AGAIN = "convert the network to TFLite again"
FULL_INTEGER = "convert with full integer quantization (a representative dataset), or give the float ONNX network"
ACTIVATIONS = {0: Clamp(), 1: Clamp(0.0), 2: Clamp(-1.0, 1.0), 3: Clamp(0.0, 6.0)}
SAME = 0
MAX_STRIDE = 4
MAX_SCALE = 2.0**64  # far above any real weight; larger ones in a damaged file leave float64

Pads = tuple[int, int, int, int]


@dataclass(frozen=True)
class Value:
    """What a tensor of the file is: a tensor of the graph, flattened or not, with zeros around it."""

    tensor: str
    pads: Pads = (0, 0, 0, 0)
    has_softmax: bool = False


class TfliteWalk:
    """Handlers (tflite_operators.py) read operands through it and set the outputs of their operator."""

    def __init__(self, file: TfliteFile) -> None:
        self.file = file
        self.nodes: list[Node] = []
        self.shapes: dict[str, Shape] = {}
        self.grids: dict[str, Grid] = {}
        self.steps: dict[str, FloatArray] = {}
        self.values: dict[int, Value] = {}
        self.source = file.tensors[file.input]
        self.logits = ""
        self.has_uint8_weights = False
        self._input()

    def finish(self) -> ImportedNetwork:
        """Check the output and put the operators together."""
        final = self.values.get(self.file.output)
        answer = self.file.tensors[self.file.output]
        if final is None or not self.nodes:
            answer.fail("the output is not computed from the input", CONVERT_AGAIN)
        if self.shapes[final.tensor][:2] != (1, 1) or any(final.pads):
            answer.fail(f"the output is a map of shape {answer.shape}, not class scores", "end in a dense layer")
        graph = Graph(
            nodes=tuple(self.nodes),
            shapes=self.shapes,
            input=self.source.name,
            output=final.tensor,
            input_scale=np.ones(self.shapes[self.source.name][2]),
            input_shift=np.zeros(self.shapes[self.source.name][2]),
            source_input=self.source.name,
            source_logits=self.logits or answer.name,
            source_layout="NHWC",
        )
        integers = self.source.type in ("UINT8", "INT8")
        return ImportedNetwork(graph, self.grids, self.steps, integers, rounds_twice=self.has_uint8_weights)

    # Tensors

    def _input(self) -> None:
        shape = self.source.shape
        if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
            self.source.fail(f"the input has the shape {shape}", "convert with a batch of one picture of a fixed size")
        self.shapes[self.source.name] = (shape[1], shape[2], shape[3])
        self.values[self.source.index] = Value(self.source.name)
        if self.source.type != "FLOAT32":
            self.grids[self.source.name] = grid(self.source)

    def value(self, operator: TfliteOperator, position: int = 0, padded: bool = False) -> Value:
        """An input that is computed from the picture; with zeros around it only where allowed."""
        index = operator.inputs[position] if position < len(operator.inputs) else -1
        found = self.values.get(index)
        if found is None:
            operator.fail(f"its input {position} is constant, missing, or computed later", READS)
        if found.has_softmax and operator.kind not in ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE"):
            operator.fail("follows the softmax", "Linnet has it as the last operator only")
        if any(found.pads) and not padded:
            operator.fail("takes a padded tensor", "pad only ahead of convolutions")
        return found

    def constant(self, operator: TfliteOperator, position: int) -> TfliteTensor | None:
        """A constant input, None where it is absent."""
        index = operator.inputs[position] if position < len(operator.inputs) else -1
        if index < 0:
            return None
        tensor = self.file.tensors[index]
        if tensor.data is None:
            operator.fail(f"its input '{tensor.name}' is computed, not constant", READS)
        return tensor

    def output(self, operator: TfliteOperator) -> TfliteTensor:
        return self.file.tensors[operator.outputs[0]]

    def emit(self, operator: TfliteOperator, node: Node, shape: Shape, grid: Grid | None) -> None:
        """Add an operator; the file's output tensor must have as many elements."""
        tensor = self.output(operator)
        if int(np.prod(tensor.shape)) != shape[0] * shape[1] * shape[2]:
            operator.fail(f"its output {tensor.shape} should be {shape}", CONVERT_AGAIN)
        name = tensor.name if tensor.name not in self.shapes else f"{tensor.name}:{tensor.index}"
        self.nodes.append(replace(node, name=self._operator_name(tensor), output=name))
        self.shapes[name] = shape
        if grid is not None:
            self.grids[name] = grid
        self.values[tensor.index] = Value(name, has_softmax=isinstance(node, Softmax))

    def _operator_name(self, tensor: TfliteTensor) -> str:
        """Operators have no names; the converter joins those of the layers that it fused, the last comes first."""
        name = tensor.name.split(";")[0]
        return name if all(node.name != name for node in self.nodes) else f"{name}:{tensor.index}"

    def forward(self, operator: TfliteOperator, value: Value) -> None:
        self.values[operator.outputs[0]] = value

    def set_steps(self, operator: TfliteOperator, steps: FloatArray) -> None:
        """Weight scales of the operator just emitted."""
        assert self.nodes[-1].output == self.values[operator.outputs[0]].tensor
        self.steps[self.nodes[-1].name] = steps

    # Convolutions

    def convolve(self, operator: TfliteOperator, depthwise: bool) -> None:
        value = self.value(operator, padded=True)
        height, width, channels = self.shapes[value.tensor]
        weights, steps = self.weights(operator, channel_axis=3 if depthwise else 0)
        if weights.ndim != 4:
            operator.fail(f"its weights have the shape {weights.shape}", CONVERT_AGAIN)
        if depthwise and channels == 1:  # one input channel, filtered several ways: an ordinary convolution
            weights, depthwise = weights.transpose(3, 1, 2, 0), False
        outputs = weights.shape[3] if depthwise else weights.shape[0]
        if weights.shape[3] != channels:
            groups = f"depth multiplier {outputs / channels:g}" if depthwise else f"{weights.shape[3]} channels a group"
            operator.fail(f"{groups} over {channels} channels", "use ordinary or depthwise convolutions")
        stride = operator.options.get("StrideH", 1), operator.options.get("StrideW", 1)
        if min(stride) < 1 or max(stride) > MAX_STRIDE:
            operator.fail(f"stride {stride}", f"use strides of 1 to {MAX_STRIDE}")
        kernel = weights.shape[1], weights.shape[2]
        dilation = operator.options.get("DilationHFactor", 1), operator.options.get("DilationWFactor", 1)
        if dilation != (1, 1) and kernel != (1, 1):
            operator.fail(f"dilation {dilation}", "use a convolution without dilation")
        out, pads = _geometry(operator, (height, width), kernel, stride, value.pads)
        bias = self.bias(operator, steps * self.grids[value.tensor].scale)
        node = Conv("", value.tensor, "", weights, bias, stride, pads, depthwise, self.activation(operator))
        self.emit(operator, node, (*out, outputs), grid(self.output(operator)))
        self.set_steps(operator, steps)

    def weights(self, operator: TfliteOperator, channel_axis: int) -> tuple[FloatArray, FloatArray]:
        """Real weights as the file lies, and the scale of each output channel."""
        tensor = self.constant(operator, 1)
        if tensor is None or tensor.data is None or tensor.type not in ("INT8", "UINT8") or not tensor.scales.size:
            operator.fail("its weights are not quantized to 8 bits", FULL_INTEGER)
        self.has_uint8_weights |= tensor.type == "UINT8"
        channels = tensor.shape[channel_axis] if channel_axis < len(tensor.shape) else 0
        if tensor.scales.size not in (1, channels) or (tensor.scales.size > 1 and tensor.axis != channel_axis):
            tensor.fail(f"{tensor.scales.size} scales along axis {tensor.axis}", CONVERT_AGAIN)
        steps = np.broadcast_to(tensor.scales, (channels,)).astype(np.float64)
        zeros = np.broadcast_to(tensor.zero_points, (channels,))
        if not np.all((steps >= 0) & (steps < MAX_SCALE)):
            tensor.fail("a scale is negative or not finite", CONVERT_AGAIN)
        along = tuple(channels if axis == channel_axis else 1 for axis in range(len(tensor.shape)))
        return (tensor.data.astype(np.float64) - zeros.reshape(along)) * steps.reshape(along), steps

    def bias(self, operator: TfliteOperator, units: FloatArray) -> FloatArray:
        """Real bias; the interpreter takes the integers in units of scale_in * scale_w, whatever scale they state."""
        tensor = self.constant(operator, 2)
        if tensor is None or tensor.data is None:
            return np.zeros(len(units))
        if tensor.type != "INT32" or tensor.data.shape != units.shape:
            tensor.fail(f"a bias of {tensor.type} {tensor.shape}", FULL_INTEGER)
        real: FloatArray = tensor.data.astype(np.float64) * units
        return real

    def activation(self, operator: TfliteOperator) -> Clamp:
        number = operator.options.get("FusedActivationFunction", 0)
        if number not in ACTIVATIONS:
            operator.fail(f"fused activation {number} is not supported", "train with ReLU or ReLU6")
        return ACTIVATIONS[number]

    # Grids changed by an operator of their own

    def requantize(self, operator: TfliteOperator, value: Value, grid: Grid, activation: Clamp) -> None:
        shape = self.shapes[value.tensor]
        ones = np.ones((1, 1, 1, shape[2]))
        node = Conv("", value.tensor, "", ones, np.zeros(shape[2]), depthwise=True, activation=activation)
        self.emit(operator, node, shape, grid)
        self.set_steps(operator, np.full(shape[2], 1 / 127))
        self.forward(operator, replace(self.values[operator.outputs[0]], pads=value.pads))


def grid(tensor: TfliteTensor) -> Grid:
    if tensor.type not in ("INT8", "UINT8") or tensor.scales.size != 1:
        what = f"is {tensor.type}" if tensor.scales.size <= 1 else f"has {tensor.scales.size} scales"
        tensor.fail(f"{what}, not 8-bit with one scale", FULL_INTEGER)
    zero = int(tensor.zero_points[0]) - (128 if tensor.type == "UINT8" else 0)
    made = Grid(float(np.float32(tensor.scales[0])), zero)
    if not made.is_valid:
        tensor.fail(f"scale {made.scale:g}, zero point {int(tensor.zero_points[0])}", CONVERT_AGAIN)
    return made


def _geometry(
    operator: TfliteOperator, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], before: Pads
) -> tuple[tuple[int, int], Pads]:
    """Output (h, w) and pads (top, left, bottom, right) without rows and columns that no window reads."""
    same = operator.options.get("Padding", SAME) == SAME
    out, start, end = [], [], []
    for axis in (0, 1):
        length = size[axis] + before[axis] + before[axis + 2]
        count = -(-length // stride[axis]) if same else (length - kernel[axis]) // stride[axis] + 1
        if count < 1:
            operator.fail(f"its kernel {kernel} is larger than its input {size}", CONVERT_AGAIN)
        reach = (count - 1) * stride[axis] + kernel[axis]
        first = before[axis] + (max(reach - length, 0) // 2 if same else 0)
        out.append(count)
        start.append(first)
        end.append(max(reach - first - size[axis], 0))
    return (out[0], out[1]), (start[0], start[1], end[0], end[1])

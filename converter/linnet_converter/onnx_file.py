"""Open an ONNX file: check it, find its one input and one output, and list the nodes that matter, constants evaluated.

What the nodes mean is for onnx_reader.py. Whatever is wrong with a file is a LinnetError of one line.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
from onnx.reference import ReferenceEvaluator

from linnet.errors import LinnetError

Array = npt.NDArray[Any]

QUANTIZED_TYPES = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
FLOAT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
MAX_INPUT = 2**26
OLDEST_OPSET = 7  # before it, Add and Mul broadcast by an attribute
QDQ_OPS = {domain + name for domain in ("", "com.microsoft.") for name in ("QuantizeLinear", "DequantizeLinear")}
DYNAMIC_OPS = {"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"}


def one_line(text: object, limit: int = 160) -> str:
    """The text without line breaks, shortened: library messages are long."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


@dataclass(frozen=True)
class SourceNode:
    """A node of the file; an attribute is a Python value (numpy for tensors), an absent optional input is ""."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: onnx.NodeProto

    @property
    def label(self) -> str:
        return f"{self.op} '{one_line(self.name)}'"

    def fail(self, why: str, remedy: str) -> NoReturn:
        """Raise LinnetError: which node, why not, what to do."""
        raise LinnetError(f"{self.label}: {one_line(why, 400)}; {remedy}")

    def ints(self, attribute: str, default: Sequence[int]) -> tuple[int, ...]:
        return tuple(int(value) for value in self.attributes.get(attribute, default))

    def integer(self, attribute: str, default: int) -> int:
        return int(self.attributes.get(attribute, default))

    def number(self, attribute: str, default: float) -> float:
        return float(self.attributes.get(attribute, default))

    def text(self, attribute: str, default: str) -> str:
        value = self.attributes.get(attribute, default)
        return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True)
class SourceFile:
    """nodes: those that the output depends on, in the file's (topological) order.

    input_shape: as the file lies, batch 1.  integer_input: it is uint8 or int8.
    uses: how often a tensor's values (not only its shape) are read.
    """

    opset: int
    nodes: tuple[SourceNode, ...]
    constants: Mapping[str, onnx.TensorProto]
    input: str
    input_shape: tuple[int, int, int, int]
    output: str
    uses: Mapping[str, int]
    integer_input: bool = False

    def constant(self, name: str) -> Array:
        """The value of an initializer; LinnetError where it is damaged."""
        try:
            return onnx.numpy_helper.to_array(self.constants[name])
        except Exception as error:  # a damaged tensor fails in as many ways as protobuf and numpy have
            raise LinnetError(
                f"initializer '{one_line(name)}' is damaged: {one_line(error)}; export the file again"
            ) from error

    def evaluate(self, node: SourceNode, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one node by onnx's reference implementation; LinnetError naming the node where it fails."""
        names = [name for name in dict.fromkeys(node.inputs) if name]
        graph = onnx.helper.make_graph(
            [node.proto],
            "one node",
            [onnx.ValueInfoProto(name=name) for name in names],
            [onnx.ValueInfoProto(name=name) for name in node.outputs if name],
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", self.opset)])
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                results = ReferenceEvaluator(model).run(None, {name: feeds[name] for name in names})
                return [np.asarray(result) for result in results]
        except Exception as error:  # numpy raises anything on a node whose operands do not fit
            raise LinnetError(
                f"{node.label}: cannot be computed: {one_line(error)}; check the exported file"
            ) from error


def is_shape_only(op: str, position: int) -> bool:
    """True where a node reads the shape or type of its input number `position`, not its values."""
    return op in ("Shape", "Size") or (op == "CastLike" and position == 1)


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether a file is a quantized network in the QDQ format."""
    names = {name.rpartition(".")[2] for name in QDQ_OPS}
    return any(node.op_type in names for node in model.graph.node)


def load_source(path: str | Path, quantized: bool = False) -> SourceFile:
    """Read and check a file. Raises LinnetError where it is damaged or has not one picture as input.

    quantized: whether the file is to be a float network or one in the QDQ format; the other kind is refused.
    """
    model = load_model(path)
    graph = model.graph
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        raise LinnetError(f"{path}: opset {opset} is too old; export with opset 11 or later")
    if graph.sparse_initializer:
        raise LinnetError(f"{path}: sparse initializers are not read; export with dense weights")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise LinnetError(
            f"{path}: {len(inputs)} inputs ({one_line(names)}), Linnet takes one picture; "
            "export with one input, and with every constant as an initializer"
        )
    if len(graph.output) != 1:
        names = ", ".join(value.name for value in graph.output) or "none"
        raise LinnetError(
            f"{path}: {len(graph.output)} outputs ({one_line(names)}), Linnet gives one; export the class scores only"
        )
    output = graph.output[0].name
    try:
        nodes = _live_nodes([_source_node(proto) for proto in graph.node], output)
    except Exception as error:  # a damaged tensor in an attribute
        raise LinnetError(f"{path}: damaged ({one_line(error)}); export it again") from error
    _refuse_foreign(nodes, quantized)
    uses = Counter(
        name for node in nodes for i, name in enumerate(node.inputs) if name and not is_shape_only(node.op, i)
    )
    uses[output] += 1
    return SourceFile(
        opset=opset,
        nodes=nodes,
        constants=constants,
        input=inputs[0].name,
        input_shape=_input_shape(inputs[0], (*FLOAT_TYPES, *QUANTIZED_TYPES) if quantized else FLOAT_TYPES),
        integer_input=inputs[0].type.tensor_type.elem_type in QUANTIZED_TYPES,
        output=output,
        uses=uses,
    )


def load_model(path: str | Path) -> onnx.ModelProto:
    """The checked model with its weights, its own functions inlined. Raises LinnetError."""
    path = Path(path)
    if not path.is_file():
        raise LinnetError(f"{path}: no such file; give an ONNX file")
    try:
        model = onnx.load_model(path, load_external_data=False)
    except Exception as error:  # protobuf's errors have no common base
        raise LinnetError(f"{path}: not an ONNX file, or damaged ({one_line(error)}); export it again") from error
    try:
        onnx.load_external_data_for_model(model, str(path.resolve().parent))
    except Exception as error:  # as above; onnx checks what a file says of others in ways of its own
        raise LinnetError(
            f"{path}: weights kept outside the file cannot be read ({one_line(error)}); "
            "put the external data file beside it, or export as one file"
        ) from error
    try:
        onnx.checker.check_model(model)
        return onnx.inliner.inline_local_functions(model) if model.functions else model
    except Exception as error:  # the checker's, the inliner's and protobuf's
        raise LinnetError(f"{path}: not a valid ONNX file ({one_line(error)}); export it again") from error


def _source_node(proto: onnx.NodeProto) -> SourceNode:
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        attributes[attribute.name] = onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
    domain = "" if proto.domain in ("", "ai.onnx") else proto.domain + "."
    name = proto.name or next((output for output in proto.output if output), proto.op_type)
    return SourceNode(domain + proto.op_type, name, tuple(proto.input), tuple(proto.output), attributes, proto)


def _live_nodes(nodes: Sequence[SourceNode], output: str) -> tuple[SourceNode, ...]:
    """The nodes that the output depends on."""
    needed = {output}
    live = []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            live.append(node)
            needed.update(node.inputs)
            needed.discard("")
    return tuple(reversed(live))


def _refuse_foreign(nodes: Sequence[SourceNode], quantized: bool) -> None:
    """Refuse what makes a whole file the wrong one, before any smaller complaint about its nodes."""
    for node in nodes:
        if node.op in QDQ_OPS:
            if not quantized:
                node.fail("the network is already quantized", "give the float network")
            continue
        if node.op in DYNAMIC_OPS or "QLinear" in node.op:
            node.fail(
                "the network is quantized, but not in the QDQ format",
                "give the float network, or quantize_static's format QDQ",
            )
        if "." in node.op:
            node.fail(
                "not a standard ONNX operator",
                "export with standard operators, or give the file from before optimization",
            )
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.proto.attribute):
            node.fail("control flow is not supported", "export with a fixed input size and without branches")


def _input_shape(value: onnx.ValueInfoProto, types: Sequence[int]) -> tuple[int, int, int, int]:
    tensor = value.type.tensor_type
    label = f"input '{one_line(value.name)}'"
    if tensor.elem_type not in types:
        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        kind = names.get(tensor.elem_type, "of an unknown type")
        raise LinnetError(f"{label} is {kind}, not float; export with a float input")
    dims = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in tensor.shape.dim]
    if len(dims) != 4:
        raise LinnetError(f"{label} has {len(dims)} dimensions, not 4; export with a batch of one picture as input")
    if dims[0] > 1:
        raise LinnetError(f"{label} has a batch of {dims[0]}; export with batch 1 or a dynamic batch")
    if min(dims[1:]) < 1:
        shown = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in tensor.shape.dim)
        raise LinnetError(
            f"{label} has the shape ({one_line(shown)}); export with a fixed height, width and channel count"
        )
    if dims[1] * dims[2] * dims[3] > MAX_INPUT:
        raise LinnetError(f"{label} has {dims[1]}x{dims[2]}x{dims[3]} elements; export for a smaller picture")
    return 1, dims[1], dims[2], dims[3]

"""The whole way from a quantized file to the bytes of a .lnt file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linnet.errors import LinnetError
from linnet.format_gen import InputKind
from linnet_converter import conversion
from linnet_converter.budget import NO_BUDGET, Budget, plans
from linnet_converter.onnx_file import is_quantized, load_model
from linnet_converter.plan import Plan
from linnet_converter.qgraph import QGraph
from linnet_converter.quantize import Preprocessing

from . import pixels, qdq_reader, tflite_reader
from .assemble import Assembled, assemble
from .network import ImportedNetwork
from .tflite_file import is_tflite


@dataclass(frozen=True)
class Import:
    """Everything that an import made; `data` is the .lnt file.

    source: "TFLite" or "QDQ ONNX".  plans: from the fastest to the smallest.  notes: what is not as in the file, one
    sentence each.
    """

    source: str
    network: ImportedNetwork
    graph: QGraph
    plans: tuple[Plan, ...]
    data: bytes
    notes: tuple[str, ...]


def is_imported(path: str | Path) -> bool:
    """Whether a file is a quantized network that is to be taken over. Raises LinnetError where it cannot be read."""
    return is_tflite(path) or is_quantized(load_model(path))


def read(path: str | Path) -> ImportedNetwork:
    """The network of a TFLite or QDQ ONNX file. Raises LinnetError naming the file or the node that is wrong."""
    return tflite_reader.read(path) if is_tflite(path) else qdq_reader.read(path)


def convert(
    path: str | Path,
    preprocessing: Preprocessing | None = None,
    *,
    labels: Sequence[str] = (),
    push_rows: bool = False,
    tensor_input: bool = False,
    budget: Budget = NO_BUDGET,
) -> Import:
    """Read, assemble, plan and write.

    preprocessing: what a float input is fed; None where the file says it, or where the int8 tensor is to be the input.
    tensor_input: take the file's int8 input tensor, whatever it means.
    """
    network = read(path)
    channels = network.graph.shapes[network.graph.input][2]
    if preprocessing is not None:
        if tensor_input:
            raise LinnetError("an int8 input has no normalization: leave out --preprocess, --mean and --std")
        preprocessing = conversion.preprocessing_for(preprocessing, channels)
    stage = pixels.choose(network, preprocessing, tensor_input)
    assembled = assemble(network, stage, labels)
    planned = plans(assembled.graph, budget, push_rows=push_rows)
    return Import(
        source="TFLite" if is_tflite(path) else "QDQ ONNX",
        network=network,
        graph=assembled.graph,
        plans=planned,
        data=conversion.written(assembled.graph, planned, budget),
        notes=(_input_note(network, stage), *_weight_notes(assembled)),
    )


def _input_note(network: ImportedNetwork, stage: pixels.InputStage) -> str:
    grid = network.grids[network.graph.input]
    if stage.kind == InputKind.tensor:
        hint = "" if network.integer_input else "; with --preprocess, or --mean and --std, it takes pictures"
        return f"input: int8, real = {grid.scale:.7g} * (q - {grid.zero_point}){hint}"
    how = "are the file's own input values" if stage.scaler is None else "are put on the file's grid by one operator"
    off = f"; {stage.wrong} of {256 * len(stage.mean)} are one step off" if stage.wrong else ""
    return f"input: pixels, which {how}{off}"


def _weight_notes(assembled: Assembled) -> list[str]:
    if not assembled.requantized:
        return ["weights: all are the file's own integers"]
    channels = sum(count for _, count, _ in assembled.requantized)
    total = sum(total for _, _, total in assembled.requantized)
    names = ", ".join(name for name, _, _ in assembled.requantized[:3])
    more = len(assembled.requantized) - 3
    return [
        f"weights: requantized in {channels} of {total} channels, which hold more than symmetric int8 can "
        f"(-127 to 127): {names}" + (f" and {more} more" if more > 0 else "") + "; these operators may be more than "
        "one step off the file's, `linnet validate --operators` says how far"
    ]

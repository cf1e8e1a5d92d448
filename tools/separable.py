"""What a depthwise separable convolution costs beside a normal one of the same shape: MACs, and time.

Each shape is a network of one 3x3 convolution and one of a 3x3 depthwise and a pointwise convolution, both behind a
pointwise convolution that makes their input, and run in turn in one thread. Of each operator the quickest run counts,
since other work on the machine does not make anything quicker.

Usage: separable.py [--kernels FAMILY] [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    import linnet

KERNEL = 3
SHAPES = ((112, 32, 64), (56, 64, 128), (28, 128, 256), (14, 256, 512), (7, 512, 512))
"""Height and width, channels in and out."""


def network(size: int, channels: int, out: int, *, separable: bool) -> onnx.ModelProto:
    """A network of one convolution, normal or separable, with random weights."""
    rng = np.random.default_rng(0)
    kernel = [KERNEL, KERNEL]
    wanted = [(channels, 3, [1, 1], 1)]
    if separable:
        wanted += [(channels, 1, kernel, channels), (out, channels, [1, 1], 1)]
    else:
        wanted.append((out, channels, kernel, 1))
    nodes, weights = [], []
    for i, (count, depth, shape, groups) in enumerate(wanted):
        values = rng.normal(size=(count, depth, *shape)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{i}"))
        pads = [shape[0] // 2] * 4
        nodes.append(
            helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"x{i + 1}"], kernel_shape=shape, pads=pads, group=groups)
        )
    weights.append(numpy_helper.from_array(rng.normal(size=(2, out)).astype(np.float32), "dense"))
    nodes.append(helper.make_node("GlobalAveragePool", [f"x{len(wanted)}"], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "dense"], ["y"], transB=1))
    picture = helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, 3, size, size])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph(nodes, "separable" if separable else "normal", [picture], [answer], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def load(model: onnx.ModelProto, kernels: str | None) -> linnet.Model:
    import linnet
    from linnet_converter import lnt_file, onnx_reader, quantize
    from linnet_converter.planner import plan_layer_by_layer
    from linnet_converter.quantize import Preprocessing

    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(model.SerializeToString())
        file.flush()
        graph = onnx_reader.read(Path(file.name))
    preprocessing = Preprocessing((127.5,) * 3, (127.5,) * 3)
    quantized = quantize.quantize(graph, dict.fromkeys(graph.shapes, (-1.0, 1.0)), preprocessing)
    return linnet.load(lnt_file.write(quantized, [plan_layer_by_layer(quantized)]), kernels=kernels)


def milliseconds(models: dict[bool, linnet.Model], runs: int) -> dict[str, float]:
    """By kind of operator: what the one behind the first pointwise convolution takes."""
    found = dict.fromkeys(("conv", "depthwise", "pointwise"), np.inf)
    for _ in range(runs):
        for model in models.values():
            picture = np.zeros(model.input_details.shape, np.uint8)
            for op in model.profile(picture, runs=1)[2:-2]:
                name = op.kind.name
                found[name] = min(found[name], 1000 * op.seconds)
    return found


def main() -> None:
    from linnet.report import table, to_json

    parser = argparse.ArgumentParser(description="Normal and depthwise separable convolutions, side by side.")
    parser.add_argument("--kernels", help="the kernel family (default: the best of this processor)")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    measured: list[dict[str, Any]] = []
    for size, channels, out in SHAPES:
        models = {
            separable: load(network(size, channels, out, separable=separable), options.kernels)
            for separable in (False, True)
        }
        ms = milliseconds(models, options.runs)
        macs = {"depthwise": size**2 * channels * KERNEL**2, "pointwise": size**2 * channels * out}
        macs["conv"] = macs["pointwise"] * KERNEL**2
        measured.append(
            {
                "size": size,
                "channels": channels,
                "out": out,
                "macs": macs,
                "ms": ms,
                "macs_ratio": (macs["depthwise"] + macs["pointwise"]) / macs["conv"],
                "time_ratio": (ms["depthwise"] + ms["pointwise"]) / ms["conv"],
            }
        )
    if options.json:
        print(to_json({"shapes": measured}))
        return
    rows = []
    for m in measured:
        costs = [f"{m['ms'][k]:.3f} ms, {m['macs'][k] / m['ms'][k] / 1e6:.0f} G/s" for k in m["ms"]]
        shape = f"{m['size']}x{m['size']}, {m['channels']} to {m['out']}"
        rows.append((shape, *costs, f"{m['macs_ratio']:.3f}", f"{m['time_ratio']:.3f}"))
    print(table(rows, ("shape", "3x3", "depthwise", "pointwise", "MACs, ratio", "time, ratio")))


if __name__ == "__main__":
    main()

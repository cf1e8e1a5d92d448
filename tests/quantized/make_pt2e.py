"""Write the PT2E files of this folder: torch.export, torchao's quantizers, torch.onnx.export.

    pip install torch==2.13.0 torchao==0.18.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
    python make_pt2e.py

PyTorch itself has no ONNX translation for the quantize and dequantize operators that PT2E puts into a graph, so the
export needs the table below; the files are what it then writes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.fx
import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer as x86
from onnxscript import opset21 as op
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config

HERE = Path(__file__).parent
# keeps the paths of this machine out of the metadata of the nodes
torch.fx.config.do_not_emit_stack_traces = True
ONNX_TYPES = {
    torch.uint8: onnx.TensorProto.UINT8,
    torch.int8: onnx.TensorProto.INT8,
    torch.int32: onnx.TensorProto.INT32,
}


class Block(nn.Module):
    """An inverted residual."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        hidden = channels * 3
        self.shortcut = stride == 1 and channels == out
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


class Net(nn.Module):
    """MobileNetV2 in small, with either end of a classifier."""

    def __init__(self, activation: type[nn.Module]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), activation())
        self.blocks = nn.Sequential(Block(8, 12, 2), Block(12, 12, 1), Block(12, 12, 1))
        self.last = nn.Sequential(nn.Conv2d(12, 24, 1, bias=False), nn.BatchNorm2d(24), activation())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(24, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.last(self.blocks(self.stem(x)))
        return self.head(torch.flatten(self.pool(x), 1))


def _scalar(value, dtype):
    return op.Constant(value=onnx.numpy_helper.from_array(np.asarray(value, dtype)))


def quantize_per_tensor(x, scale: float, zero_point: int, quant_min: int, quant_max: int, dtype: int):
    return op.QuantizeLinear(x, _scalar(scale, np.float32), _scalar(zero_point, _numpy(dtype)))


def dequantize_per_tensor(x, scale: float, zero_point: int, quant_min: int, quant_max: int, dtype: int, out_dtype=None):
    return op.DequantizeLinear(x, _scalar(scale, np.float32), _scalar(zero_point, _numpy(dtype)))


def dequantize_per_channel(
    x, scales, zero_points, axis: int, quant_min: int, quant_max: int, dtype: int, out_dtype=None
):
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(_numpy(dtype)))
    return op.DequantizeLinear(x, op.Cast(scales, to=onnx.TensorProto.FLOAT), op.Cast(zero_points, to=kind), axis=axis)


def _numpy(dtype):
    return {
        int(onnx.TensorProto.UINT8): np.uint8,
        int(onnx.TensorProto.INT8): np.int8,
        int(onnx.TensorProto.INT32): np.int32,
    }[int(dtype)]


def write(name: str, quantizer, activation: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net = Net(activation).eval()
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.1
            module.running_var = torch.rand(module.num_features, generator=generator) * 0.3 + 0.05
            module.weight.data = torch.rand(module.num_features, generator=generator) + 0.5
            module.bias.data = torch.randn(module.num_features, generator=generator) * 0.3
    example = (torch.randn(1, 3, 32, 32, generator=generator),)
    prepared = prepare_pt2e(torch.export.export(net, example).module(), quantizer)
    for _ in range(16):
        prepared(torch.randn(1, 3, 32, 32, generator=generator))
    quantized = convert_pt2e(prepared)
    ops = torch.ops.quantized_decomposed
    table = {
        ops.quantize_per_tensor.default: quantize_per_tensor,
        ops.dequantize_per_tensor.default: dequantize_per_tensor,
        ops.dequantize_per_channel.default: dequantize_per_channel,
    }
    program = torch.onnx.export(
        quantized,
        example,
        dynamo=True,
        opset_version=21,
        custom_translation_table=table,
        input_names=["input"],
        output_names=["logits"],
    )
    path = HERE / name
    program.save(str(path), include_initializers=True)
    model = onnx.load(path)
    for node in model.graph.node:  # names of modules and passes, many times the size of the network
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    onnx.save(model, path)
    onnx.checker.check_model(model)
    wanted = quantized(*example).detach().numpy()
    found = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
        None, {"input": example[0].numpy()}
    )[0]
    counts = {
        kind: sum(node.op_type == kind for node in model.graph.node) for kind in ("QuantizeLinear", "DequantizeLinear")
    }
    print(
        f"{name}: {path.stat().st_size} bytes, {counts}, differs from PyTorch by {np.abs(wanted - found).max():.2g} "
        f"of {np.abs(wanted).max():.2g}"
    )


def main() -> None:
    inductor = x86.X86InductorQuantizer()
    inductor.set_global(x86.get_default_x86_inductor_quantization_config())
    write("pt2e_x86.onnx", inductor, nn.ReLU6)
    xnnpack = XNNPACKQuantizer()
    xnnpack.set_global(get_symmetric_quantization_config(is_per_channel=True))
    write("pt2e_xnnpack.onnx", xnnpack, nn.ReLU)


if __name__ == "__main__":
    main()

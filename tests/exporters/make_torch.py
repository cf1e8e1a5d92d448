"""Write the torch_*.onnx files of this folder with PyTorch's own exporters.

    python3 -m venv VENV
    VENV/bin/pip install torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 \
        onnx-ir==1.1.0 onnxruntime==1.32.0 numpy==2.4.6
    VENV/bin/python make_torch.py

Python 3.11. The blocks follow torchvision's MobileNetV2 (Conv2d without bias,
BatchNorm2d, ReLU6, Dropout + Linear), written out because torchvision is not
needed for anything else. Weights and BatchNorm statistics are seeded.
"""

import logging
import warnings
import zlib

import onnx
import torch
import torch.fx
import torch.nn.functional as F
from _common import HERE, check_same, write_index
from torch import nn

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
# keeps the paths of this machine out of the metadata of the nodes
torch.fx.config.do_not_emit_stack_traces = True
TS = f"torch {torch.__version__} torch.onnx.export(dynamo=False)"
DY = f"torch {torch.__version__} torch.onnx.export(dynamo=True)"
ENTRIES = []


class ConvBNAct(nn.Sequential):
    def __init__(self, cin, cout, k=3, s=1, groups=1, act=nn.ReLU6):
        layers = [nn.Conv2d(cin, cout, k, s, k // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
        if act:
            layers.append(act(inplace=True))
        super().__init__(*layers)


class InvertedResidual(nn.Module):
    def __init__(self, cin, cout, s=1, t=4, k=3, act=nn.ReLU6):
        super().__init__()
        hid = cin * t
        layers = []
        if t != 1:
            layers.append(ConvBNAct(cin, hid, 1, act=act))
        layers += [ConvBNAct(hid, hid, k, s, hid, act=act), nn.Conv2d(hid, cout, 1, bias=False), nn.BatchNorm2d(cout)]
        self.conv = nn.Sequential(*layers)
        self.use_res = s == 1 and cin == cout

    def forward(self, x):
        return x + self.conv(x) if self.use_res else self.conv(x)


class PadConvBNAct(nn.Module):
    """Stride-2 convolution with TensorFlow's bottom/right padding by F.pad."""

    def __init__(self, cin, cout, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, 2, 0, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu6(self.bn(self.conv(F.pad(x, (0, 1, 0, 1)))))


class Clamp6(nn.Module):
    def forward(self, x):
        return torch.clamp(x, 0.0, 6.0)


class Net(nn.Module):
    """blocks: (t, cout, stride, kernel); head: how the pooling is written."""

    def __init__(
        self,
        act=nn.ReLU6,
        blocks=None,
        head="gap",
        classes=7,
        softmax=False,
        last=32,
        norm=False,
        nhwc=False,
        pad=False,
    ):
        super().__init__()
        blocks = blocks or [(1, 8, 1, 3), (4, 12, 2, 3), (4, 12, 1, 3)]
        feats = [PadConvBNAct(3, 8) if pad else ConvBNAct(3, 8, 3, 2, act=act)]
        c = 8
        for t, cout, s, k in blocks:
            feats.append(InvertedResidual(c, cout, s, t, k, act))
            c = cout
        if pad:
            feats.append(PadConvBNAct(c, c, groups=c))
        feats.append(ConvBNAct(c, last, 1, act=act))
        self.features = nn.Sequential(*feats)
        self.head, self.softmax, self.norm, self.nhwc = head, softmax, norm, nhwc
        if head == "conv":
            self.classifier = nn.Conv2d(last, classes, 1)
        else:
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x):
        if self.nhwc:
            x = x.permute(0, 3, 1, 2)
        if self.norm:
            x = (x - self.mean) / self.std
        x = self.features(x)
        if self.head == "gap":
            x = torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1)
        elif self.head == "gap_reshape":
            x = F.adaptive_avg_pool2d(x, 1).reshape(x.shape[0], -1)
        elif self.head == "mean":
            x = x.mean([2, 3])
        elif self.head == "mean32":
            x = x.mean(3).mean(2)
        elif self.head == "avgpool_view":
            x = F.avg_pool2d(x, x.shape[2:])
            x = x.view(-1, x.shape[1])
        elif self.head == "conv":
            x = F.adaptive_avg_pool2d(x, 1)
            x = self.classifier(x).flatten(1)
            return F.softmax(x, dim=1) if self.softmax else x
        x = self.classifier(x)
        return F.softmax(x, dim=1) if self.softmax else x


def make(seed, **kw):
    g = torch.Generator().manual_seed(seed)
    net = Net(**kw)
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            fan_in = m.weight[0].numel()
            m.weight.data = torch.randn(m.weight.shape, generator=g) * (2.0 / fan_in) ** 0.5
            if m.bias is not None:
                m.bias.data = torch.randn(m.bias.shape, generator=g) * 0.2
        elif isinstance(m, nn.BatchNorm2d):
            shape = m.weight.shape
            m.weight.data = 0.6 + 0.9 * torch.rand(shape, generator=g)
            m.bias.data = torch.randn(shape, generator=g) * 0.4
            m.running_mean = torch.randn(shape, generator=g) * 0.3
            m.running_var = 0.4 + 1.2 * torch.rand(shape, generator=g)
            m.eps = 1e-5
    return net.eval()


def export(
    name,
    exercises,
    opset=None,
    size=(32, 32),
    dynamic=False,
    dynamo=False,
    dropout_on=False,
    train=False,
    expect="ok",
    note=None,
    opts=(),
    **kw,
):
    """One file. dropout_on: only Dropout in training mode (BatchNorm in eval)."""
    net = make(zlib.crc32(name.encode()), **kw)
    if train:
        net.train()
    if dropout_on:
        for m in net.modules():
            if isinstance(m, nn.Dropout):
                m.train()
    # a traced batch of 2 lets torch.export keep a dynamic batch axis dynamic
    batch = 2 if dynamic and dynamo else 1
    shape = (batch, *size, 3) if kw.get("nhwc") else (batch, 3, *size)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    args = dict(opts, input_names=["input"], output_names=["output"], dynamo=dynamo)
    if opset:
        args["opset_version"] = opset
    if dynamo:
        args["external_data"] = False
        args["verbose"] = False
        if dynamic:
            args["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif dynamic:
        args["dynamic_axes"] = {"input": {0: "batch"}, "output": {0: "batch"}}
    path = HERE / f"{name}.onnx"
    torch.onnx.export(net, (x,), str(path), **args)
    if expect == "ok":
        with torch.no_grad():
            check_same(path, x.numpy(), net.eval()(x).numpy())
    model = onnx.load(path, load_external_data=False)
    e = dict(
        file=path.name,
        exporter=DY if dynamo else TS,
        opset=next(o.version for o in model.opset_import if o.domain == ""),
        layout="NHWC" if kw.get("nhwc") else "NCHW",
        input=["N" if dynamic else batch, *shape[1:]],
        classes=kw.get("classes", 7),
        output="softmax" if kw.get("softmax") else "logits",
        exercises=exercises,
        expect=expect,
    )
    if note:
        e["note"] = note
    ENTRIES.append(e)
    print(path.name, path.stat().st_size)


TM = torch.onnx.TrainingMode
FOLD = dict(training=TM.EVAL, do_constant_folding=True)
DW5 = [(1, 8, 1, 3), (3, 12, 2, 5), (3, 12, 1, 5), (3, 16, 1, 3)]

# --- TorchScript exporter, BatchNorm folded -------------------------------
export(
    "torch_ts9_reshape_dyn",
    "opset 9: bounds of Clip as attributes; reshape(x.shape[0], -1) with a dynamic batch, softmax",
    opset=9,
    dynamic=True,
    head="gap_reshape",
    softmax=True,
    opts=FOLD,
)
export(
    "torch_ts11_relu6_gap", "ReLU6, shortcut, adaptive_avg_pool2d + flatten, Linear; fixed batch", opset=11, opts=FOLD
)
export(
    "torch_ts11_avgpool_view",
    "head by avg_pool2d over the whole map + view(-1, C), ReLU6",
    opset=11,
    head="avgpool_view",
    opts=FOLD,
)
export(
    "torch_ts11_nofold_initinputs",
    "do_constant_folding=False and keep_initializers_as_inputs=True (weights also listed as graph inputs)",
    opset=11,
    opts=dict(training=TM.EVAL, do_constant_folding=False, keep_initializers_as_inputs=True),
)
export(
    "torch_ts13_relu6_mean_dyn",
    "ReLU6, x.mean([2,3]), dynamic batch, odd size 33x35",
    opset=13,
    size=(33, 35),
    dynamic=True,
    head="mean",
    opts=FOLD,
)
export(
    "torch_ts13_reshape_dyn",
    "adaptive_avg_pool2d(1).reshape(x.shape[0], -1) with a dynamic batch",
    opset=13,
    dynamic=True,
    head="gap_reshape",
    opts=FOLD,
)
export(
    "torch_ts13_norm_softmax",
    "(x - mean) / std per channel in the graph, softmax at the end",
    opset=13,
    norm=True,
    softmax=True,
    classes=5,
    opts=FOLD,
)
export(
    "torch_ts17_relu_dw5",
    "ReLU, 5x5 depthwise with stride 2 and 1, GlobalAveragePool + flatten",
    opset=17,
    act=nn.ReLU,
    blocks=DW5,
    last=24,
    opts=FOLD,
)
export(
    "torch_ts17_mean32_clamp",
    "x.mean(3).mean(2); ReLU6 written as torch.clamp",
    opset=17,
    act=Clamp6,
    head="mean32",
    opts=FOLD,
)
export(
    "torch_ts17_fpad_convhead",
    "F.pad (0,1,0,1) + stride-2 convolution without padding, 1x1 convolution as classifier, flatten, softmax",
    opset=17,
    pad=True,
    head="conv",
    softmax=True,
    classes=10,
    blocks=[(1, 8, 1, 3), (4, 12, 1, 3), (4, 12, 1, 3)],
    opts=FOLD,
)
export(
    "torch_ts17_nhwc_permute",
    "NHWC input, permute to NCHW, (x - mean) / std, odd size 33x35",
    opset=17,
    nhwc=True,
    norm=True,
    size=(33, 35),
    opts=FOLD,
)

# --- TorchScript exporter, BatchNorm kept ---------------------------------
export(
    "torch_ts11_preserve_bn_dropout",
    "training=PRESERVE: BatchNormalization and Dropout nodes remain (Dropout of this opset has no training input)",
    opset=11,
    dropout_on=True,
    opts=dict(training=TM.PRESERVE, do_constant_folding=False),
)
export(
    "torch_ts13_preserve_bn",
    "training=PRESERVE: BatchNormalization nodes remain",
    opset=13,
    opts=dict(training=TM.PRESERVE, do_constant_folding=False),
)
export(
    "torch_ts17_preserve_bn_dw5_mean_dyn",
    "training=PRESERVE: BatchNormalization nodes with training_mode=0, "
    "ReLU, 5x5 depthwise, x.mean([2,3]), dynamic batch",
    opset=17,
    act=nn.ReLU,
    blocks=DW5,
    last=24,
    head="mean",
    dynamic=True,
    opts=dict(training=TM.PRESERVE, do_constant_folding=False),
)
export(
    "torch_ts13_dropout_training",
    "BatchNormalization nodes and a Dropout whose training_mode input is true",
    opset=13,
    dropout_on=True,
    opts=dict(training=TM.PRESERVE, do_constant_folding=False),
    expect="not-inference",
    note="Dropout is active in a runtime: results are random",
)
export(
    "torch_ts17_training",
    "training=TRAINING: BatchNormalization with training_mode=1 and three outputs, active Dropout",
    opset=17,
    train=True,
    opts=dict(training=TM.TRAINING, do_constant_folding=False),
    expect="not-inference",
    note="a runtime normalises by the statistics of the batch and Dropout is active",
)

# --- torch.export based exporter ------------------------------------------
export(
    "torch_dynamo_relu6_gap", "default opset; ReLU6, adaptive_avg_pool2d + flatten, Linear; fixed batch", dynamo=True
)
export(
    "torch_dynamo_mean_dyn",
    "default opset; x.mean([2,3]), dynamic batch, odd size 33x35",
    dynamo=True,
    dynamic=True,
    size=(33, 35),
    head="mean",
)
export(
    "torch_dynamo_reshape_dyn",
    "default opset; reshape(x.shape[0], -1) with a dynamic batch, softmax",
    dynamo=True,
    dynamic=True,
    head="gap_reshape",
    softmax=True,
)
export(
    "torch_dynamo_noopt_relu_dw5",
    "optimize=False; ReLU, 5x5 depthwise, softmax",
    dynamo=True,
    act=nn.ReLU,
    blocks=[(3, 8, 1, 5)],
    last=24,
    softmax=True,
    opts=dict(optimize=False),
)
export(
    "torch_dynamo_nhwc_norm", "default opset; NHWC input, permute, (x - mean) / std", dynamo=True, nhwc=True, norm=True
)
export(
    "torch_dynamo_fpad_convhead",
    "default opset; F.pad + stride-2 convolution, 1x1 convolution classifier, softmax",
    dynamo=True,
    pad=True,
    head="conv",
    softmax=True,
    classes=10,
    blocks=[(1, 8, 1, 3), (4, 12, 1, 3), (4, 12, 1, 3)],
)
export(
    "torch_dynamo_mean32_clamp", "default opset; mean(3).mean(2), torch.clamp", dynamo=True, act=Clamp6, head="mean32"
)
export(
    "torch_dynamo_op13_gap",
    "opset_version=13 asked of the new exporter (automatic version conversion)",
    dynamo=True,
    opset=13,
)

write_index("make_torch.py", ENTRIES)

"""Reading ONNX, construct by construct: what is refused is one line that names the operator."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx_texts import CONV, HEAD, TAIL, Source, network, refusal

REFUSED: dict[str, tuple[Source, tuple[str, ...]]] = {
    # activations
    "unknown activation": (Source(CONV + "h = HardSwish (c)" + HEAD), ("HardSwish 'h'", "ReLU6")),
    "leaky relu": (Source(CONV + "h = LeakyRelu (c)" + HEAD), ("LeakyRelu 'h'",)),
    "bounds per channel": (
        Source(CONV + "t = Transpose <perm=[0,2,3,1]> (c) r = Min (t, near) h = Identity (r)" + HEAD),
        ("Min 'r'", "not one number"),
    ),
    "bound not a number": (Source(CONV + "h = Clip (c, nan)" + HEAD), ("Clip 'h'", "not one number")),
    "bound computed": (Source(CONV + "p = Conv (c, pw) h = Min (c, p)" + HEAD), ("Min 'h'", "computed")),
    "relu of a tensor read elsewhere": (
        Source(CONV + "r = Relu (c) p = Conv (r, pw) h = Add (c, p)" + HEAD),
        ("Relu 'r'", "Conv 'c'", "read elsewhere"),
    ),
    "relu of the input": (Source("r = Relu (x) c = Conv (r, w)" + TAIL), ("Relu 'r'", "input 'x'")),
    "activation that moves the padding": (
        Source(CONV + "q = Pad (c, border) r = Clip (q, one, six) h = Conv (r, pw)" + HEAD),
        ("Clip 'r'", "Pad"),
    ),
    "minimum of three": (Source(CONV + "h = Min (c, zero, six)" + HEAD), ("Min 'h'", "3 operands")),
    # scales and shifts
    "batch norm behind an activation": (
        Source(CONV + "r = Relu (c) n = BatchNormalization (r, gamma, beta, mean, var) h = Relu (n)" + HEAD),
        ("BatchNormalization 'n'", "Conv 'c'", "Relu 'h'"),
    ),
    "batch norm ahead of a padded convolution": (
        Source(
            CONV + "r = Relu (c) n = BatchNormalization (r, gamma, beta, mean, var) "
            "e = Conv <group=4, pads=[1,1,1,1]> (n, dw) h = Relu (e)" + HEAD
        ),
        ("BatchNormalization 'n'", "Conv 'e'"),
    ),
    "batch norm of a tensor read elsewhere": (
        Source(CONV + "n = BatchNormalization (c, gamma, beta, mean, var) h = Add (n, c)" + HEAD),
        ("BatchNormalization 'n'", "read elsewhere", "Add 'h'"),
    ),
    "batch norm at the end": (
        Source(
            CONV + "h = Relu (c) g = GlobalAveragePool (h) f = Flatten (g) "
            "y = BatchNormalization (f, gamma, beta, mean, var)",
            gives="float[N,4] y",
        ),
        ("BatchNormalization 'y'", "cannot be folded"),
    ),
    "batch norm in training": (
        Source(CONV + "n, p, q = BatchNormalization <training_mode=1> (c, gamma, beta, mean, var) h = Relu (n)" + HEAD),
        ("BatchNormalization 'n'", "training mode"),
    ),
    "batch norm over another axis": (
        Source(
            CONV + "t = Transpose <perm=[0,2,3,1]> (c) n = BatchNormalization (t, gamma, beta, mean, var) "
            "h = Transpose <perm=[0,3,1,2]> (n)" + HEAD
        ),
        ("BatchNormalization 'n'", "do not fit"),
    ),
    "negative variance": (
        Source(CONV + "n = BatchNormalization (c, gamma, beta, mean, negative) h = Relu (n)" + HEAD),
        ("BatchNormalization 'n'", "variance"),
    ),
    "product of two tensors": (Source(CONV + "p = Conv (c, pw) h = Mul (c, p)" + HEAD), ("Mul 'h'", "two computed")),
    "difference of two tensors": (Source(CONV + "p = Conv (c, pw) h = Sub (c, p)" + HEAD), ("Sub 'h'", "two computed")),
    "division by a tensor": (Source(CONV + "h = Div (one, c)" + HEAD), ("Div 'h'",)),
    "division by zero": (Source(CONV + "h = Div (c, zero)" + HEAD), ("Div 'h'", "zero")),
    "sum of three": (Source(CONV + "p = Conv (c, pw) h = Sum (c, p, c)" + HEAD), ("Sum 'h'", "3 operands")),
    "addition that broadcasts": (
        Source(CONV + "g1 = GlobalAveragePool (c) h = Add (c, g1)" + HEAD),
        ("Add 'h'", "differ"),
    ),
    "addition in two orders": (
        Source(CONV + "t = Transpose <perm=[0,1,3,2]> (c) h = Add (c, t)" + HEAD),
        ("Add 'h'", "order"),
    ),
    "addition of padded tensors": (Source(CONV + "q = Pad (c, border) h = Add (q, q)" + HEAD), ("Add 'h'", "padded")),
    # the network's input
    "a mean picture": (Source("n = Sub (x, image) c = Conv (n, w)" + TAIL), ("Sub 'n'", "per channel")),
    "two normalizations": (
        Source("n = Mul (x, two) c = Conv (n, w) e = Conv <pads=[0,0,-0,0]> (x, w) h = Add (c, e)" + HEAD),
        ("Conv 'e'", "normalized otherwise"),
    ),
    "input padded ahead of its shift": (
        Source("q = Pad (x, border) n = Sub (q, one) c = Conv (n, w)" + TAIL),
        ("Sub 'n'", "Pad"),
    ),
    "input reshaped": (Source("r = Transpose <perm=[0,2,3,1]> (x) c = Conv (r, wide)" + TAIL), ("Conv 'c'",)),
    "input cut": (Source("r = Slice (x, i1, i4, i3) c = Conv (r, w)" + TAIL), ("Conv 'c'", "whole input")),
    "pool first": (
        Source("p = GlobalAveragePool (x) c = Conv (p, pw3)" + TAIL),
        ("GlobalAveragePool 'p'", "begin with a convolution"),
    ),
    "two inputs": (Source(CONV + TAIL, given="float[N,3,8,8] x, float[1] second"), ("2 inputs", "second")),
    "no batch": (
        Source("u = Unsqueeze (x, i0) c = Conv (u, w)" + TAIL, given="float[3,8,8] x"),
        ("'x'", "3 dimensions"),
    ),
    "a batch of 8": (Source(CONV + TAIL, given="float[8,3,8,8] x"), ("'x'", "batch of 8")),
    "dynamic height": (Source(CONV + TAIL, given="float[N,3,H,W] x"), ("'x'", "fixed height")),
    "integers in": (Source("v = Cast <to=1> (x) c = Conv (v, w)" + TAIL, given="uint8[N,3,8,8] x"), ("'x'", "UINT8")),
    # convolutions
    "grouped": (Source(CONV + "h = Conv <group=2> (c, grouped)" + HEAD), ("Conv 'h'", "2 groups")),
    "depth multiplier": (
        Source(
            "c = Conv <group=3> (x, multiplied) h = Relu (c) g = GlobalAveragePool (h) y = Flatten (g)",
            gives="float[N,6] y",
        ),
        ("Conv 'c'", "depth multiplier 2"),
    ),
    "dilated": (Source("c = Conv <dilations=[2,2]> (x, w)" + TAIL), ("Conv 'c'", "dilations")),
    "stride 5": (Source("c = Conv <strides=[5,5]> (x, w)" + TAIL), ("Conv 'c'", "stride")),
    "1-D": (
        Source("m = Slice (x, i0, i1, i2) s = Squeeze (m, i2) c = Conv (s, w1d) h = Unsqueeze (c, i2)" + HEAD),
        ("Conv 'c'", "2-D"),
    ),
    "weights computed from the input": (
        Source(CONV + "v = Identity (c) h = Conv (c, v)" + HEAD),
        ("Conv 'h'", "not constant"),
    ),
    "wrong number of channels": (Source(CONV + "h = Conv (c, w)" + HEAD), ("Conv 'h'", "do not fit")),
    "kernel larger than its input": (
        Source("c = Conv (x, w)" + TAIL, given="float[N,3,2,2] x"),
        ("Conv 'c'", "larger"),
    ),
    "weights not finite": (Source("c = Conv (x, nans)" + TAIL), ("Conv 'c'", "finite")),
    "transposed": (Source(CONV + "e = ConvTranspose (c, pw) h = Relu (e)" + HEAD), ("ConvTranspose 'e'",)),
    "map rotated": (
        Source(CONV + "t = Transpose <perm=[0,1,3,2]> (c) h = Conv (t, pw)" + HEAD),
        ("Conv 'h'", "Transpose 't'"),
    ),
    # padding
    "pads with a value": (Source("q = Pad (x, border, one) c = Conv (q, w)" + TAIL), ("Pad 'q'", "pads with 1")),
    "pads by reflection": (
        Source('q = Pad <mode="reflect"> (x, border) c = Conv (q, w)' + TAIL),
        ("Pad 'q'", "reflect"),
    ),
    "negative pads": (Source(CONV + "q = Pad (c, crop) h = Conv (q, pw)" + HEAD), ("Pad 'q'", "-1")),
    # pooling
    "max pool": (Source(CONV + "h = MaxPool <kernel_shape=[2,2]> (c)" + HEAD), ("MaxPool 'h'", "stride 2")),
    "average pool of a part": (
        Source(CONV + "h = AveragePool <kernel_shape=[2,2]> (c)" + HEAD),
        ("AveragePool 'h'", "whole map"),
    ),
    "average pool with padding": (
        Source(CONV + "h = AveragePool <kernel_shape=[8,8], pads=[0,0,1,1]> (c)" + HEAD),
        ("AveragePool 'h'",),
    ),
    "mean of one axis": (
        Source(CONV + "m = ReduceMean <axes=[3]> (c) h = Relu (m)" + HEAD),
        ("ReduceMean 'm'", "height and width"),
    ),
    "mean of channels": (
        Source(
            CONV + "m = ReduceMean <axes=[1], keepdims=1> (c) g = ReduceMean <axes=[2,3]> (m) y = Flatten (g)",
            gives="float[N,1] y",
        ),
        ("ReduceMean 'g'", "height and width"),
    ),
    "mean of everything": (
        Source(CONV + "y = ReduceMean <keepdims=1> (c)", gives="float[1,1,1,1] y"),
        ("ReduceMean 'y'",),
    ),
    "mean of one axis at the end": (
        Source(CONV + "m = GlobalAveragePool (c) h = Relu (c) y = ReduceMean <axes=[2]> (h)", gives="float[N,4,1,8] y"),
        ("ReduceMean 'y'", "height and width"),
    ),
    # the end
    "sigmoid": (
        Source(CONV + "h = Relu (c) g = GlobalAveragePool (h) f = Flatten (g) m = Gemm (f, d) y = Sigmoid (m)"),
        ("Sigmoid 'y'", "export without it"),
    ),
    "log softmax": (
        Source(CONV + "h = Relu (c) g = GlobalAveragePool (h) f = Flatten (g) m = Gemm (f, d) y = LogSoftmax (m)"),
        ("LogSoftmax 'y'",),
    ),
    "softmax over another axis": (
        Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = Gemm (f, d) y = Softmax <axis=0> (m)"),
        ("Softmax 'y'", "class"),
    ),
    "softmax in the middle": (
        Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) s = Softmax (f) y = Gemm (s, d)"),
        ("Gemm 'y'", "Softmax"),
    ),
    "a map as the output": (Source(CONV + "y = Relu (c)", gives="float[N,4,8,8] y"), ("Conv 'c'", "map of 8x8x4")),
    "two outputs": (Source(CONV + TAIL, gives="float[N,5] y, float[N,4,8,8] h"), ("2 outputs", "y, h")),
    "classes reordered": (
        Source(
            CONV + "g = GlobalAveragePool (c) f = Flatten (g) r = Slice (f, im1, backwards, i1, im1) y = Identity (r)",
            gives="float[N,4] y",
        ),
        ("Slice 'r'", "rearranges"),
    ),
    "output without the input": (Source("y = Mul (db, two)", gives="float[5] y"), ("output 'y'", "not computed")),
    # the wrong file
    "quantized": (
        Source("q = QuantizeLinear (x, one) v = DequantizeLinear (q, one) c = Conv (v, w)" + TAIL),
        ("QuantizeLinear 'q'", "already quantized"),
    ),
    "cast to integers": (Source(CONV + "v = Cast <to=6> (c) h = Cast <to=1> (v)" + HEAD), ("Cast 'v'", "float")),
    "dropout in training": (Source(CONV + "h = Dropout (c, ratio, yes)" + HEAD), ("Dropout 'h'", "training mode")),
    "reshape that does not fit": (
        Source(CONV + "g = GlobalAveragePool (c) f = Reshape (g, to_rows) y = Gemm (f, d)"),
        ("Reshape 'f'", "cannot be computed"),
    ),
    "unknown operator": (
        Source(CONV + "h = Concat <axis=1> (c, c)" + HEAD),
        ("Concat 'h'", "not supported", "Linnet reads"),
    ),
    "old opset": (Source(CONV + "h = Relu (c)" + HEAD, opset=6), ("opset 6", "opset 11")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    source, expected = REFUSED[case]
    onnx.save(network(source), tmp_path / "model.onnx")
    message = refusal(tmp_path / "model.onnx")
    for part in expected:
        assert part in message


def test_operators_of_another_domain_are_refused(tmp_path: Path) -> None:
    model = network(CONV + TAIL)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.microsoft", "FusedConv"
    onnx.save(model, tmp_path / "model.onnx")
    assert "com.microsoft.FusedConv 'c'" in refusal(tmp_path / "model.onnx")

"""Reading ONNX, construct by construct: what is accepted computes what the file computes."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx_texts import CONV, DENSE, HEAD, NHWC, TAIL, Source, check_file, network

ACCEPTED: dict[str, Source] = {
    # activations
    "relu, then minimum": Source(CONV + "r = Relu (c) h = Min (r, six)" + HEAD),
    "maximum, then minimum": Source(CONV + "r = Max (zero, c) h = Min (six, r)" + HEAD),
    "clip without a lower bound": Source(CONV + "h = Clip (c, , one)" + HEAD),
    "clip without an upper bound": Source(CONV + "h = Clip (c, minus)" + HEAD),
    "clip without bounds": Source(CONV + "h = Clip (c)" + HEAD),
    "clip with crossed bounds": Source(CONV + "r = Clip (c, one, minus) p = Conv (r, pw) h = Relu (p)" + HEAD),
    "clip by attributes": Source(CONV + "h = Clip <min=0.0, max=6.0> (c)" + HEAD, opset=10),
    "clip of clip": Source(CONV + "r = Clip (c, minus, two) s = Relu (r) h = Clip (s, minus, one)" + HEAD),
    "bounds from Constant nodes": Source(
        CONV + "l = Constant <value_float=0.0> () u = Constant <value=float {6}> () h = Clip (c, l, u)" + HEAD
    ),
    "relu of a relu that is read twice": Source(
        CONV + "r = Relu (c) s = Relu (r) p = Conv (s, pw) h = Add (r, p)" + HEAD
    ),
    "relu on the pool and the dense layer": Source(
        CONV + "p = GlobalAveragePool (c) g = Relu (p) f = Flatten (g) q = Gemm (f, d, db) y = Relu (q)"
    ),
    "relu on an addition": Source(CONV + "p = Conv (c, pw) a = Add (c, p) h = Relu (a)" + HEAD),
    "relu behind a transpose": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) r = Relu (t) h = Transpose <perm=[0,3,1,2]> (r)" + HEAD
    ),
    # scales and shifts
    "batch norm": Source(
        CONV + "n = BatchNormalization <epsilon=0.01> (c, gamma, beta, mean, var) h = Relu (n)" + HEAD
    ),
    "batch norm twice": Source(
        CONV + "n = BatchNormalization (c, gamma, beta, mean, var) "
        "m = BatchNormalization (n, beta, gamma, mean, var) h = Relu (m)" + HEAD
    ),
    "batch norm on a depthwise convolution": Source(
        CONV
        + "r = Relu (c) e = Conv <group=4> (r, dw) n = BatchNormalization (e, gamma, beta, mean, var) h = Relu (n)"
        + HEAD
    ),
    "arithmetic with constants": Source(
        CONV
        + "p = Mul (c, chan) q = Add (chan, p) r = Sub (q, two) s = Sub (one, r) t = Div (s, chan) h = Relu (t)"
        + HEAD
    ),
    "arithmetic in NHWC": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) m = Mul (t, vec4) a = Add (m, b) "
        "u = Transpose <perm=[0,3,1,2]> (a) h = Relu (u)" + HEAD
    ),
    "batch norm between pool and dense layer": Source(
        CONV
        + "h = Relu (c) p = GlobalAveragePool (h) q = Flatten (p) g = BatchNormalization (q, gamma, beta, mean, var)"
        + DENSE
    ),
    "batch norm between addition and 1x1 convolution": Source(
        CONV + "p = Conv (c, pw) a = Add (c, p) n = BatchNormalization (a, gamma, beta, mean, var) "
        "e = Conv (n, pw, b) h = Relu (e)" + HEAD
    ),
    "scale between relu and padded convolution": Source(
        CONV + "r = Relu (c) s = Mul (r, chan) e = Conv <group=4, pads=[1,1,1,1]> (s, dw) h = Relu (e)" + HEAD
    ),
    "neutral arithmetic": Source(CONV + "r = Relu (c) s = Mul (r, one) h = Add (s, zero)" + HEAD),
    # the network's input
    "normalization of the input": Source(
        "s = Sub (x, chan3) n = Div (s, col3) c = Conv <pads=[1,1,1,1]> (n, w)" + TAIL
    ),
    "normalization in NHWC": Source(
        "s = Mul (x, last3) n = Add (s, vec) t = Transpose <perm=[0,3,1,2]> (n) c = Conv <pads=[1,1,1,1]> (t, w)"
        + TAIL,
        given=NHWC,
    ),
    "batch norm of the input": Source(
        "n = BatchNormalization (x, gamma3, beta3, mean3, var3) c = Conv <pads=[0,0,1,1], strides=[2,2]> (n, w)" + TAIL
    ),
    "the normalized input read twice": Source(
        "n = Mul (x, chan3) c = Conv <pads=[1,1,1,1]> (n, w) e = Conv (n, pw3) a = Add (c, e) h = Relu (a)" + HEAD
    ),
    "channels reversed by Slice": Source(
        "r = Slice (x, im1, backwards, im1, im1) t = Transpose <perm=[0,3,1,2]> (r) "
        "n = Mul (t, chan3) c = Conv (n, w)" + TAIL,
        given=NHWC,
    ),
    "channels reversed by Gather": Source("r = Gather <axis=1> (x, bgr) c = Conv <pads=[1,0,0,1]> (r, w, b)" + TAIL),
    # padding
    "auto_pad SAME_UPPER": Source('c = Conv <auto_pad="SAME_UPPER", strides=[2,2]> (x, w)' + TAIL),
    "auto_pad SAME_UPPER, odd": Source(
        'c = Conv <auto_pad="SAME_UPPER", strides=[2,2]> (x, wide)' + TAIL, given="float[N,3,9,7] x"
    ),
    "auto_pad SAME_LOWER": Source('c = Conv <auto_pad="SAME_LOWER", strides=[2,2]> (x, w)' + TAIL),
    "auto_pad VALID": Source('c = Conv <auto_pad="VALID", strides=[2,2]> (x, w)' + TAIL),
    "pad node": Source("q = Pad (x, border) c = Conv <strides=[2,2]> (q, w)" + TAIL),
    "pad node with a value, and pads of its own": Source(
        "q = Pad (x, border, zero) c = Conv <pads=[0,1,1,0]> (q, w)" + TAIL
    ),
    "pad node with axes": Source("q = Pad (x, border_hw, , i23) c = Conv (q, w)" + TAIL, opset=18),
    "pad node with attributes": Source(
        'q = Pad <mode="constant", pads=[0,0,0,1,0,0,2,1], value=0.0> (x) c = Conv <strides=[2,2]> (q, w)' + TAIL,
        opset=10,
    ),
    "pad node in NHWC": Source(
        "q = Pad (x, border_nhwc) t = Transpose <perm=[0,3,1,2]> (q) c = Conv <strides=[2,2]> (t, w)" + TAIL, given=NHWC
    ),
    "pad node twice": Source("q = Pad (x, border) r = Pad (q, border) c = Conv <strides=[3,3]> (r, w)" + TAIL),
    "relu behind a pad node": Source(CONV + "q = Pad (c, border) r = Relu (q) h = Conv <group=4> (r, dw)" + HEAD),
    "scale behind a pad node": Source(
        CONV + "q = Pad (c, border) r = Mul (q, chan) h = Conv <group=4> (r, dw5)" + HEAD
    ),
    "padding nobody reads": Source("c = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w)" + TAIL),
    "dilation of a 1x1 kernel": Source("c = Conv <dilations=[2,2]> (x, pw3, b)" + TAIL),
    # pooling
    "mean by attributes": Source(CONV + "h = Relu (c) g = ReduceMean <axes=[2,3], keepdims=0> (h)" + DENSE),
    "mean by negative axes": Source(CONV + "h = Relu (c) g = ReduceMean <axes=[-1,-2]> (h)" + DENSE),
    "mean by input": Source(CONV + "h = Relu (c) g = ReduceMean (h, i23)" + DENSE, opset=18),
    "mean in NHWC": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) g = ReduceMean <keepdims=0> (t, i12)" + DENSE, opset=18
    ),
    "mean of flattened pixels": Source(
        CONV + "u = Unsqueeze (c, i0) t = Squeeze (u, i0) g = GlobalAveragePool (t)" + DENSE
    ),
    "mean in two steps": Source(
        CONV + "m = ReduceMean <axes=[3], keepdims=0> (c) g = ReduceMean <axes=[2], keepdims=0> (m) y = Gemm (g, d, db)"
    ),
    "mean in two steps, dimensions kept": Source(
        CONV + "m = ReduceMean <axes=[2]> (c) g = ReduceMean <axes=[3]> (m)" + DENSE
    ),
    "average pool over the map": Source(CONV + "g = AveragePool <kernel_shape=[8,8]> (c)" + DENSE),
    "average pool with SAME": Source(
        CONV + 'g = AveragePool <kernel_shape=[8,8], strides=[8,8], auto_pad="SAME_UPPER"> (c)' + DENSE
    ),
    "pool twice": Source(CONV + "h = GlobalAveragePool (c)" + HEAD),
    # dense layers
    "matmul and add": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = MatMul (f, d) y = Add (m, db)"),
    "gemm with transB, alpha and beta": Source(
        CONV + "g = GlobalAveragePool (c) f = Flatten (g) y = Gemm <transB=1, alpha=0.5, beta=2.0> (f, dt, db)"
    ),
    "gemm without bias": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) y = Gemm (f, d)"),
    "gemm with one bias": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) y = Gemm (f, d, one)"),
    "dense on a flattened NCHW map": Source(CONV + "f = Flatten (c) y = Gemm (f, big, db)"),
    "dense on a flattened NHWC map": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) f = Reshape (t, to_vec) m = MatMul (f, big) y = Add (m, db)"
    ),
    "dense on a scaled map": Source(
        CONV + "r = Relu (c) s = Mul (r, chan) a = Add (s, chan) f = Flatten (a) y = Gemm (f, big, db)"
    ),
    "dense on each pixel": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) m = MatMul (t, mat) a = Add (m, b) "
        "r = Relu (a) h = Transpose <perm=[0,3,1,2]> (r)" + HEAD
    ),
    "dense on rows of pixels": Source(
        CONV + "t = Transpose <perm=[0,2,3,1]> (c) v = Reshape (t, to_rows) m = MatMul (v, mat) "
        "g = ReduceMean <axes=[1]> (m)" + DENSE
    ),
    # around the network
    "softmax of opset 11": Source(
        CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = Gemm (f, d) y = Softmax (m)", opset=11
    ),
    "softmax of opset 13": Source(CONV + "g = GlobalAveragePool (c) f = Flatten (g) m = Gemm (f, d) y = Softmax (m)"),
    "softmax ahead of flatten": Source(
        CONV + "h = Relu (c) g = GlobalAveragePool (h) s = Softmax <axis=1> (g) y = Flatten (s)", gives="float[N,4] y"
    ),
    "identity, dropout and cast": Source(
        CONV + "i = Identity (c) o = Dropout (i, ratio, no) h = Cast <to=1> (o) g = GlobalAveragePool (h)" + DENSE
    ),
    "shape computed in the graph": Source(
        CONV + "g = GlobalAveragePool (c) s = Shape (g) n = Gather (s, i0) k = Concat <axis=0> (n, im1) "
        "f = Reshape (g, k) y = Gemm (f, d)"
    ),
    "weights computed in the graph": Source("m = Mul (w, two) c = Conv (x, m) " + TAIL),
    "sum": Source(CONV + "p = Conv (c, pw) h = Sum (c, p)" + HEAD),
    "nodes nobody needs": Source(CONV + "z = MaxPool <kernel_shape=[2,2]> (c)" + TAIL),
    "batch of one": Source(CONV + TAIL, given="float[1,3,8,8] x", gives="float[1,5] y"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str, tmp_path: Path) -> None:
    onnx.save(network(ACCEPTED[case]), tmp_path / "model.onnx")
    check_file(tmp_path / "model.onnx")

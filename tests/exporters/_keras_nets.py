"""The small Keras networks that make_keras.py and make_keras_torch.py export."""

import keras
import numpy as np
from keras import layers as L

MEAN, VAR = [123.7, 116.3, 103.5], [3409.0, 3259.0, 3292.0]


def conv_bn(x, cout, k, s, act, pad):
    """act: "relu6", "relu" or None; pad: "same" or "zero" (explicit ZeroPadding2D)."""
    if k > 1 and s == 2 and pad == "zero":
        x = L.ZeroPadding2D(correct_pad(x, k))(x)
    x = L.Conv2D(cout, k, s, "valid" if k > 1 and s == 2 and pad == "zero" else "same", use_bias=False)(x)
    return bn_act(x, act)


def bn_act(x, act):
    x = L.BatchNormalization(epsilon=1e-3, momentum=0.999)(x)
    if act == "relu6":
        x = L.ReLU(6.0)(x)
    elif act == "relu":
        x = L.ReLU()(x)
    elif act == "relu6_fn":
        x = L.Activation("relu6")(x)
    return x


def correct_pad(x, k):
    """keras.applications.imagenet_utils.correct_pad: ((0, 1), (0, 1)) for even sizes."""
    h, w = x.shape[1:3]
    adjust = (1 - h % 2, 1 - w % 2)
    c = k // 2
    return ((c - adjust[0], c), (c - adjust[1], c))


def inverted(x, cout, s, t, k=3, act="relu6", pad="zero"):
    inputs, cin = x, x.shape[-1]
    if t != 1:
        x = conv_bn(x, cin * t, 1, 1, act, pad)
    if s == 2 and pad == "zero":
        x = L.ZeroPadding2D(correct_pad(x, k))(x)
    x = L.DepthwiseConv2D(k, strides=s, padding="valid" if s == 2 and pad == "zero" else "same", use_bias=False)(x)
    x = bn_act(x, act)
    x = conv_bn(x, cout, 1, 1, None, pad)
    return L.Add()([inputs, x]) if s == 1 and cin == cout else x


def separable(x, cout, s, pad="zero"):
    """The block of MobileNetV1: depthwise, then pointwise, both with ReLU6."""
    if s == 2 and pad == "zero":
        x = L.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = L.DepthwiseConv2D(3, strides=s, padding="valid" if s == 2 and pad == "zero" else "same", use_bias=False)(x)
    x = bn_act(x, "relu6")
    return conv_bn(x, cout, 1, 1, "relu6", pad)


def net(
    size=(32, 32),
    pre=None,
    act="relu6",
    pad="zero",
    kind="v2",
    head="dense",
    classes=6,
    softmax=True,
    k=3,
    last=32,
    batch=None,
):
    inp = keras.Input((*size, 3), batch_size=batch)
    x = inp
    if pre == "rescaling":
        x = L.Rescaling(1 / 127.5, offset=-1)(x)
    elif pre == "preprocess_input":
        x = keras.applications.mobilenet_v2.preprocess_input(x)
    elif pre == "normalization":
        x = L.Normalization(mean=MEAN, variance=VAR)(x)
    elif pre == "rescaling_normalization":
        x = L.Rescaling(1 / 255)(x)
        x = L.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.0524, 0.0502, 0.0506])(x)
    elif pre == "rescaling_per_channel":
        std = np.sqrt(VAR)
        x = L.Rescaling((1 / std).tolist(), offset=(-np.array(MEAN) / std).tolist())(x)
    elif pre == "ops":
        x = (x - np.array(MEAN, np.float32)) / np.sqrt(np.array(VAR, np.float32))
    x = conv_bn(x, 8, 3, 2, act, pad)
    if kind == "v1":
        x = separable(x, 12, 1, pad)
        x = separable(x, 16, 2, pad)
        x = separable(x, 24, 1, pad)
    else:
        x = inverted(x, 8, 1, 1, 3, act, pad)
        x = inverted(x, 12, 2, 4, k, act, pad)
        x = inverted(x, 12, 1, 4, 3, act, pad)
        x = conv_bn(x, last, 1, 1, act, pad)
    if head == "dense":
        x = L.GlobalAveragePooling2D()(x)
        x = L.Dropout(0.2)(x)
        x = L.Dense(classes, activation="softmax" if softmax else None)(x)
    else:
        x = L.GlobalAveragePooling2D(keepdims=True)(x)
        x = L.Dropout(1e-3)(x)
        x = L.Conv2D(classes, 1, padding="same")(x)
        x = L.Reshape((classes,))(x) if head == "conv_reshape" else L.Flatten()(x)
        x = L.Activation("softmax")(x) if softmax else x
    return keras.Model(inp, x)


def randomise(model, seed):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            c = layer.gamma.shape[0]
            layer.set_weights(
                [rng.uniform(0.6, 1.5, c), rng.normal(0, 0.4, c), rng.normal(0, 0.3, c), rng.uniform(0.4, 1.6, c)]
            )
        elif isinstance(layer, (L.Conv2D, L.DepthwiseConv2D, L.Dense)):
            w = layer.get_weights()
            shape = w[0].shape
            depthwise = isinstance(layer, L.DepthwiseConv2D)
            fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
            w[0] = rng.normal(0, (2 / fan_in) ** 0.5, shape)
            if len(w) == 2:
                w[1] = rng.normal(0, 0.2, w[1].shape)
            layer.set_weights(w)
    model(np.zeros((1, *model.input_shape[1:]), "float32"))  # export() wants a model once called
    return model

"""Write the TFLite files of this folder with TensorFlow's own converter.

    pip install tensorflow-cpu==2.19.1
    python make_tflite.py

Full integer quantization, int8 with weights per channel. Weights are seeded random numbers, nothing is trained.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812

HERE = Path(__file__).parent
SIZE = 32


def block(x, channels, stride, expand=3):
    """An inverted residual as Keras writes it: stride 2 pads by a layer of its own."""
    hidden = x.shape[-1] * expand
    y = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(hidden, 1, use_bias=False)(x)))
    if stride == 2:
        y = L.ZeroPadding2D(1)(y)
    y = L.DepthwiseConv2D(3, stride, "valid" if stride == 2 else "same", use_bias=False)(y)
    y = L.ReLU(6.0)(L.BatchNormalization()(y))
    y = L.BatchNormalization()(L.Conv2D(channels, 1, use_bias=False)(y))
    return L.Add()([x, y]) if stride == 1 and x.shape[-1] == channels else y


def v2_mean_softmax():
    """MobileNetV2 in small: PAD, MEAN, FULLY_CONNECTED, SOFTMAX; uint8 at both ends."""
    x = entry = L.Input((SIZE, SIZE, 3), batch_size=1)
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(8, 3, 2, "same", use_bias=False)(x)))
    x = block(block(block(x, 12, 2), 12, 1), 12, 1)
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(24, 1, use_bias=False)(x)))
    return keras.Model(entry, L.Dense(6, "softmax")(L.GlobalAveragePooling2D()(x)))


def v1_pool_conv():
    """MobileNetV1 in small, odd sizes: AVERAGE_POOL_2D, CONV_2D for the classes, RESHAPE; float32 at both ends."""
    x = entry = L.Input((SIZE + 1, SIZE - 3, 3), batch_size=1)
    x = L.ReLU()(L.Conv2D(8, 3, 2, "same")(x))
    for channels, stride in ((12, 1), (16, 2), (16, 1)):
        x = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, stride, "same", use_bias=False)(x)))
        x = L.ReLU()(L.Conv2D(channels, 1)(x))
    x = L.AveragePooling2D(x.shape[1:3])(x)
    return keras.Model(entry, L.Reshape((5,))(L.Conv2D(5, 1)(x)))


def resnet_add_relu():
    """ResNet's order on one grey channel: ADD with a fused RELU, int8 at both ends."""
    x = entry = L.Input((SIZE, SIZE, 1), batch_size=1)
    x = L.ReLU()(L.Conv2D(8, 3, 2, "same")(x))
    for _ in range(2):
        y = L.ReLU()(L.Conv2D(8, 3, padding="same")(x))
        x = L.ReLU()(L.Add()([x, L.Conv2D(8, 3, padding="same")(y)]))
    return keras.Model(entry, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


def write(name, build, ends, low):
    """ends: type of input and output.  low: the input's values are low..1."""
    keras.utils.set_random_seed(0)
    net = build()
    rng = np.random.default_rng(1)
    for layer in net.layers:
        if isinstance(layer, L.BatchNormalization):
            count = layer.gamma.shape[0]
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, count),
                    rng.normal(0, 0.3, count),
                    rng.normal(0, 0.1, count),
                    rng.uniform(0.05, 0.35, count),
                ]
            )
    shape = net.inputs[0].shape

    def samples():
        for _ in range(32):
            yield [rng.uniform(low, 1.0, shape).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = ends
    data = converter.convert()
    (HERE / name).write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def main():
    write("v2_mean_softmax.tflite", v2_mean_softmax, tf.uint8, -1.0)
    write("v1_pool_conv.tflite", v1_pool_conv, tf.float32, 0.0)
    write("resnet_add_relu.tflite", resnet_add_relu, tf.int8, -1.0)


if __name__ == "__main__":
    main()

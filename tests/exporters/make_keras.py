"""Write the keras_*.onnx and tf2onnx_*.onnx files of this folder.

    python3 -m venv VENV
    VENV/bin/pip install tensorflow-cpu==2.19.1 keras==3.15.1 tf2onnx==1.16.1 \
        onnx==1.17.0 onnxruntime==1.26.0 numpy==1.26.4 ml_dtypes==0.5.1 protobuf==3.20.3
    VENV/bin/python make_keras.py

Python 3.11; tf2onnx 1.16.1 needs numpy below 2. Keras exports with its TensorFlow backend, which hands the work to
tf2onnx; the tf2onnx_* files call tf2onnx.convert.from_function directly. The
networks (_keras_nets.py) have the layers of keras.applications' MobileNetV2 and
MobileNet, written out because the real ones do not get small enough; weights and
BatchNorm statistics are seeded.
"""

import os
import subprocess
import sys
import tempfile
import zlib

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from _common import HERE, check_same, write_index
from _keras_nets import net, randomise

KERAS = (
    f"keras {keras.__version__} model.export(format='onnx'), tensorflow {tf.__version__}, tf2onnx {tf2onnx.__version__}"
)
T2O = f"tf2onnx {tf2onnx.__version__} convert.from_function, tensorflow {tf.__version__}, keras {keras.__version__}"
ENTRIES = []


def entry(model, path, exporter, exercises, kw, layout="NHWC", dynamic=True, expect="ok", note=None):
    m = onnx.load(path, load_external_data=False)
    h, w = kw.get("size", (32, 32))
    n = "N" if dynamic else 1
    pre = kw.get("pre")
    if expect == "ok":
        x = np.random.default_rng(1).uniform(-1, 1, (1, h, w, 3)).astype("float32")
        x = (x + 1) * 127.5 if pre else x
        check_same(path, x if layout == "NHWC" else x.transpose(0, 3, 1, 2), model(x).numpy())
    ENTRIES.append(
        dict(
            file=path.name,
            exporter=exporter,
            opset=next(o.version for o in m.opset_import if o.domain == ""),
            layout=layout,
            input=[n, h, w, 3] if layout == "NHWC" else [n, 3, h, w],
            range=[0.0, 255.0] if pre else [-1.0, 1.0],
            classes=kw.get("classes", 6),
            output="softmax" if kw.get("softmax", True) else "logits",
            exercises=exercises,
            expect=expect,
            **(dict(note=note) if note else {}),
        )
    )
    print(path.name, path.stat().st_size)


def by_keras(name, exercises, opset=None, expect="ok", note=None, **kw):
    keras.utils.clear_session()
    model = randomise(net(**kw), zlib.crc32(name.encode()))
    path = HERE / f"{name}.onnx"
    model.export(str(path), format="onnx", verbose=False, **(dict(opset_version=opset) if opset else {}))
    entry(model, path, KERAS, exercises, kw, dynamic=not kw.get("batch"), expect=expect, note=note)


def by_saved_model(name, exercises, opset, nchw=False, **kw):
    """Keras writes a SavedModel, tf2onnx's command line converts it."""
    keras.utils.clear_session()
    model = randomise(net(**kw), zlib.crc32(name.encode()))
    path = HERE / f"{name}.onnx"
    with tempfile.TemporaryDirectory() as tmp:
        model.export(f"{tmp}/saved_model", verbose=False)
        cmd = [
            sys.executable,
            "-m",
            "tf2onnx.convert",
            "--saved-model",
            "saved_model",
            "--opset",
            str(opset),
            "--output",
            str(path),
        ]
        if nchw:
            cmd += ["--inputs-as-nchw", "keras_tensor:0"]
        subprocess.run(cmd, check=True, capture_output=True, cwd=tmp)
    entry(
        model,
        path,
        T2O.replace("convert.from_function", "python -m tf2onnx.convert --saved-model"),
        exercises,
        kw,
        "NCHW" if nchw else "NHWC",
        not kw.get("batch"),
    )


def by_from_keras(name, exercises, opset, nchw=False, **kw):
    keras.utils.clear_session()
    model = randomise(net(**kw), zlib.crc32(name.encode()))
    path = HERE / f"{name}.onnx"
    tf2onnx.convert.from_keras(
        model, opset=opset, output_path=str(path), inputs_as_nchw=[model.inputs[0].name] if nchw else None
    )
    entry(model, path, T2O.replace("from_function", "from_keras"), exercises, kw, "NCHW" if nchw else "NHWC")


def by_tf2onnx(name, exercises, opset, nchw=False, dynamic=True, **kw):
    keras.utils.clear_session()
    model = randomise(net(**kw), zlib.crc32(name.encode()))
    path = HERE / f"{name}.onnx"
    h, w = kw.get("size", (32, 32))
    spec = [tf.TensorSpec((None if dynamic else 1, h, w, 3), tf.float32, name="image")]
    fn = tf.function(lambda image: model(image, training=False), input_signature=spec)
    tf2onnx.convert.from_function(
        fn, input_signature=spec, opset=opset, inputs_as_nchw=["image:0"] if nchw else None, output_path=str(path)
    )
    entry(model, path, T2O, exercises, kw, "NCHW" if nchw else "NHWC", dynamic)


# --- Keras' own export ----------------------------------------------------
by_keras(
    "keras_plain_dense",
    "keras.applications layers: ZeroPadding2D + stride-2 valid convolution, "
    "ReLU(6.0), GlobalAveragePooling2D, Dense softmax; no preprocessing; dynamic batch",
)
by_keras("keras_rescaling", "Rescaling(1/127.5, offset=-1) in front; ZeroPadding2D; softmax", pre="rescaling")
by_keras(
    "keras_preprocess_input",
    "mobilenet_v2.preprocess_input in the functional graph; odd size 33x35 (ZeroPadding2D gives symmetric padding)",
    pre="preprocess_input",
    size=(33, 35),
)
by_keras(
    "keras_normalization",
    "Normalization layer: this exporter makes its mean and standard deviation further graph inputs without a value",
    pre="normalization",
    softmax=False,
    expect="unbound-inputs",
    note="the constants are not in the file; a reader can only refuse it",
)
by_keras(
    "keras_rescaling_per_channel",
    "Rescaling with a scale and an offset per channel; batch fixed to 1",
    pre="rescaling_per_channel",
    batch=1,
)
by_keras("keras_ops_normalize", "(x - mean) / std per channel written as operators; logits", pre="ops", softmax=False)
by_keras(
    "keras_v1_conv_reshape",
    "MobileNetV1 blocks; GlobalAveragePooling2D(keepdims), Conv2D 1x1, Reshape, softmax",
    kind="v1",
    head="conv_reshape",
)
by_keras(
    "keras_v1_conv_flatten",
    "MobileNetV1 blocks with SAME padding; GlobalAveragePooling2D(keepdims), Conv2D 1x1, Flatten, logits",
    kind="v1",
    head="conv_flatten",
    pad="same",
    softmax=False,
)
by_keras(
    "keras_same_even",
    "SAME padding on stride 2, even sizes (asymmetric), 5x5 depthwise",
    pad="same",
    k=5,
    softmax=False,
)
by_keras(
    "keras_same_odd",
    "SAME padding on stride 2, odd size 33x35, Activation('relu6')",
    pad="same",
    size=(33, 35),
    act="relu6_fn",
    pre="rescaling",
)
by_keras("keras_op18_relu", "opset_version=18, ReLU, SAME padding", opset=18, act="relu", pad="same")
by_keras("keras_op11_rescaling", "opset_version=11, Rescaling, ZeroPadding2D", opset=11, pre="rescaling")

# --- tf2onnx directly -----------------------------------------------------
by_tf2onnx("tf2onnx_op13_nhwc_same", "SAME padding on stride 2, NHWC input, dynamic batch, softmax", 13, pad="same")
by_tf2onnx(
    "tf2onnx_op13_nchw_same",
    "inputs_as_nchw, SAME padding on stride 2, dynamic batch, softmax",
    13,
    nchw=True,
    pad="same",
)
by_tf2onnx(
    "tf2onnx_op17_nhwc_same_odd",
    "SAME padding on stride 2, odd size 33x35, fixed batch, ReLU, logits",
    17,
    pad="same",
    size=(33, 35),
    act="relu",
    softmax=False,
    dynamic=False,
)
by_tf2onnx(
    "tf2onnx_op18_nchw_rescaling",
    "inputs_as_nchw with Rescaling in front, ZeroPadding2D, fixed batch",
    18,
    nchw=True,
    pre="rescaling",
    dynamic=False,
)
by_tf2onnx(
    "tf2onnx_op18_v1_conv_reshape",
    "MobileNetV1 blocks, Conv2D 1x1 classifier, Reshape, softmax, fixed batch",
    18,
    kind="v1",
    head="conv_reshape",
    pad="same",
    dynamic=False,
)
by_tf2onnx(
    "tf2onnx_op17_nchw_norm_v1",
    "inputs_as_nchw, (x - mean) / std per channel, MobileNetV1 blocks, Conv2D classifier, Flatten",
    17,
    nchw=True,
    pre="ops",
    kind="v1",
    head="conv_flatten",
)
by_from_keras(
    "tf2onnx_fk13_preprocess_input",
    "from_keras with a Keras 3 model; preprocess_input; dynamic batch",
    13,
    pre="preprocess_input",
)
by_from_keras(
    "tf2onnx_fk17_nchw_same",
    "from_keras, inputs_as_nchw, SAME padding, logits",
    17,
    nchw=True,
    pad="same",
    softmax=False,
)
by_saved_model(
    "tf2onnx_sm17_normalization", "from a SavedModel: Normalization layer, dynamic batch", 17, pre="normalization"
)
by_saved_model(
    "tf2onnx_sm13_nchw_rescaling_normalization",
    "from a SavedModel, --inputs-as-nchw: Rescaling(1/255) and Normalization one after the other, batch fixed to 1",
    13,
    nchw=True,
    pre="rescaling_normalization",
    batch=1,
)
by_saved_model(
    "tf2onnx_sm15_v1_same_odd",
    "from a SavedModel, default opset of the command line: MobileNetV1 blocks, SAME padding, odd size 33x35",
    15,
    kind="v1",
    head="conv_reshape",
    pad="same",
    size=(33, 35),
)
by_tf2onnx("tf2onnx_op10_clip_attr", "opset 10: bounds of Clip as attributes, pads of Pad as attribute", 10)

write_index("make_keras.py", ENTRIES)

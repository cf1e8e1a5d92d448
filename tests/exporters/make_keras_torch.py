"""Write the kerastorch_*.onnx files: Keras' own export with its PyTorch backend.

    python3 -m venv VENV
    VENV/bin/pip install torch==2.13.0 keras==3.15.1 onnx==1.23.2 onnxscript==0.7.2 \
        onnxruntime==1.32.0 numpy==2.4.6
    VENV/bin/python make_keras_torch.py

Python 3.11. Keras hands the work to torch.onnx.export(dynamo=False) here.
"""

import os
import zlib

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import onnx
import torch
from _common import HERE, check_same, write_index
from _keras_nets import net, randomise

EXPORTER = f"keras {keras.__version__} model.export(format='onnx'), torch backend {torch.__version__}"
ENTRIES = []


def export(name, exercises, opset=None, **kw):
    keras.utils.clear_session()
    model = randomise(net(**kw), zlib.crc32(name.encode()))
    path = HERE / f"{name}.onnx"
    model.export(str(path), format="onnx", verbose=False, **(dict(opset_version=opset) if opset else {}))
    m = onnx.load(path, load_external_data=False)
    shape = [d.dim_value or "N" for d in m.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).uniform(-1, 1, (1, *shape[1:])).astype("float32")
    x = (x + 1) * 127.5 if kw.get("pre") else x
    check_same(path, x, keras.ops.convert_to_numpy(model(x)))
    ENTRIES.append(
        dict(
            file=path.name,
            exporter=EXPORTER,
            opset=next(o.version for o in m.opset_import if o.domain == ""),
            layout="NHWC" if shape[-1] == 3 else "NCHW",
            input=shape,
            range=[0.0, 255.0] if kw.get("pre") else [-1.0, 1.0],
            classes=kw.get("classes", 6),
            output="softmax" if kw.get("softmax", True) else "logits",
            exercises=exercises,
            expect="ok",
        )
    )
    print(path.name, path.stat().st_size, shape)


export(
    "kerastorch_rescaling",
    "channels_last: Rescaling(1/127.5, offset=-1), ZeroPadding2D, Dense softmax",
    pre="rescaling",
)
export(
    "kerastorch_normalization_same",
    "channels_last: Normalization layer, SAME padding on stride 2, logits",
    pre="normalization",
    pad="same",
    softmax=False,
)
export(
    "kerastorch_v1_conv_reshape",
    "channels_last: MobileNetV1 blocks, Conv2D 1x1 classifier, Reshape, odd size 33x35, SAME padding",
    kind="v1",
    head="conv_reshape",
    pad="same",
    size=(33, 35),
)

write_index("make_keras_torch.py", ENTRIES)

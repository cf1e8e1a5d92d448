"""Shared by the make_*.py scripts of this folder: keeping index.toml in step.

Each script owns the entries it wrote (key `script`); writing replaces exactly
those, so the scripts can be run one at a time, each in its own environment.
"""

import pathlib
import tomllib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
INDEX = HERE / "index.toml"
KEYS = (
    "file",
    "script",
    "exporter",
    "opset",
    "layout",
    "input",
    "range",
    "classes",
    "output",
    "exercises",
    "expect",
    "note",
)
HEADER = """\
# ONNX files of this folder, each written by the exporter named; see README.md.
# Written by the make_*.py scripts; do not edit by hand.
#
# input     shape of the graph input; "N" is a dynamic batch axis
# range     values the input takes; [0, 1] where not given
# output    "logits" or "softmax"
# expect    "ok", or "not-inference": the file is a training-mode export whose
#           result in a runtime is not the network's inference result;
#           "unbound-inputs": constants of the network became graph inputs
"""


def _toml(value):
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_index(script, entries):
    old = []
    if INDEX.exists():
        old = tomllib.loads(INDEX.read_text()).get("model", [])
    kept = [e for e in old if e["script"] != script]
    new = [dict(e, script=script) for e in entries]
    lines = [HEADER]
    for e in sorted(kept + new, key=lambda e: e["file"]):
        lines.append("[[model]]")
        lines.extend(f"{key} = {_toml(e[key])}" for key in KEYS if key in e)
        lines.append("")
    INDEX.write_text("\n".join(lines))


def check_same(path, x, want):
    """The file in onnxruntime against the framework that wrote it."""
    import onnxruntime as ort

    sess = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = sess.run(None, {sess.get_inputs()[0].name: x})
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=2e-4, err_msg=path.name)

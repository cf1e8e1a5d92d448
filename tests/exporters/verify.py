"""Check every file of index.toml: onnx.checker, a run in onnxruntime, a table.

    VENV/bin/python verify.py [--nodes]     (needs onnx and onnxruntime)

--nodes lists every node with its attributes and constant inputs as well.
"""

import collections
import sys
import tomllib

import numpy as np
import onnx
import onnxruntime as ort
from _common import HERE, INDEX
from onnx import helper, numpy_helper

entries = tomllib.loads(INDEX.read_text())["model"]
listed = {e["file"] for e in entries}
present = {p.name for p in HERE.glob("*.onnx")}
assert listed == present, listed ^ present
ort.set_default_logger_severity(3)


def dims(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def short(a):
    return f"{a.dtype}{list(a.shape)}" + (f"={a.ravel().tolist()}" if a.size <= 4 else "")


for e in entries:
    path = HERE / e["file"]
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(t.external_data for t in model.graph.initializer)
    opsets = {o.domain or "ai.onnx": o.version for o in model.opset_import}
    assert opsets["ai.onnx"] == e["opset"], opsets
    opts = ort.SessionOptions()
    opts.intra_op_num_threads = 1
    sess = ort.InferenceSession(str(path), opts, providers=["CPUExecutionProvider"])
    inp, *extra = sess.get_inputs()
    assert bool(extra) == (e["expect"] == "unbound-inputs"), [i.name for i in extra]
    feed = {i.name: np.ones(i.shape, np.float32) for i in extra}
    assert len(inp.shape) == 4, inp.shape
    shape = [4 if d == "N" else d for d in e["input"]]
    lo, hi = e.get("range", [0.0, 1.0])
    runs = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        # noise over a plain colour: noise alone makes every picture look alike
        colour = rng.uniform(0, 1, [1, 1, 1, 3] if e["layout"] == "NHWC" else [1, 3, 1, 1])
        x = lo + (hi - lo) * (0.6 * colour + 0.4 * rng.uniform(0, 1, shape))
        (y,) = sess.run(None, feed | {inp.name: x.astype(np.float32)})
        runs.append(y)
    y = np.stack(runs)
    assert y.shape[-1] == e["classes"] and y[0].ndim == 2 and np.isfinite(y).all(), y.shape
    if e["output"] == "softmax":
        assert np.allclose(y.sum(-1), 1, atol=1e-5)
    ops = collections.Counter((n.domain + "::" if n.domain else "") + n.op_type for n in model.graph.node)
    print(
        f"{e['file']} | {path.stat().st_size} | {e['opset']} | " + ", ".join(f"{k} {v}" for k, v in sorted(ops.items()))
    )
    if "--nodes" in sys.argv:
        print(
            "   ",
            f"ir {model.ir_version}, {model.producer_name} {model.producer_version}, {opsets},",
            [(v.name, dims(v)) for v in model.graph.input][:3],
            len(model.graph.input),
            [(v.name, dims(v)) for v in model.graph.output],
            "functions",
            len(model.functions),
            f"spread between inputs {y.std(0).max():.3g}, range {y.min():.3g}..{y.max():.3g}",
        )
        const = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        for n in model.graph.node:
            for a in n.attribute:
                if n.op_type == "Constant" and a.name == "value":
                    const[n.output[0]] = numpy_helper.to_array(a.t)
            at = {
                a.name: short(numpy_helper.to_array(a.t)) if a.type == a.TENSOR else helper.get_attribute_value(a)
                for a in n.attribute
            }
            ins = [short(const[i]) + "'" + i[-30:] if i in const else i[-40:] for i in n.input]
            print("     ", n.op_type, at, ins, "->", [o[-40:] for o in n.output])

"""Another runtime in a process of its own, told over pipes what to do. Run as a script, by any Python from 3.9 on.

It imports numpy and the one runtime asked for, nothing of Linnet's: so it also runs in an environment that has neither
Linnet nor what Linnet needs. Lines of JSON on stdin, one answer each on stdout:

    {"kind", "model", "threads", "pixels", "mean", "std", "channels_first"}  ->  {"version", "top1"}
    {"runs", "settle"}  ->  {"seconds": [...], "preempted", "cpu_seconds", "process_seconds"}

or {"error": "one line", "runtime": whether it is the runtime that does not work, rather than the file with this input},
after which the process ends. It ends too when stdin does.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

IDLE_LIMIT = 0.25
IDLE_STEP = 0.002


def open_onnxruntime(task: dict[str, Any]) -> tuple[Callable[[], Any], str]:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task["threads"]
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(task["model"], options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    real = (np.load(task["pixels"]) - np.array(task["mean"])) / np.array(task["std"])
    real = real.transpose(2, 0, 1) if task["channels_first"] else real
    kind = {"tensor(double)": np.float64, "tensor(float16)": np.float16}.get(source.type, np.float32)
    feed = {source.name: np.ascontiguousarray(real[None], kind)}
    outputs = [session.get_outputs()[0].name]
    return lambda: session.run(outputs, feed)[0], onnxruntime.__version__


def open_tflite(task: dict[str, Any], module: Any, version: str) -> tuple[Callable[[], Any], str]:
    import numpy as np

    interpreter = module.Interpreter(model_path=task["model"], num_threads=task["threads"])
    interpreter.allocate_tensors()
    source, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    real = (np.load(task["pixels"]) - np.array(task["mean"])) / np.array(task["std"])
    if np.issubdtype(source["dtype"], np.integer):
        scale, zero = source["quantization"]
        limits = np.iinfo(source["dtype"])
        real = np.clip(np.rint(real / scale) + zero, limits.min, limits.max)
    feed = np.ascontiguousarray(real[None].astype(source["dtype"]))

    def run() -> Any:
        interpreter.set_tensor(source["index"], feed)
        interpreter.invoke()
        return interpreter.get_tensor(answer["index"])

    return run, version


def open_litert(task: dict[str, Any]) -> tuple[Callable[[], Any], str]:
    from importlib.metadata import version

    from ai_edge_litert import interpreter

    return open_tflite(task, interpreter, version("ai-edge-litert"))


def open_tflite_runtime(task: dict[str, Any]) -> tuple[Callable[[], Any], str]:
    import tflite_runtime
    from tflite_runtime import interpreter

    return open_tflite(task, interpreter, tflite_runtime.__version__)


OPENERS = {"onnxruntime": open_onnxruntime, "litert": open_litert, "tflite-runtime": open_tflite_runtime}


def measure(run: Callable[[], Any], task: dict[str, int], spent: float) -> dict[str, Any]:
    for _ in range(task["settle"]):
        run()
    before, worked = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw, time.process_time()
    seconds = []
    for _ in range(task["runs"]):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    preempted = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before
    worked = time.process_time() - worked
    wait_until_idle()  # threads that still spin would slow down whoever runs next
    return {
        "seconds": seconds,
        "preempted": preempted,
        "cpu_seconds": worked,
        "process_seconds": time.process_time() - spent,
    }


def wait_until_idle() -> None:
    end = time.perf_counter() + IDLE_LIMIT
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(IDLE_STEP)
        if time.process_time() - before < IDLE_STEP / 10:
            return


def main() -> None:
    # what libraries print must not get between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    run: Callable[[], Any] | None = None
    spent = 0.0
    try:
        for line in sys.stdin:
            task = json.loads(line)
            if run is None:
                opened, version = OPENERS[task["kind"]](task)
                run = opened
                answer({"version": version, "top1": int(run().ravel().argmax())})
            else:
                answer(measure(run, task, spent))
            spent = time.process_time()
    except Exception as error:  # whatever a runtime raises is its answer
        text = " ".join(str(error).split())
        answer({"error": f"{type(error).__name__}: {text}"[:300], "runtime": run is None})


if __name__ == "__main__":
    main()

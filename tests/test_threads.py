"""Threads: the same bytes with any number, and none that outlives its model or is missed after a fork."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import digits
import numpy as np
import pytest
import random_networks

import linnet
from linnet import _native, _threads, kernel_families
from linnet.errors import LinnetError
from linnet.format_gen import InputKind, OpKind
from linnet_converter import lnt_file, oracle, planner
from linnet_converter.plan import Plan
from linnet_converter.qgraph import QGraph, macs

ROOT = Path(__file__).resolve().parent.parent
COUNTS = (1, 2, 3, 4, 5)


Hook = Callable[[_threads.Threads, Any], None]


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Hook], None]:
    """Returns a function that has every model's hooks changed by one more before a run."""

    def change(more: Hook) -> None:
        hook = _threads.Threads.hook

        def changed(threads: _threads.Threads, hooks: Any) -> None:
            hook(threads, hooks)
            more(threads, hooks)

        monkeypatch.setattr(_threads.Threads, "hook", changed)

    return change


@pytest.fixture
def cut_all(hooked: Callable[[Hook], None]) -> None:
    """Have every step cut, however small."""

    def change(_threads: _threads.Threads, hooks: Any) -> None:
        hooks.least_work = 0

    hooked(change)


def assert_equal(graph: QGraph, plan: Plan, seed: int) -> None:
    """Every tensor of a run in each number of threads and with each family equals the oracle's."""
    picture = random_networks.picture(graph, seed)
    expected = oracle.run(graph, picture)
    data = lnt_file.write(graph, [plan])
    for kernels in kernel_families():
        for count in COUNTS:
            model = linnet.load(data, kernels=kernels, threads=count)
            assert model.threads == count
            model.run_quantized(np.flip(picture))  # what is not computed is then not there from before either
            for op, computed in zip(graph.ops, model.trace(picture), strict=True):
                message = f"seed {seed}, {kernels}, {count} threads, {op.kind.name} {op.name}"
                np.testing.assert_array_equal(computed.values, expected[op.output], message)


@pytest.mark.usefixtures("cut_all")
@pytest.mark.parametrize("kind", random_networks.SINGLE_KINDS, ids=lambda kind: kind.name)
def test_operator(kind: OpKind) -> None:
    for seed in range(12):
        graph = random_networks.single(seed, kind)
        assert_equal(graph, planner.plan_layer_by_layer(graph), seed)


@pytest.mark.usefixtures("cut_all")
@pytest.mark.parametrize("kind", [OpKind.conv, OpKind.depthwise, OpKind.pointwise], ids=lambda kind: kind.name)
def test_operator_of_one_row(kind: OpKind) -> None:
    """There is nothing but columns to cut."""
    build = random_networks.Builder(np.random.default_rng(0))
    x = build.source((1, 11, 5))
    if kind == OpKind.pointwise:
        build.pointwise(x, 3)
    else:
        build.conv(x, 3, (3, 3), (1, 1), kind == OpKind.depthwise)
    graph = build.graph(InputKind.tensor)
    assert_equal(graph, planner.plan_layer_by_layer(graph), 0)


@pytest.mark.usefixtures("cut_all")
@pytest.mark.parametrize("seed", range(8))
def test_network_under_every_plan(seed: int) -> None:
    graph = random_networks.network(seed)
    plans = [planner.plan_layer_by_layer(graph)]
    for push_rows in (False, True):
        plans += [planner.plan(graph, push_rows=push_rows, strip_height=n, strips=False) for n in (1, 5)]
        plans.append(planner.Planner(graph, push_rows=push_rows).smallest())
    for plan in plans:
        assert_equal(graph, plan, seed)


@pytest.fixture
def tasks(hooked: Callable[[Hook], None]) -> list[int]:
    """How many tasks each step is cut into, steps that stay whole left out."""
    counts: list[int] = []

    def count(_context: Any, task: Any, arg: Any, number: int) -> None:
        counts.append(number)
        for i in range(number):
            task(arg, i)

    callback = _native.ffi.callback("void(void *, void (*)(void *, uint32_t), void *, uint32_t)", count)

    def change(_threads: _threads.Threads, hooks: Any) -> None:
        hooks.parallel_for = callback

    hooked(change)
    return counts


def test_steps_are_cut_for_all_threads(hooked: Callable[[Hook], None], tasks: list[int]) -> None:
    """As many tasks as threads; none where steps are too small."""

    def change(_threads: _threads.Threads, hooks: Any) -> None:
        hooks.least_work = 200_000

    hooked(change)
    graph = random_networks.network(3)
    data = lnt_file.write(graph, [planner.plan_layer_by_layer(graph)])
    linnet.load(data, threads=3).run_quantized(random_networks.picture(graph, 3))
    assert tasks == []
    model = linnet.load(digits.lnt("--ram", "1M"), threads=3)
    model.run(digits.PICTURE)
    assert tasks.count(3) > 10
    assert set(tasks) <= {2, 3}  # two where a kernel has no third part to give: 2x2 pixels of few channels


@pytest.mark.parametrize("kind", [OpKind.conv, OpKind.depthwise, OpKind.pointwise, OpKind.fully_connected])
def test_steps_of_enough_work_are_cut(kind: OpKind, hooked: Callable[[Hook], None], tasks: list[int]) -> None:
    """Work is multiply-accumulates, and 64 for each output."""
    build = random_networks.Builder(np.random.default_rng(0))
    x = build.source((1, 1, 24) if kind == OpKind.fully_connected else (9, 7, 24))
    if kind in (OpKind.conv, OpKind.depthwise):
        build.conv(x, 10, (3, 3), (1, 1), kind == OpKind.depthwise)
    elif kind == OpKind.pointwise:
        build.pointwise(x, 10)
    else:
        build.dense(x, 10)
    graph = build.graph(InputKind.tensor)
    op = graph.ops[-1]
    assert op.kind == kind
    work = macs(graph, op) + 64 * int(np.prod(graph.tensors[op.output].shape))
    least = work

    def change(_threads: _threads.Threads, hooks: Any) -> None:
        hooks.least_work = least

    hooked(change)
    data = lnt_file.write(graph, [planner.plan_layer_by_layer(graph)])
    for expected in ([2], []):
        tasks.clear()
        linnet.load(data, kernels="ref", threads=2).run_quantized(random_networks.picture(graph, 0))
        assert tasks == expected
        least += 1


def test_a_real_network() -> None:
    """With the steps cut that are worth it, again and again: the workers stay, awake and asleep."""
    data = digits.lnt()
    pictures = np.random.default_rng(0).integers(0, 256, (20, *linnet.load(data).input_details.shape), np.uint8)
    models = [linnet.load(data, threads=count) for count in COUNTS]
    for picture in pictures:
        answers = [model.run_quantized(picture) for model in models]
        assert all(np.array_equal(answer, answers[0]) for answer in answers)
        time.sleep(0.001)


# ---------------------------------------------------------------------------------------------- coming and going


def threads_now() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.fixture
def idle() -> Iterator[int]:
    """How many threads there are without models."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list a process's threads in /proc")
    gc.collect()
    yield threads_now()
    gc.collect()


def test_workers_live_as_long_as_the_model(idle: int) -> None:
    for _ in range(5):
        model = linnet.load(digits.lnt(), threads=3)
        assert threads_now() == idle + 2
        other = linnet.load(digits.lnt(), threads=2)
        assert threads_now() == idle + 3
        del model
        assert threads_now() == idle + 1
        del other
        assert threads_now() == idle


def test_one_thread_is_the_callers(idle: int) -> None:
    model = linnet.load(digits.lnt())
    assert model.threads == 1
    assert threads_now() == idle


def test_a_model_that_cannot_be_made_leaves_none(idle: int) -> None:
    with pytest.raises(LinnetError, match="no such kernel family"):
        linnet.load(digits.lnt(), kernels="nonsense", threads=4)
    gc.collect()
    assert threads_now() == idle


def test_an_idle_model_costs_nothing() -> None:
    model = linnet.load(digits.lnt(), threads=4)
    model.run(np.zeros(model.input_details.shape, np.uint8))
    time.sleep(0.05)  # until the workers sleep
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.02


def _run_in_child(model: linnet.Model, picture: np.ndarray[Any, Any], answers: Any) -> None:
    answers.put(model.run_quantized(picture))


def test_a_forked_child_runs_alone_and_its_parent_goes_on() -> None:
    model = linnet.load(digits.lnt(), threads=3)
    picture = np.random.default_rng(1).integers(0, 256, model.input_details.shape, np.uint8)
    expected = model.run_quantized(picture)
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        answers = context.SimpleQueue()
        child = context.Process(target=_run_in_child, args=(model, picture, answers))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        np.testing.assert_array_equal(answers.get(), expected)
        np.testing.assert_array_equal(model.run_quantized(picture), expected)


def test_an_interpreter_ends_with_models_alive(tmp_path: Path) -> None:
    path = tmp_path / "digits.lnt"
    path.write_bytes(digits.lnt())
    code = "import linnet, sys; m = linnet.load(sys.argv[1], threads=4); m.run(sys.argv[2])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(digits.PICTURE)],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_signals_reach_the_main_thread() -> None:
    model = linnet.load(digits.lnt(), threads=3)
    taken: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: taken.append(number))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert taken == [signal.SIGUSR1]
    assert model.threads == 3


@pytest.mark.parametrize("count", [0, -1, 257])
def test_counts_that_are_refused(count: int) -> None:
    with pytest.raises(LinnetError, match="give a number from 1 to 256"):
        linnet.load(digits.lnt(), threads=count)


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_workers_in_c(sanitizer: str, cc: list[str], tmp_path: Path) -> None:
    """tests/c/threads.c: tasks of every number, workers awake and asleep, restarts, forks."""
    program = tmp_path / "threads"
    sources = [ROOT / "tests/c/threads.c", ROOT / "kernels_c/host/threads.c"]
    flags = ["-std=c11", "-g", "-O1", "-pthread", f"-fsanitize={sanitizer}", f"-I{ROOT / 'kernels_c/include'}"]
    built = subprocess.run([*cc, *flags, *sources, "-o", program], check=False, capture_output=True, text=True)
    if built.returncode != 0 and "sanitizer" in built.stderr:
        pytest.skip(f"this compiler has no -fsanitize={sanitizer}")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program, "15"], check=False, capture_output=True, text=True, timeout=40)
    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr

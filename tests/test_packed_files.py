"""Files whose constants are packed when they are made, and plans that hold scratch: with a family made up for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import compiled
import linnet_clib
import numpy as np
import pytest
import random_networks
import small_networks

import linnet
from linnet import _native
from linnet.errors import LinnetError
from linnet.format_gen import Family
from linnet.model import Model
from linnet_converter import host_kernels, lnt_file, oracle, planner, scratch
from linnet_converter.host_kernels import HostKernels
from linnet_converter.plan import Plan
from linnet_converter.planner import Planner
from linnet_converter.qgraph import QGraph

SOURCES = [path for path in linnet_clib.sources() if path.name != "families.c"]
MADE_UP = Path(__file__).parent / "c/family/made_up.c"
FUZZ = Path(__file__).parent / "c/fuzz_damage.c"


@pytest.fixture(scope="module")
def made_up(cc: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library with the made-up family as `dsp`."""
    flags = ["-std=c11", "-O1", "-fPIC", "-pthread", "-fvisibility=hidden"]
    files = [*SOURCES, *linnet_clib.host_sources(), MADE_UP]
    return compiled.link(cc, flags, files, tmp_path_factory.mktemp("library") / "lib.so", ["-shared"])


@pytest.fixture
def _with_family(made_up: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_native, "LIBRARY", made_up)
    _native.library.cache_clear()
    yield
    _native.library.cache_clear()


def answers(graph: QGraph, plan: Plan, kernels: HostKernels) -> None:
    """The packed file gives the oracle's bytes, operator by operator."""
    data = lnt_file.write(graph, [plan], kernels)
    raw = np.frombuffer(data, np.uint8)
    memory = _native.aligned(raw.size)
    memory[:] = raw
    model = Model(memory, "packed")
    assert model.kernels == "dsp"
    picture = random_networks.picture(graph, 3)
    values = oracle.run(graph, picture)
    for op, traced in zip(graph.ops, model.trace(picture), strict=True):
        np.testing.assert_array_equal(traced.values, values[op.output].reshape(traced.values.shape), op.name)


def plans(graph: QGraph, kernels: HostKernels) -> Iterator[Plan]:
    yield planner.plan_layer_by_layer(graph, kernels)
    for push in (False, True):
        fused = Planner(graph, push_rows=push, kernels=kernels)
        yield fused.smallest()
        yield fused.smallest(recompute=True)
        yield planner.plan(graph, push_rows=push, strip_height=3, strips=False, kernels=kernels)


@pytest.mark.usefixtures("_with_family")
@pytest.mark.parametrize("seed", [None, 2, 5, 12, 21])
def test_same_bytes_with_scratch(seed: int | None) -> None:
    graph = small_networks.classifier(softmax=True) if seed is None else random_networks.network(seed)
    kernels = HostKernels(graph, Family.dsp)
    for plan in plans(graph, kernels):
        assert plan.family == Family.dsp
        assert any(step.scratch for step in plan.steps)
        answers(graph, plan, kernels)


@pytest.mark.usefixtures("_with_family")
def test_scratch_is_what_the_checker_asks_for() -> None:
    """A byte less anywhere is refused: moving an operator's scratch to the arena's end leaves too little room."""
    graph = small_networks.classifier()
    kernels = HostKernels(graph, Family.dsp)
    plan = Planner(graph, kernels=kernels).smallest()
    strips = planner.strips_in(graph, plan)
    assert strips
    for index, step in enumerate(plan.steps):
        needed = scratch.step_scratch(graph, kernels, step, strips)
        assert bool(needed) == kernels.names[step.op].startswith("made_up") or strips
        if not needed:
            assert step.scratch == 0
            continue
        room = plan.arena_bytes + needed + 32  # behind everything
        at = -(-plan.arena_bytes // 16) * 16
        moved = replace(plan, steps=(*plan.steps[:index], replace(step, scratch=at), *plan.steps[index + 1 :]))
        for arena, fits in ((at + needed, True), (at + needed - 1, False)):
            assert arena <= room
            data = lnt_file.write(graph, [replace(moved, arena_bytes=arena)], kernels)
            if fits:
                linnet.load(data)
            else:
                with pytest.raises(LinnetError):
                    linnet.load(data)


@pytest.mark.usefixtures("_with_family")
def test_a_packed_file_is_the_end() -> None:
    graph = small_networks.classifier()
    kernels = host_kernels.best(graph, [Family.mve, Family.dsp])
    assert kernels.family == Family.dsp
    data = lnt_file.write(graph, [planner.plan(graph, kernels=kernels)], kernels)
    with pytest.raises(LinnetError, match="packed for dsp: give the file it was made from"):
        lnt_file.read(data)
    assert linnet.load(data).kernels == "dsp"


def test_without_the_family() -> None:
    graph = small_networks.classifier()
    assert host_kernels.best(graph, []).family == Family.ref
    assert HostKernels(graph, Family.ref).constants(3) == b""


@pytest.mark.usefixtures("_with_family")
def test_no_damage_to_a_packed_file_does_harm(cc: list[str], tmp_path: Path) -> None:
    """As test_damage.py, with packed constants and scratch: what opens also runs, in kernels that use both."""
    # this family packs biases too, which nobody checks there
    flags = [*compiled.sanitized(cc, tmp_path), "-fno-sanitize=signed-integer-overflow"]
    fuzz = compiled.link(cc, flags, [FUZZ, MADE_UP, *SOURCES], tmp_path / "fuzz")
    graph = small_networks.classifier(softmax=True)
    kernels = HostKernels(graph, Family.dsp)
    made = [Planner(graph, kernels=kernels).smallest(), planner.plan_layer_by_layer(graph, kernels)]
    model = tmp_path / "model.lnt"
    model.write_bytes(lnt_file.write(graph, made, kernels))
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
    command: list[str | Path] = [fuzz, model, "17", "3000"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    taken = [int(line.split(" accepted")[0].split()[-1]) for line in done.stdout.splitlines()]
    assert len(taken) == 5 and taken[:3] == [0, 0, 0] and min(taken[3:]) > 100

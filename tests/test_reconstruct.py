"""What `--quality best` learns: the twin in torch is the integer network, and only what is better is kept."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import converted
import digits
import hard_networks
import numpy as np
import pytest

import linnet
from linnet import cli
from linnet_converter import arch, conversion, lnt_file, planner, quantize, recipe, side_by_side, validation
from linnet_converter.graph import FloatArray, Graph
from linnet_converter.held_out import HeldOut, fed
from linnet_converter.qgraph import QGraph

torch = pytest.importorskip("torch", reason="torch is optional: pip install 'linnet[best]'")

from linnet_converter import reconstruct, twin  # noqa: E402 - they import torch

NAMES = sorted(hard_networks.NETWORKS)


QUICK = recipe.Recipe(rounding="nearest", correct_bias=False)


def stages_of(graph: Graph) -> list[recipe.Stage]:
    shown = list(converted.pictures(graph, 8))
    return list(recipe.stages(graph, shown, converted.preprocessing(graph), QUICK))


def integer_logits(quantized: QGraph, pictures: converted.Pictures) -> FloatArray:
    model = validation.IntegerLogits(linnet.load(lnt_file.write(quantized, [planner.plan(quantized)])))
    return np.stack([model.logits(picture) for picture in pictures])


def twin_logits(made: twin.Twin, pictures: converted.Pictures) -> FloatArray:
    with torch.no_grad():
        ends = made.forward(torch.from_numpy(fed(list(pictures))), apart=False)
    last: FloatArray = ends[made.ends[-1]].numpy().astype(np.float64)
    return last.reshape(len(pictures), -1)


def noise_db(wanted: FloatArray, got: FloatArray) -> float:
    wanted_energy = float(np.square(wanted - wanted.mean()).sum())
    return 10 * float(np.log10(wanted_energy / max(float(np.square(wanted - got).sum()), 1e-30)))


@pytest.mark.parametrize("name", NAMES)
def test_the_twin_is_the_integer_network(name: str) -> None:
    """At the start, and with every parameter moved: what torch computes is what the quantizer then makes."""
    graph = converted.read(hard_networks.NETWORKS[name]())
    pictures = converted.pictures(graph, 8, seed=1)
    stage = stages_of(graph)[-1]
    made = twin.Twin(stage, converted.preprocessing(graph), 0.01)
    start = made.quantized
    for before, after in zip(start.ops, again(made, graph).ops, strict=True):
        for field in ("weights", "bias", "multiplier"):
            old, new = getattr(before, field), getattr(after, field)
            if old is not None:
                # float32 has touched scales: the last bits of 30 may differ
                room = 0 if field == "weights" else 1 + np.abs(old.astype(np.int64)) // 2**22
                assert (np.abs(old.astype(np.int64) - new) <= room).all()
    wanted, got = integer_logits(start, pictures), twin_logits(made, pictures)
    assert noise_db(wanted, got) > 30
    move(made)
    remade = again(made, graph)
    for op, after in zip(made.quantized.ops, remade.ops, strict=True):
        if op.name in made.layers and op.weights is not None:
            full = made.layers[op.name].scalable.numpy() > 0
            wanted_weights = made._integers(op).weights[full]
            np.testing.assert_array_equal(side_by_side.integers(remade, after).weights[full], wanted_weights)
    moved = integer_logits(remade, pictures)
    assert noise_db(moved, twin_logits(made, pictures)) > 25
    if name != "all_zero_network":  # there is nothing in it that could move
        assert noise_db(moved, got) < 20


def again(made: twin.Twin, graph: Graph) -> QGraph:
    stage = made.stage()
    return quantize.quantize(stage.graph, stage.ranges, converted.preprocessing(graph))


def move(made: twin.Twin) -> None:
    """Change everything that may be learned by enough to be seen."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        kinds = made.parameters()
        scalable = {id(layer.gain): layer.scalable for layer in made.layers.values()}
        for gain, bias in zip(kinds["gain"], kinds["bias"], strict=True):
            gain.add_(0.2 * torch.randn(gain.shape, generator=random) * scalable[id(gain)])
            bias.add_(8 * torch.randn(bias.shape, generator=random) * scalable[id(gain)])
        for scale in kinds["scale"]:
            scale.add_(0.1)
        for zero in kinds["zero"]:
            zero.add_(5)


def test_gradients_of_scale_and_zero_point() -> None:
    """Against the formula written out with a rounding that passes gradients on."""
    random = np.random.default_rng(0)
    x = torch.tensor(random.normal(0, 40, (2, 5, 10, 5)), requires_grad=True)
    scale, zero = (torch.tensor(value, requires_grad=True, dtype=torch.float64) for value in (0.3, -20.0))
    towards = torch.tensor(random.normal(size=x.shape))
    (twin._Quantize.apply(x, scale, zero, -128.0, 100.0) * towards).sum().backward()
    found = [each.grad.clone() for each in (x, scale, zero)]
    for each in (x, scale, zero):
        each.grad = None
    steps = x / scale + zero
    stored = steps + (torch.round(steps) - steps).detach()
    # torch.clamp's gradient at its very bounds is torch's own business
    low, high = (torch.full_like(stored, end) for end in (-128.0, 100.0))
    clamped = torch.where(stored > 100.5, high, torch.where(stored < -128.5, low, stored))
    ((clamped - zero) * scale * towards).sum().backward()
    for mine, wanted in zip(found, (x.grad, scale.grad, zero.grad), strict=True):
        torch.testing.assert_close(mine, wanted)
    assert 0 < int((found[0] == 0).sum()) < 400


def test_blocks_end_where_one_tensor_carries_everything() -> None:
    for make, count in ((arch.mobilenet_v1, 14), (arch.mobilenet_v2, 18)):
        quantized = quantize.shapes_only(converted.read(make(0.35, 32, 5, seed=1)))
        ends = twin.blocks(quantized)
        assert len(ends) == count
        assert ends[-1] == quantized.tensors[quantized.logits].name
    residual = quantize.shapes_only(converted.read(hard_networks.wide_channel_ranges()))
    tensors = [tensor.name for tensor in residual.tensors]
    for end in twin.blocks(residual):
        where = residual.writer_index(tensors.index(end))
        assert all(residual.writer_index(i) >= where for op in residual.ops[where + 1 :] for i in op.inputs)


def test_gradients_stay_in_their_block() -> None:
    graph = converted.read(arch.mobilenet_v2(0.35, 32, 5, seed=1))
    made = twin.Twin(stages_of(graph)[-1], converted.preprocessing(graph), 0.01)
    x = torch.from_numpy(fed(list(converted.pictures(graph, 2))))
    first = next(iter(made.layers.values()))
    for apart in (True, False):
        made.forward(x, apart=apart)[made.ends[-1]].square().sum().backward()
        assert (first.bias.grad is None) == apart


def learn(graph: Graph, seconds: float, said: list[str] | None = None, count: int = 24) -> reconstruct.Learned:
    return reconstruct.reconstruct(
        graph,
        list(converted.pictures(graph, count)),
        converted.preprocessing(graph),
        QUICK,
        planner.plan(quantize.shapes_only(graph)),
        seconds,
        recipe.untracked,
        (said if said is not None else []).append,
    )


def unseen_error(graph: Graph, stage: recipe.Stage) -> float:
    quantized = quantize.quantize(stage.graph, stage.ranges, converted.preprocessing(graph))
    others = list(converted.pictures(graph, 24, seed=9))
    return HeldOut(graph, quantized, planner.plan(quantized), others).error(quantized)


def test_learning_lowers_the_error_on_other_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = converted.read(hard_networks.cancelling_sums())
    monkeypatch.setattr(reconstruct, "STEPS", 40)
    shown: list[int] = []
    begin = recipe.stages

    def stages(float_graph: Graph, given: list[Any], *more: Any) -> Any:
        shown.append(len(given))
        return begin(float_graph, given, *more)

    monkeypatch.setattr(recipe, "stages", stages)
    found = learn(graph, 600)
    assert shown == [18, 24]  # tried without those that are held back, then with all
    assert found.steps == 40
    assert found.after_db > found.before_db + 1
    assert [stage.name for stage in found.stages] == ["equalization", "reconstruction"]
    assert unseen_error(graph, found.stages[-1]) < 0.8 * unseen_error(graph, found.stages[0])


def test_what_is_not_better_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps so large that everything is lost; hardly any steps, as when time is short; hardly any pictures."""
    graph = converted.read(hard_networks.cancelling_sums())
    short, few = learn(graph, 1e-3), learn(graph, 600, count=7)
    assert (short.steps, few.steps) == (1, 0)
    monkeypatch.setattr(reconstruct, "_RATES", dict.fromkeys(reconstruct._RATES, 1.0))
    monkeypatch.setattr(reconstruct, "STEPS", 20)
    worse = learn(graph, 600)
    for found in (short, few, worse):
        assert found.stages == ()
    assert worse.after_db < worse.before_db - 1
    assert np.isnan([few.before_db, few.after_db]).all()


def test_what_is_better_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = converted.read(hard_networks.cancelling_sums())
    monkeypatch.setattr(reconstruct, "STEPS", 40)
    said: list[str] = []
    search = conversion.Search(600, said.append)
    made = conversion.convert(
        graph, list(converted.pictures(graph, 24)), converted.preprocessing(graph), steps=QUICK, search=search
    )
    assert made.held_back and made.held_back.taken
    assert made.stages[-1].name == "reconstruction"
    assert unseen_error(graph, made.stages[-1]) < 0.8 * unseen_error(graph, made.stages[0])


def test_nothing_but_zeros_can_be_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstruct, "STEPS", 4)
    found = learn(converted.read(hard_networks.all_zero_network()), 600)
    assert found.steps == 4
    assert found.stages == ()


def test_learning_keeps_to_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule ends with the time, and its end is measured; it says beforehand how long it takes."""
    graph = converted.read(hard_networks.cancelling_sums())
    said: list[str] = []
    learn(graph, 1e-3)  # what is slow only once
    monkeypatch.setattr(reconstruct, "STEPS", 100_000)
    began = time.monotonic()
    found = learn(graph, 8.0, said)
    assert time.monotonic() - began < 8.0 + 4.0
    assert 1 < found.steps < 100_000
    assert found.steps < reconstruct._WARM_UP or "learning takes about 0.1 of at most 0.1 minutes" in said


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what held-back pictures say; without torch, what is missing; and refuses times that are none."""
    monkeypatch.setattr(reconstruct, "STEPS", 2)
    convert = ["convert", *digits.OPTIONS, "-o", str(tmp_path / "d.lnt"), "--limit", "12", "--quality", "best"]
    convert += ["--rounding", "nearest", "--no-correct-bias"]
    assert cli.main([*convert, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["held_back_db"]
    assert told["steps"] == 2
    assert told["before"] > 0
    assert told["taken"] <= (told["after"] > told["before"])
    monkeypatch.setattr(conversion, "learns", lambda: False)
    assert cli.main([*convert, "--time", "0.001"]) == 0
    shown = capsys.readouterr()
    assert "linnet[best]" in shown.err
    assert "too little time or too few pictures: the default is kept" in shown.out
    assert cli.main([*convert, "--time", "0"]) != 0

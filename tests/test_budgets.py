"""Boards' memory and plans: `linnet convert`, `plan` and `build` agree, and know how fast memory is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import digits
import no_compiler
import pytest
import small_networks

from linnet import cli
from linnet.errors import LinnetError
from linnet.format_gen import Family
from linnet_boards import Board, board, budgets, building, names
from linnet_converter import budget, host_kernels, lnt_file
from linnet_converter.plan import Plan
from linnet_converter.planner import Planner
from linnet_converter.qgraph import QGraph
from linnet_converter.weights_read import weight_words

MICROCONTROLLERS = [name for name in names() if board(name).cortex_m]


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("stm32f746-disco", []),
        ("nucleo-h743zi", ["--input", "whole"]),
        ("raspberry-pi-pico", ["--ram", "24K", "--input", "whole"]),
        ("mps3-an547", ["--ram", "20K"]),
    ],
)
def test_one_plan(
    name: str,
    limits: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of `linnet convert --board` and of `linnet build --board`: the same rows in the same places at the same time."""
    model = tmp_path / "m.lnt"
    model.write_bytes(digits.lnt("--quality", "fast", "--board", name, *limits))
    _, (plan,) = lnt_file.read(model.read_bytes())
    built: list[Plan] = []
    write = lnt_file.write

    def writing(graph: QGraph, plans: Sequence[Plan], packed: lnt_file.Packed | None = None) -> bytes:
        built.extend(plans)
        return write(graph, plans, packed)

    monkeypatch.setattr(lnt_file, "write", writing)
    no_compiler.install(monkeypatch)
    assert cli.main(["build", str(model), "--board", name, "-o", str(tmp_path / "made"), *limits]) == 0
    in_firmware = built[-1]  # the one before was made to ask for the kernels' scratch
    assert budget.portable(in_firmware) == plan
    assert in_firmware.family.name == building.report(tmp_path / "made")["family"]
    capsys.readouterr()
    if not limits:  # once: the curve takes seconds
        assert cli.main(["plan", str(model), "--board", name, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["board"]["arena_bytes"] == plan.arena_bytes and told["board"]["steps"] == len(plan.steps)
        assert told["family"] == in_firmware.family.name
        assert told["input"] == "rows"


def test_plans_of_a_boards_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --board the curve has their scratch in it."""
    graph, model = small_networks.classifier(), tmp_path / "m.lnt"
    model.write_bytes(small_networks.lnt(graph))
    for name, family in (("mps2-an385", Family.ref), ("mps2-an386", Family.dsp), ("mps3-an547", Family.mve)):
        assert cli.main(["plan", str(model), "--board", name, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        curve = Planner(graph, push_rows=True, kernels=host_kernels.HostKernels(graph, family)).curve()
        assert [plan["arena_bytes"] for plan in told["plans"]] == [plan.arena_bytes for plan in curve]
        assert told["family"] == family.name
    assert cli.main(["plan", str(model), "--board", "mps2-an386"]) == 0
    assert "mps2-an386 is given " in capsys.readouterr().out
    assert cli.main(["plan", str(model), "--board", "arduino"]) == 1
    assert "there is no board 'arduino'" in capsys.readouterr().err


@pytest.mark.parametrize("name", MICROCONTROLLERS)
def test_of_a_microcontroller(name: str) -> None:
    machine = board(name)
    target = machine.cortex_m
    assert target
    graph = small_networks.classifier()
    found = budgets.for_board(machine)
    data = target.region(target.data).bytes
    besides = budgets.variables_bytes(graph) + budgets.ALIGNMENT_LOSS
    assert machine.arena_bytes == data == found.ram
    assert found.besides(graph) == besides + (target.stack_bytes if target.stack == target.data else 0)
    assert machine.arena_limit == data - (target.stack_bytes if target.stack == target.data else 0)
    assert budgets.for_board(machine, 2 * data).ram == data
    assert budgets.for_board(machine, 1000, stack=500, flash=7).ram == 1000
    assert budgets.for_board(machine, flash=7).flash == 7
    bigger = budgets.for_board(machine, stack=target.stack_bytes + 512).besides(graph)
    assert bigger - found.besides(graph) == (512 if target.stack == target.data else 0)


def test_of_a_linux_board() -> None:
    machine = board("rpi4")
    assert budgets.for_board(machine) == budget.Budget(machine.arena_limit, None, machine.cache_bytes)
    assert budgets.for_board(machine, 5, flash=6) == budget.Budget(5, 6, machine.cache_bytes)


def with_speeds(machine: Board, data: float, model: float) -> Board:
    """The board, its memory so many cycles a word."""
    target = machine.cortex_m
    assert target and target.data != target.model
    speeds = {target.data: data, target.model: model}
    regions = tuple(replace(r, cycles_per_word=speeds.get(r.name, r.cycles_per_word)) for r in target.regions)
    return replace(machine, l1_bytes=256, cortex_m=replace(target, regions=regions))


def test_plans_know_how_fast_memory_is() -> None:
    """A step reads its weights once: in slow flash they make steps taller, even out of the cache."""
    graph = small_networks.classifier(softmax=True)

    def words(data: float, model: float) -> tuple[int, int]:
        limit = budgets.for_board(with_speeds(board("stm32f746-disco"), data, model))
        plan = budget.choose(graph, limit, push_rows=True)
        return weight_words(graph, plan), max(step.n for step in plan.steps)

    external_rows = words(data=9, model=2)  # SDRAM, and flash on the chip
    all_external = words(data=9, model=24)
    assert all_external[1] > external_rows[1] == 1
    assert 2 * all_external[0] < external_rows[0]
    assert words(data=1, model=2) == words(data=1, model=24) == all_external


def test_kernels_of_a_budget() -> None:
    graph = small_networks.classifier()
    assert budget.Budget(family=Family.mve).kernels(graph).family == Family.mve
    assert budget.NO_BUDGET.kernels(graph).family == Family.ref
    limit = budgets.for_board(board("mps2-an386"), 1000)
    with pytest.raises(LinnetError, match="more than allowed"):
        budget.plans(graph, limit)


def smallest_ram(graph: QGraph, limit: budget.Budget) -> int:
    kernels = limit.kernels(graph)
    return Planner(graph, push_rows=True, kernels=kernels).smallest(recompute=True).arena_bytes + limit.besides(graph)


def test_the_least_ram_of_a_board() -> None:
    """Arena, stack and variables, to the byte."""
    graph, machine = small_networks.classifier(), board("mps2-an386")
    least = smallest_ram(graph, budgets.for_board(machine))
    assert budget.choose(graph, budgets.for_board(machine, least), push_rows=True)
    with pytest.raises(LinnetError, match="1 more than allowed"):
        budget.choose(graph, budgets.for_board(machine, least - 1), push_rows=True)

"""The portable C kernels against the oracle, byte for byte, through a real file and a real plan.

The other families are held to these in test_families.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import random_networks

import linnet
from linnet.format_gen import OpKind
from linnet_converter import lnt_file, oracle, planner
from linnet_converter.plan import Plan
from linnet_converter.qgraph import QGraph

SEEDS = range(150)


def assert_equal(graph: QGraph, plan: Plan, seed: int) -> None:
    """Every tensor of one run in C equals the oracle's."""
    picture = random_networks.picture(graph, seed)
    expected = oracle.run(graph, picture)
    model = linnet.load(lnt_file.write(graph, [plan]), kernels="ref")
    assert model.arena_bytes == plan.arena_bytes
    for op, computed in zip(graph.ops, model.trace(picture), strict=True):
        np.testing.assert_array_equal(computed.values, expected[op.output], f"seed {seed}, {op.kind.name} {op.name}")
    answer = expected[graph.ops[-1].output]
    np.testing.assert_array_equal(model.run_quantized(picture).ravel(), answer.ravel())


@pytest.mark.parametrize("kind", random_networks.SINGLE_KINDS, ids=lambda kind: kind.name)
def test_operator(kind: OpKind) -> None:
    for seed in SEEDS:
        graph = random_networks.single(seed, kind)
        assert_equal(graph, planner.plan(graph), seed)


@pytest.mark.parametrize("seed", range(40))
def test_network_under_every_plan(seed: int) -> None:
    """Fused, pushed, in strips of several rows, layer by layer: all give the oracle's bytes."""
    graph = random_networks.network(seed)
    plans = [planner.plan_layer_by_layer(graph)]
    for push_rows in (False, True):
        plans += [planner.plan(graph, push_rows=push_rows, strip_height=n, strips=False) for n in (1, 2, 5)]
        plans += planner.Planner(graph, push_rows=push_rows).curve()
    for plan in plans:
        assert_equal(graph, plan, seed)


def test_fused_plans_are_smaller() -> None:
    fused, whole = 0, 0
    for seed in range(20):
        graph = random_networks.network(seed)
        fused += planner.plan(graph).arena_bytes
        whole += planner.plan_layer_by_layer(graph).arena_bytes
    assert fused < 0.6 * whole

"""Every kernel family that runs here against the portable kernels, byte for byte: all sorts of networks and plans."""

from __future__ import annotations

import numpy as np
import pytest
import random_networks

import linnet
from linnet.format_gen import OpKind
from linnet_converter import lnt_file, planner
from linnet_converter.plan import Plan
from linnet_converter.qgraph import QGraph

FAMILIES = linnet.kernel_families()


def assert_equal(graph: QGraph, plan: Plan, family: str, seed: int) -> None:
    """Every tensor of one run equals what the portable kernels compute, and those are held to the oracle elsewhere."""
    picture = random_networks.picture(graph, seed)
    data = lnt_file.write(graph, [plan])
    expected = linnet.load(data, kernels="ref").trace(picture)
    for computed, wanted in zip(linnet.load(data, kernels=family).trace(picture), expected, strict=True):
        what = f"seed {seed}, {family}, {wanted.kind.name} {wanted.name}"
        np.testing.assert_array_equal(computed.values, wanted.values, what)


def test_the_portable_family_is_there_and_comes_last() -> None:
    assert FAMILIES[-1] == "ref"
    assert len(set(FAMILIES)) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES[:-1])
@pytest.mark.parametrize("kind", random_networks.SINGLE_KINDS, ids=lambda kind: kind.name)
def test_operator(kind: OpKind, family: str) -> None:
    for seed in range(1000, 1100):
        graph = random_networks.single(seed, kind)
        assert_equal(graph, planner.plan_layer_by_layer(graph), family, seed)


@pytest.mark.parametrize("family", FAMILIES[:-1])
@pytest.mark.parametrize("seed", range(1000, 1015))
def test_network_under_every_plan(seed: int, family: str) -> None:
    """Rings, strips, rows pushed, layer by layer."""
    graph = random_networks.network(seed)
    plans = [planner.plan_layer_by_layer(graph)]
    for push_rows in (False, True):
        plans += [planner.plan(graph, push_rows=push_rows, strip_height=n, strips=False) for n in (1, 2, 5)]
        plans += planner.Planner(graph, push_rows=push_rows).curve()
    for plan in plans:
        assert_equal(graph, plan, family, seed)

"""Every byte of a small model damaged in 14 ways, every length: an error code or any answer, under the sanitizers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import compiled
import pytest
import random_networks
import small_networks
from linnet_clib import ROOT, sources

from linnet.format_gen import InputKind
from linnet_converter.qgraph import QGraph

SOURCES = [ROOT / "tests/c/fuzz_damage.c", *sources()]

TRUNCATED, CRC, FORMAT, TENSOR, OPERATOR, PLACEMENT, STEP = -3, -6, -7, -8, -9, -11, -12


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory, cc: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    return compiled.link(cc, compiled.sanitized(cc, folder), SOURCES, folder / "fuzz_damage")


def one_block() -> QGraph:
    """Small enough that every byte can be damaged."""
    return small_networks.classifier(softmax=True, labels=["a"] * small_networks.CLASSES)


NETWORKS: dict[str, tuple[Callable[[], QGraph], int, int]] = {
    # network, every so many bytes, cases of random damage
    "classifier": (one_block, 1, 20000),
    "tensor": (lambda: small_networks.classifier(kind=InputKind.tensor, channels=4), 13, 5000),
    "add": (lambda: random_networks.network(9), 101, 2000),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("push_rows", [False, True], ids=["whole", "rows"])
def test_no_damage_does_harm(name: str, push_rows: bool, fuzz: Path, tmp_path: Path) -> None:
    make, stride, random_cases = NETWORKS[name]
    stride *= 5 if push_rows else 1
    data = small_networks.lnt(make(), push_rows=push_rows)
    model = tmp_path / "model.lnt"
    model.write_bytes(data)
    # the library has no heap, and the search for leaks needs ptrace
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
    command: list[str | Path] = [fuzz, model, str(stride), str(random_cases)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr

    found = {}
    for kind, cases, accepted, codes in re.findall(
        r"^([a-z, ]+?) +(\d+) cases, (\d+) accepted;(.*)$", done.stdout, re.M
    ):
        counts = {int(code): int(count) for code, count in re.findall(r"(-\d+): (\d+)", codes)}
        found[kind] = (int(cases), int(accepted), counts)
        assert int(cases) == int(accepted) + sum(counts.values())
    assert list(found) == ["cut", "cut, sealed", "damaged", "damaged, sealed", "random, sealed"]

    bytes_taken = len(range(0, len(data), stride))
    assert found["cut"] == (bytes_taken, 0, {TRUNCATED: bytes_taken})
    assert found["cut, sealed"][:2] == (bytes_taken, 0)
    cases, accepted, codes = found["damaged"]
    assert 8 * bytes_taken < cases <= 14 * bytes_taken
    assert accepted == 0
    assert codes[CRC] > 0.9 * cases
    for kind in ("damaged, sealed", "random, sealed"):
        cases, accepted, codes = found[kind]
        # weights and labels may be anything; whatever else is wrong the checker must see
        assert 0.1 * cases < accepted < 0.9 * cases
        assert codes.get(CRC, 0) == 0
        assert {FORMAT, OPERATOR} <= codes.keys()
        if stride == 1:
            assert {TENSOR, PLACEMENT, STEP} <= codes.keys()
    assert found["random, sealed"][0] == random_cases

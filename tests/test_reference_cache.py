"""The file of reference logits: exact, keyed by all that they depend on, and shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linnet_converter import reference_cache
from linnet_converter.reference_cache import ReferenceCache

SOURCE = Path(__file__).parent / "exporters/torch_ts17_relu_dw5.onnx"
OTHER = Path(__file__).parent / "exporters/torch_ts13_norm_softmax.onnx"


def test_cached_logits_are_exact_and_of_one_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    narrow, wide = rng.normal(size=7).astype(np.float32).astype(np.float64), rng.normal(size=7)
    with ReferenceCache(tmp_path / "c") as cache:
        cache.put(b"n", b"1", narrow)
        cache.put(b"n", b"2", wide)
    with ReferenceCache(tmp_path / "c") as cache:
        for picture, expected in ((b"1", narrow), (b"2", wide)):
            found = cache.get(b"n", picture)
            assert found is not None and found.dtype == np.float64
            np.testing.assert_array_equal(found, expected)
        assert cache.get(b"m", b"1") is None
    mean, std = (127.5,) * 3, (127.5,) * 3
    names = {
        reference_cache.identity(SOURCE, mean, std),
        reference_cache.identity(OTHER, mean, std),
        reference_cache.identity(SOURCE, (0.0,) * 3, std),
        reference_cache.identity(SOURCE, mean, (1.0,) * 3),
    }
    assert len(names) == 4
    assert reference_cache.identity(SOURCE, mean, std) in names


def test_two_validations_share_a_cache(tmp_path: Path) -> None:
    """Neither keeps the other waiting while it computes."""
    logits = np.arange(7.0)
    with ReferenceCache(tmp_path / "c") as one, ReferenceCache(tmp_path / "c") as other:
        for cache in (one, other):
            cache._file.execute("PRAGMA busy_timeout = 0")
        for i in range(3):
            one.put(b"n", bytes([i]), logits)
            other.put(b"m", bytes([i]), logits)
        other._write()
        one._write()
        assert one.get(b"m", b"\2") is not None and other.get(b"n", b"\2") is not None


def test_what_a_killed_validation_had_kept_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_cache, "INTERVAL", 0.0)
    cache = ReferenceCache(tmp_path / "c")
    cache.put(b"n", b"1", np.arange(7.0))
    with ReferenceCache(tmp_path / "c") as other:  # the first is not closed
        assert other.get(b"n", b"1") is not None


def test_another_version_of_a_runtime_has_its_own_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference_cache.identity(SOURCE, (0.0,), (1.0,))
    monkeypatch.setattr("linnet_converter.reference_cache.metadata.version", lambda _: "99")
    assert reference_cache.identity(SOURCE, (0.0,), (1.0,)) != before

"""`linnet.load` and Model: inputs, outputs, pushed rows, looking inside, errors."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_networks
from PIL import Image

import linnet
from linnet import _native
from linnet.format_gen import InputKind, OpKind
from linnet_converter import oracle

GRAPH = small_networks.classifier(labels=[f"class {i}" for i in range(small_networks.CLASSES)])
DATA = small_networks.lnt(GRAPH)
SHAPE = (small_networks.HEIGHT, small_networks.WIDTH, 3)
PIXELS = np.random.default_rng(5).integers(0, 256, SHAPE).astype(np.uint8)
EXPECTED = oracle.run(GRAPH, PIXELS)[GRAPH.ops[-1].output].ravel()


@pytest.fixture
def model() -> linnet.Model:
    return linnet.load(DATA)


def test_details(model: linnet.Model) -> None:
    source, answer = model.input_details, model.output_details
    assert (source.shape, source.dtype, source.scale, source.zero_point) == (SHAPE, np.dtype("uint8"), 1.0, 0)
    assert (source.mean, source.std) == ((0.0,) * 3, (1.0,) * 3)
    assert (answer.shape, answer.dtype) == ((1, 1, 10), np.dtype("int32"))
    assert (answer.scale, answer.zero_point) == (GRAPH.output.scale, 0)
    assert model.labels == GRAPH.labels
    assert model.model_bytes == len(DATA)
    assert model.arena_bytes == model.file.plans[0].arena_bytes
    assert "12x10x3" in repr(model)


def test_run_gives_the_oracles_values(model: linnet.Model) -> None:
    raw = model.run_quantized(PIXELS)
    assert raw.dtype == np.int32
    np.testing.assert_array_equal(raw, EXPECTED)
    real = model.run(PIXELS)
    assert real.dtype == np.float32
    np.testing.assert_allclose(real, GRAPH.output.scale * EXPECTED, rtol=1e-6)


def test_results_outlive_the_next_run(model: linnet.Model) -> None:
    first = model.run_quantized(PIXELS)
    model.run_quantized(255 - PIXELS)
    np.testing.assert_array_equal(first, EXPECTED)


def test_probabilities() -> None:
    answer = linnet.load(small_networks.lnt(small_networks.classifier(softmax=True))).run(PIXELS)
    assert answer.sum() == pytest.approx(1, abs=1e-6)
    assert answer.min() >= 0


def test_every_kind_of_source(model: linnet.Model, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    Image.fromarray(PIXELS).save(tmp_path / "a.ppm")
    np.save(tmp_path / "a.npy", PIXELS)
    sources: list[Any] = [tmp_path / "a.png", str(tmp_path / "a.ppm"), tmp_path / "a.npy", Image.fromarray(PIXELS)]
    sources += [PIXELS, np.asfortranarray(PIXELS), np.pad(PIXELS, ((1, 0), (0, 2), (0, 0)))[1:, :-2]]
    for source in sources:
        np.testing.assert_array_equal(model.run_quantized(source), EXPECTED, str(source)[:60])


def test_pictures_of_another_size_are_fitted(model: linnet.Model, tmp_path: Path) -> None:
    large = Image.fromarray(PIXELS).resize((200, 100))
    large.save(tmp_path / "a.png")
    np.testing.assert_array_equal(model.run(tmp_path / "a.png"), model.run(large))
    assert model.prepare(large).shape == SHAPE


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PIXELS[:-1], r"uint8 \(11, 10, 3\): expected uint8 \(12, 10, 3\)"),
        (PIXELS[None], r"uint8 \(1, 12, 10, 3\): expected"),
        (PIXELS.astype(np.int64), r"int64 .*: expected uint8"),
        (PIXELS.astype(np.float32) / 255, "give the pixels themselves, uint8 from 0 to 255"),
        (PIXELS[:, :, 0], "expected uint8"),
        ([1, 2, 3], "cannot take list: expected a picture's path, a Pillow picture or a uint8 array"),
        (None, "cannot take NoneType"),
        ("missing.png", "missing.png: No such file"),
    ],
)
def test_wrong_sources(model: linnet.Model, source: Any, message: str) -> None:
    with pytest.raises(linnet.LinnetError, match=message):
        model.run(source)
    np.testing.assert_array_equal(model.run_quantized(PIXELS), EXPECTED)


def test_grey_networks_take_grey_arrays() -> None:
    model = linnet.load(small_networks.lnt(small_networks.classifier(channels=1)))
    np.testing.assert_array_equal(model.run(PIXELS[:, :, 0]), model.run(PIXELS[:, :, :1]))
    assert model.prepare(Image.fromarray(PIXELS)).shape == (12, 10, 1)


def test_networks_that_take_no_picture(tmp_path: Path) -> None:
    graph = small_networks.classifier(kind=InputKind.tensor)
    model = linnet.load(small_networks.lnt(graph))
    details = model.input_details
    assert (details.dtype, details.scale, details.zero_point, details.mean) == (np.dtype("int8"), 0.5, 3, ())
    values = np.random.default_rng(6).integers(-128, 128, SHAPE).astype(np.int8)
    expected = oracle.run(graph, values)[graph.ops[-1].output].ravel()
    np.testing.assert_array_equal(model.run_quantized(values), expected)
    floats = 0.5 * (values.astype(np.float32) - 3)
    np.testing.assert_array_equal(model.run_quantized(floats), expected)
    np.testing.assert_array_equal(model.prepare(np.full(SHAPE, 1e9)), 127)
    np.save(tmp_path / "a.npy", floats)
    np.testing.assert_array_equal(model.run_quantized(tmp_path / "a.npy"), expected)
    with pytest.raises(linnet.LinnetError, match="not finite"):
        model.run(np.full(SHAPE, np.nan))
    with pytest.raises(linnet.LinnetError, match=r"a\.png: this network takes no picture"):
        model.run("a.png")
    with pytest.raises(linnet.LinnetError, match="or floats"):
        model.run(PIXELS)
    with pytest.raises(linnet.LinnetError, match=r"none\.npy: No such file"):
        model.run(tmp_path / "none.npy")


@pytest.mark.parametrize("push_rows", [False, True])
def test_pushed_rows(push_rows: bool) -> None:
    model = linnet.load(small_networks.lnt(GRAPH, push_rows=push_rows))
    whole = model.run(PIXELS)
    np.testing.assert_array_equal(whole, np.float32(GRAPH.output.scale * EXPECTED))
    for strips in ([12], [5, 0, 7], [1] * 12):
        model.begin()
        start = 0
        for rows in strips:
            model.push_rows(PIXELS[start : start + rows])
            start += rows
        np.testing.assert_array_equal(model.finish(), whole)
    model.begin()
    for row in PIXELS:
        model.push_rows(row)
    np.testing.assert_array_equal(model.finish(), whole)


def test_pushing_saves_memory(model: linnet.Model) -> None:
    assert linnet.load(small_networks.lnt(GRAPH, push_rows=True)).arena_bytes < model.arena_bytes


def test_pushing_out_of_order(model: linnet.Model) -> None:
    with pytest.raises(linnet.LinnetError):
        model.push_rows(PIXELS)
    model.begin()
    model.push_rows(PIXELS[:3])
    with pytest.raises(linnet.LinnetError):
        model.finish()
    with pytest.raises(linnet.LinnetError):
        model.push_rows(PIXELS)
    with pytest.raises(linnet.LinnetError, match=r"expected uint8 \(any, 10, 3\)"):
        model.push_rows(PIXELS[:, :5])
    with pytest.raises(linnet.LinnetError, match="cannot take rows float64"):
        model.push_rows(PIXELS / 255)
    model.push_rows(PIXELS[3:])
    np.testing.assert_array_equal(model.finish(), model.run(PIXELS))


@pytest.mark.parametrize("push_rows", [False, True])
def test_trace(push_rows: bool) -> None:
    model = linnet.load(small_networks.lnt(GRAPH, push_rows=push_rows))
    expected = oracle.run(GRAPH, PIXELS)
    traced = model.trace(PIXELS)
    assert [(t.index, t.name, t.kind) for t in traced] == [(i, op.name, op.kind) for i, op in enumerate(GRAPH.ops)]
    for output, op in zip(traced, GRAPH.ops, strict=True):
        np.testing.assert_array_equal(output.values, expected[op.output], op.name)
    (one,) = model.trace(PIXELS, [3, 3])
    np.testing.assert_array_equal(one.values, traced[3].values)
    assert model.trace(PIXELS, []) == ()
    for wrong in (-1, len(GRAPH.ops)):
        with pytest.raises(linnet.LinnetError, match="operators are numbered 0 to"):
            model.trace(PIXELS, [wrong])


def test_profile(model: linnet.Model) -> None:
    times = model.profile(PIXELS, runs=3)
    assert [(t.index, t.name, t.kind) for t in times] == [(i, op.name, op.kind) for i, op in enumerate(GRAPH.ops)]
    assert all(t.seconds > 0 for t in times)
    assert times[-1].kind is OpKind.fully_connected
    np.testing.assert_array_equal(model.run_quantized(PIXELS), EXPECTED)


def test_what_a_hook_raises_is_raised(model: linnet.Model) -> None:
    calls: list[int] = []

    def hook(op: int, *_: Any) -> None:
        calls.append(op)
        raise RuntimeError("from the hook")

    with pytest.raises(RuntimeError, match="from the hook"):
        model._execute(PIXELS, hook)
    assert calls
    count = len(calls)
    model.run(PIXELS)
    assert len(calls) == count


def test_models_do_not_disturb_each_other(model: linnet.Model) -> None:
    other_graph = small_networks.classifier(seed=2)
    other = linnet.load(small_networks.lnt(other_graph))
    expected = oracle.run(other_graph, PIXELS)[other_graph.ops[-1].output].ravel()
    model.begin()
    model.push_rows(PIXELS[:6])
    np.testing.assert_array_equal(other.run_quantized(PIXELS), expected)
    model.push_rows(PIXELS[6:])
    np.testing.assert_array_equal(model.finish(), np.float32(GRAPH.output.scale * EXPECTED))


def test_the_model_owns_its_memory() -> None:
    data = bytearray(DATA)
    model = linnet.load(data)
    data[:] = bytes(len(data))
    gc.collect()
    np.testing.assert_array_equal(model.run_quantized(PIXELS), EXPECTED)


def test_aligned() -> None:
    for count in (0, 1, 17, 1000):
        memory = _native.aligned(count)
        assert memory.ctypes.data % _native.ALIGN == 0
        assert memory.size == max(count, 1)
        assert not memory.any()


def load_file(folder: Path, data: bytes) -> linnet.Model:
    (folder / "m.lnt").write_bytes(data)
    return linnet.load(folder / "m.lnt")


def test_load_from_a_file(tmp_path: Path) -> None:
    np.testing.assert_array_equal(load_file(tmp_path, DATA).run_quantized(PIXELS), EXPECTED)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", bytes(1000), DATA[:-1], DATA[: len(DATA) // 2], DATA[:500] + bytes([DATA[500] ^ 1]) + DATA[501:]],
    ids=["empty", "one byte", "zeros", "one short", "half", "flipped"],
)
def test_damaged_files_are_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(linnet.LinnetError, match=r"m\.lnt: \S+") as caught:
        load_file(tmp_path, data)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(linnet.LinnetError, match=r"none\.lnt: No such file"):
        linnet.load(tmp_path / "none.lnt")
    with pytest.raises(linnet.LinnetError, match="Is a directory"):
        linnet.load(tmp_path)


@pytest.fixture
def fresh_library() -> Any:
    _native.library.cache_clear()
    yield
    _native.library.cache_clear()


@pytest.mark.usefixtures("fresh_library")
def test_a_missing_library_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_native, "LIBRARY", tmp_path / "liblinnet.so")
    with pytest.raises(linnet.LinnetError, match=r"liblinnet\.so is not in .*make setup"):
        linnet.load(DATA)
    (tmp_path / "liblinnet.so").write_bytes(b"no library")
    with pytest.raises(linnet.LinnetError, match="reinstall linnet from a wheel for this machine"):
        linnet.load(DATA)


@pytest.mark.usefixtures("fresh_library")
def test_another_abi_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "ABI", 99)
    with pytest.raises(linnet.LinnetError, match="has ABI 3, this package needs 99"):
        linnet.load(DATA)


def test_abi_is_the_headers() -> None:
    header = Path(__file__).resolve().parent.parent / "kernels_c/include/linnet.h"
    text = header.read_text(encoding="utf-8")
    assert f"#define LNT_ABI {_native.ABI}\n" in text
    assert f"#define LNT_PACK_ALIGN {_native.ALIGN}\n" in text
    threads = header.with_name("linnet_threads.h").read_text(encoding="utf-8")
    assert f"#define LNT_MAX_THREADS {_native.MAX_THREADS}\n" in threads

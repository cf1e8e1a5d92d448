"""The workstation's commands that look at a model: inspect, validate, arch; and folders of pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import small_networks
from PIL import Image

import linnet
from linnet import cli
from linnet.files import write_atomic
from linnet_converter import conversion, lnt_file, onnx_reader, pictures, planner, schedule, tally, timeline, validation
from linnet_converter.commands.inspect import inspect
from linnet_converter.plan import Step
from linnet_converter.svg import Drawing

EXPORTERS = Path(__file__).parent / "exporters"
LOGITS = EXPORTERS / "torch_ts17_relu_dw5.onnx"
SOFTMAX = EXPORTERS / "torch_ts13_norm_softmax.onnx"
NHWC = EXPORTERS / "keras_rescaling.onnx"

GRAPH = small_networks.classifier()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.lnt").write_bytes(small_networks.lnt(GRAPH))
    return tmp_path


def test_inspect(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (folder / "m.lnt").read_bytes()
    assert cli.main(["inspect", str(folder / "m.lnt"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["model_bytes"] == len(data)
    assert answer["arena_bytes"] == linnet.load(data).arena_bytes
    assert answer["family"] == "ref"
    assert answer["recomputed_macs"] == 0
    kinds = [op["kind"] for op in answer["ops"]]
    assert kinds == [op.kind.name for op in GRAPH.ops]
    stem = answer["ops"][1]
    height, width, channels = stem["output_shape"]
    assert channels == 8
    assert stem["input_shape"] == [12, 10, 3]
    assert stem["macs"] == height * width * 8 * 27
    assert stem["weight_bytes"] == 8 * 27 + 8 * 4 + 8 * 4 + 3
    assert stem["arena_bytes"] == stem["ring_rows"] * width * 8
    pool = answer["ops"][kinds.index("avg_pool")]
    assert (pool["macs"], pool["weight_bytes"], pool["arena_bytes"]) == (0, 0, 24 + 4 * 24)
    assert answer["macs"] == sum(op["macs"] for op in answer["ops"])
    first, second = answer["separable_blocks"]
    assert (first["kernel"], first["channels_in"], first["channels_out"]) == ([1, 1], 16, 8)
    assert (second["kernel"], second["channels_in"], second["channels_out"]) == ([3, 3], 8, 24)
    assert second["formula"] == pytest.approx(1 / 24 + 1 / 9)
    for block in (first, second):
        assert block["ratio"] == pytest.approx(block["formula"])
    assert cli.main(["inspect", str(folder / "m.lnt")]) == 0
    text = capsys.readouterr().out
    assert "1/24 + 1/9 = 0.1528" in text
    assert f"{answer['macs']:,}" in text


def test_inspect_counts_rows_computed_again() -> None:
    graph, plan = GRAPH, planner.plan(GRAPH, strips=False)
    again = next(step for step in plan.steps if step.op == 2)
    twice = replace(plan, steps=(*plan.steps, again))
    once = inspect(graph, plan)
    assert inspect(graph, twice)["macs"] == once["macs"]
    assert inspect(graph, twice)["recomputed_macs"] == again.n * once["ops"][2]["output_shape"][1] * 8 * 16


PLANS = {
    "rings": planner.plan(GRAPH, strips=False),
    "strips": planner.plan(GRAPH, push_rows=True),
    "layers": planner.plan_layer_by_layer(GRAPH),
    "tightest": planner.Planner(GRAPH).smallest(recompute=True),
}


@pytest.mark.parametrize("name", PLANS)
def test_timeline(name: str) -> None:
    """Everybody lives inside the arena and while the program runs, and no two share a byte and a step."""
    plan = PLANS[name]
    living = timeline.residents(GRAPH, plan)
    assert sorted(resident.tensor for resident in living) == list(range(len(GRAPH.tensors)))
    in_place = schedule.in_place(GRAPH, planner.strips_in(GRAPH, plan))
    taken = np.full((plan.arena_bytes, len(plan.steps)), -1)
    for resident in living:
        placement = plan.placements[resident.tensor]
        if resident.held.name == "strip":
            kept, fresh = (int(rows) for rows in resident.rows.removeprefix("strip ").split("+"))
            kept_bytes = kept * GRAPH.tensors[resident.tensor].row_bytes
            assert resident.bytes == kept_bytes + fresh * placement.row_bytes
        else:
            assert resident.bytes == placement.rows * placement.row_bytes
        for start, end, first, last in resident.pieces():
            assert resident.offset <= start < end <= resident.offset + resident.bytes <= plan.arena_bytes
            assert 0 <= resident.first_step <= first <= last <= resident.last_step < len(plan.steps)
            there = set(np.unique(taken[start:end, first : last + 1]).tolist()) - {-1}
            meets_once = {other for other in there if {(other, resident.tensor), (resident.tensor, other)} & in_place}
            assert not there - meets_once, f"{resident.name} meets {there}"
            taken[start:end, first : last + 1] = resident.tensor


def test_timeline_of_an_operator_in_place() -> None:
    """The logits and the probabilities written over them share their bytes in one step, and only there."""
    graph = small_networks.classifier(softmax=True)
    plan = planner.plan(graph)
    probabilities, logits = (
        next(r for r in timeline.residents(graph, plan) if r.tensor == op.output) for op in graph.ops[:-3:-1]
    )
    assert logits.offset == probabilities.offset
    assert logits.last_step == probabilities.first_step == len(plan.steps) - 1


@pytest.mark.parametrize("name", PLANS)
def test_inspect_lists_the_timeline(name: str) -> None:
    report = inspect(GRAPH, PLANS[name])
    strips = planner.strips_in(GRAPH, PLANS[name])
    for op in report["ops"]:
        tensor = GRAPH.ops[op["index"]].output
        entry = next(entry for entry in report["timeline"] if entry["tensor"] == tensor)
        assert entry["held"] == op["layout"] or op["layout"] == "nhwc"
        assert op["strip_columns"] == (strips[tensor].columns if tensor in strips else None)
        if entry["held"] == "strip":
            assert op["rows"] == f"strip {op['ring_rows']}+{strips[tensor].kernel[0] - op['ring_rows']}"
        else:
            assert op["rows"] == f"{op['ring_rows']}/{op['output_shape'][0]}"
            assert (entry["held"] == "whole") == (op["ring_rows"] == op["output_shape"][0])
    assert any(op["layout"] == "strip" for op in report["ops"]) == (name in ("strips", "tightest"))


def test_stretches_are_the_planners() -> None:
    """Each starts where no operator before it goes on, and together they are the whole program."""
    for plan in PLANS.values():
        found = list(timeline.stretches(GRAPH, plan))
        assert [first for first, *_ in found] == [0, *(last + 1 for _, last, *_ in found[:-1])]
        assert found[-1][1] == len(plan.steps) - 1
        assert [op for *_, op, _ in found] == [0, *(op + 1 for *_, op in found[:-1])]
        assert found[-1][3] == len(GRAPH.ops) - 1
    assert len(list(timeline.stretches(GRAPH, PLANS["layers"]))) == len(GRAPH.ops)


def test_inspect_draws(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawing = folder / "m.svg"
    assert cli.main(["inspect", str(folder / "m.lnt"), "--svg", str(drawing)]) == 0
    assert "arena" in capsys.readouterr().out
    root = ElementTree.parse(drawing).getroot()
    space = "{http://www.w3.org/2000/svg}"
    titles = [element.text or "" for element in root.iter(f"{space}title")]
    assert len(titles) == len(GRAPH.tensors)
    for tensor in GRAPH.tensors:
        assert sum(title.startswith(f"{tensor.name}: ") for title in titles) == 1
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    for shape in root.iter(f"{space}polygon"):
        for x, y in (point.split(",") for point in shape.attrib["points"].split()):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height
    assert cli.main(["inspect", str(folder / "m.lnt"), "--svg", str(folder / "none/m.svg")]) == 1
    assert "none/m.svg: cannot be written" in capsys.readouterr().err


def test_drawings_are_well_formed() -> None:
    drawing = Drawing(10, 20)
    drawing.text(1, 2, "<a> & b", upright=True, fill='"red"')
    drawing.rect(1, 2, 3, 4, "<title>", stroke_width=1.5)
    drawing.line(0, 0, 1, 1)
    drawing.polyline([(0, 0), (1 / 3, 1)])
    sheet, text, rect, line, polyline = ElementTree.fromstring(str(drawing))
    assert (sheet.attrib["width"], sheet.attrib["height"]) == ("10", "20")
    assert (text.text, text.attrib["fill"], text.attrib["transform"]) == ("<a> & b", '"red"', "rotate(-90 1 2)")
    assert (rect[0].text, rect.attrib["stroke-width"]) == ("<title>", "1.5")
    assert line.attrib["stroke"] == "black"
    assert polyline.attrib["points"] == "0,0 0.33,1"


def test_inspect_names_a_plan_that_cannot_be_followed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planner.plan(GRAPH)
    steps = (*plan.steps, Step(len(GRAPH.ops), 0, 1))
    (folder / "p.lnt").write_bytes(lnt_file.write(GRAPH, [replace(plan, steps=steps)]))
    assert cli.main(["inspect", str(folder / "p.lnt")]) == 1
    assert "p.lnt: the plan reads rows that are not there" in capsys.readouterr().err


def test_inspect_names_a_damaged_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "d.lnt").write_bytes((folder / "m.lnt").read_bytes()[:-1])
    (folder / "e.lnt").write_bytes(b"something else")
    for name, reason in {"d.lnt": "ends too early", "none.lnt": "No such file", "e.lnt": "no .lnt file"}.items():
        assert cli.main(["inspect", str(folder / name)]) == 1
        assert f"{name}: " in (message := capsys.readouterr().err)
        assert reason in message


# ---------------------------------------------------------------------------------------------- folders of pictures


def noise(count: int, shape: tuple[int, int, int], seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Smooth random pictures: their logits differ more than those of plain noise."""
    rng = np.random.default_rng(seed)
    coarse = [Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)) for _ in range(count)]
    return [np.asarray(picture.resize((shape[1], shape[0]))) for picture in coarse]


def save(folder: Path, images: list[npt.NDArray[np.uint8]]) -> Path:
    folder.mkdir(exist_ok=True)
    for i, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return folder


def test_find_sorts_and_spreads(tmp_path: Path) -> None:
    for name in ("c.PNG", "a.jpg", "b.npy", "labels.csv", ".hidden", "d.txt"):
        (tmp_path / name).touch()
    (tmp_path / "e.png").mkdir()
    assert [path.name for path in pictures.find(tmp_path)] == ["a.jpg", "b.npy", "c.PNG"]
    assert [path.name for path in pictures.find(tmp_path, 2)] == ["a.jpg", "b.npy"]
    paths = [Path(str(i)) for i in range(10)]
    assert [int(path.name) for path in pictures.spread(paths, 4)] == [0, 2, 5, 7]
    assert pictures.spread(paths, 99) == paths


def test_find_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(linnet.LinnetError, match="none: no such folder"):
        pictures.find(tmp_path / "none")
    with pytest.raises(linnet.LinnetError, match="no picture in this folder"):
        pictures.find(tmp_path)


def test_read_skips_what_is_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, noise(2, (20, 30, 3)))
    (tmp_path / "0005.png").write_bytes(b"no picture")
    found = dict(pictures.read(pictures.find(tmp_path), (8, 8, 3)))
    assert list(found) == ["000.png", "001.png"]
    assert {pixels.shape for pixels in found.values()} == {(8, 8, 3)}
    assert capsys.readouterr().err.startswith(f"linnet: warning: skipped {tmp_path / '0005.png'}: not a picture")


def test_read_fails_where_nothing_is_readable(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    warnings: list[str] = []
    with pytest.raises(linnet.LinnetError, match="none of the 1 pictures could be read"):
        list(pictures.read(pictures.find(tmp_path), (8, 8, 3), warnings.append))
    assert len(warnings) == 1


def csv(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder / "labels.csv"


def test_labels(tmp_path: Path) -> None:
    assert pictures.labels(csv(tmp_path, 'file,class_index,name\na.png,3,x\nb.png,4,"y, z"\n')) == {
        "a.png": 3,
        "b.png": 4,
    }
    assert pictures.labels(csv(tmp_path, "\ufefffile, class_index\na.png, 3\n"), 1) == {"a.png": 4}
    assert pictures.labels(csv(tmp_path, "file,class_index\r\n\r\na.png,3\r\na.png,3\r\n")) == {"a.png": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'file'"),
        ("a.png,3\n", "no column 'file'"),
        ("file,label\na.png,3\n", "no column 'class_index'"),
        ("file,class_index\na.png,3\nb.png,cat\n", r"labels\.csv:3: class_index is 'cat'"),
        ("file,class_index\na.png\n", "class_index is None"),
        ("class_index,file\n3\n", r"labels\.csv:2: this line names no file"),
        ('file,class_index\n"",3\n', r"labels\.csv:2: this line names no file"),
        ('file,class_index\n"a.png,3\n', "class_index is None"),
        ("file,class_index\na.png,1\na.png,2\n", "'a.png' has two different classes"),
    ],
)
def test_labels_name_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(linnet.LinnetError, match=message):
        pictures.labels(csv(tmp_path, text))


def test_labels_and_pictures_must_match(tmp_path: Path) -> None:
    paths = pictures.find(save(tmp_path, noise(2, (8, 8, 3))))
    pictures.check_labels(paths, [tmp_path], {"000.png": 0, "001.png": 1})
    with pytest.raises(linnet.LinnetError, match=r"^001\.png in .*: no such file in the labels' CSV"):
        pictures.check_labels(paths, [tmp_path], {"000.png": 0})
    absent = {f"x{i}": 0 for i in range(9)}
    with pytest.raises(linnet.LinnetError, match=r"^x0, x1, x2 and 6 more of the labels' CSV: not in "):
        pictures.check_labels(paths, [tmp_path], {"000.png": 0, "001.png": 1} | absent)


# ---------------------------------------------------------------------------------------------- validate


def converted(source: Path) -> bytes:
    graph = onnx_reader.read(source)
    name = "none" if source == NHWC else "torch"
    shape = graph.shapes[graph.input]
    return conversion.convert(graph, noise(8, shape), conversion.PRESETS[name]).data


def by_hand(source: Path, logits: str, fed: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Logits of the float network for one input as it is fed, (classes,)."""
    model = onnx.load(source)
    if logits not in [output.name for output in model.graph.output]:
        model.graph.output.append(onnx.ValueInfoProto(name=logits))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([logits], {session.get_inputs()[0].name: fed})[0], np.float64).ravel()


@pytest.mark.parametrize("source", [LOGITS, SOFTMAX, NHWC], ids=lambda path: path.stem)
def test_float_reference_is_fed_as_the_source_wants(source: Path) -> None:
    graph = onnx_reader.read(source)
    model = linnet.load(converted(source))
    details = model.input_details
    (picture,) = noise(1, details.shape, seed=9)
    fed = ((picture - np.array(details.mean)) / np.array(details.std)).astype(np.float32)[None]
    fed = fed if source == NHWC else fed.transpose(0, 3, 1, 2)
    expected = by_hand(source, graph.source_logits, np.ascontiguousarray(fed))
    reference = validation.FloatReference(source, details.mean, details.std)
    np.testing.assert_allclose(reference.logits(picture), expected, rtol=1e-4, atol=1e-4)
    assert reference.shape == details.shape


@pytest.mark.parametrize("source", [LOGITS, SOFTMAX, NHWC], ids=lambda path: path.stem)
def test_integer_logits_are_those_ahead_of_the_softmax(source: Path) -> None:
    model = linnet.load(converted(source))
    (picture,) = noise(1, model.input_details.shape, seed=9)
    logits = validation.IntegerLogits(model).logits(picture)
    answer = model.run(picture).astype(np.float64)
    if source != LOGITS:
        powers = np.exp(logits - logits.max())
        logits = powers / powers.sum()
    np.testing.assert_allclose(logits, answer, rtol=1e-3, atol=1e-6)


def test_compare_counts_as_stated() -> None:
    model = linnet.load(converted(SOFTMAX))
    details = model.input_details
    named = [(f"{i}.png", picture) for i, picture in enumerate(noise(12, details.shape, seed=3))]
    reference = validation.FloatReference(SOFTMAX, details.mean, details.std)
    floats = np.array([reference.logits(picture) for _, picture in named])
    integers = np.array([validation.IntegerLogits(model).logits(picture) for _, picture in named])
    labels = {name: i % 5 for i, (name, _) in enumerate(named)}
    wanted = np.array(list(labels.values()))

    result = validation.compare(model, SOFTMAX, named, labels)
    assert result.images == 12
    assert result.agreement == pytest.approx(100 * np.mean(floats.argmax(1) == integers.argmax(1)))
    assert result.top1_float == pytest.approx(100 * np.mean(floats.argmax(1) == wanted))
    assert result.top1_int8 == pytest.approx(100 * np.mean(integers.argmax(1) == wanted))
    assert result.top5_float == result.top5_int8 == 100  # of five classes
    assert result.sqnr_db == pytest.approx(10 * np.log10((floats**2).sum() / ((floats - integers) ** 2).sum()))
    norms = np.linalg.norm(floats, axis=1) * np.linalg.norm(integers, axis=1)
    assert result.cosine == pytest.approx(((floats * integers).sum(1) / norms).mean())
    assert result.arena_bytes == model.least_arena_bytes
    unlabelled = validation.compare(model, SOFTMAX, named)
    assert (unlabelled.top1_float, unlabelled.top5_int8) == (None, None)
    assert unlabelled.sqnr_db == result.sqnr_db


def test_compare_refuses_what_does_not_fit() -> None:
    model = linnet.load(converted(SOFTMAX))
    named = [("a.png", noise(1, model.input_details.shape)[0])]
    with pytest.raises(linnet.LinnetError, match="no picture to validate with"):
        validation.compare(model, SOFTMAX, [])
    with pytest.raises(linnet.LinnetError, match=r"a\.png: it has no label"):
        validation.compare(model, SOFTMAX, named, {})
    with pytest.raises(linnet.LinnetError, match="class 5 of 0 to 4; is the label offset right"):
        validation.compare(model, SOFTMAX, named, {"a.png": 5})
    with pytest.raises(linnet.LinnetError, match=f"{LOGITS.name}: it"):
        validation.compare(model, LOGITS, named)


def test_ranks_break_ties_as_argmax() -> None:
    logits = np.array([1.0, 3.0, 3.0, 2.0])
    assert [tally.rank(logits, i) for i in range(4)] == [3, 0, 1, 2]


def test_validate_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.lnt").write_bytes(converted(LOGITS))
    shape = linnet.load(tmp_path / "m.lnt").input_details.shape
    images = save(tmp_path / "images", noise(6, shape, seed=2))
    labels = csv(images, "file,class_index\n" + "".join(f"{i:03}.png,{i - 1}\n" for i in range(6)))
    common = ["validate", str(tmp_path / "m.lnt"), "--against", str(LOGITS), "--images", str(images)]
    assert cli.main([*common, "--labels-csv", str(labels), "--label-offset", "1", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert not captured.err  # no progress bar where nobody is watching
    model = linnet.load(tmp_path / "m.lnt")
    named = list(pictures.read(pictures.find(images), shape))
    expected = validation.compare(model, LOGITS, named, {f"{i:03}.png": i for i in range(6)})
    for key in ("images", "top1_float", "top1_int8", "agreement", "sqnr_db", "cosine", "arena_bytes"):
        assert answer[key] == getattr(expected, key)
    assert answer["skipped"] == 0

    (images / "000.png").write_bytes(b"no picture")
    assert cli.main([*common, "--limit", "3", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert (answer["images"], answer["skipped"], answer["top1_float"]) == (2, 1, None)
    assert captured.err.startswith(f"linnet: warning: skipped {images / '000.png'}")

    assert cli.main([*common, "--limit", "3"]) == 0
    assert "same top-1 as float" in capsys.readouterr().out
    assert cli.main([*common, "--labels-csv", str(csv(tmp_path, "file,class_index\n"))]) == 1
    assert "000.png, 001.png, 002.png and 3 more" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- arch, files


def test_arch_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--width", "0.35", "--size", "32", "--classes", "7", "--seed", "3"]
    first, second, other = (tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx"))
    assert cli.main(["arch", "mobilenet_v2", *options, "-o", str(first)]) == 0
    assert cli.main(["arch", "mobilenet_v2", *options, "-o", str(second)]) == 0
    assert cli.main(["arch", "mobilenet_v2", *options, "--padding", "torch", "-o", str(other)]) == 0
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    graph = onnx_reader.read(first)
    assert graph.shapes[graph.input] == (32, 32, 3)
    assert graph.shapes[graph.logits] == (1, 1, 7)
    for wrong in (["--width", "nan"], ["--width", "0"], ["--size", "0"], ["--classes", "x"]):
        assert cli.main(["arch", "mobilenet_v2", *options, *wrong, "-o", str(first)]) == 2
    capsys.readouterr()
    assert cli.main(["arch", "mobilenet_v2", *options, "-o", str(tmp_path / "none/a.onnx")]) == 1
    assert "none/a.onnx: cannot be written: No such file" in capsys.readouterr().err


def test_write_atomic(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "link").symlink_to(path)
    write_atomic(tmp_path / "link", b"three")
    assert (tmp_path / "link").is_symlink()
    assert path.read_bytes() == b"three"
    write_atomic("/dev/null", b"gone")
    assert not Path("/dev/null").is_file()
    with pytest.raises(linnet.LinnetError, match="Is a directory"):
        write_atomic(tmp_path, b"")

"""The model file: stock flatc reads what Linnet writes and back, C and numpy agree, docs/format.md is right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import random_networks
import small_networks
import test_checker_strips

import linnet
from linnet import format_gen
from linnet.format_gen import DType, Family, InputKind, Layout, OpKind, Version
from linnet.modelfile import ModelFile
from linnet_converter import lnt_file, planner
from linnet_converter.qgraph import QGraph
from linnet_converter.schedule import strips_of

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "kernels_c/schema/linnet.fbs"
DOCUMENT = (ROOT / "docs/format.md").read_text(encoding="utf-8")
STRUCTS = {
    name: getattr(format_gen, f"{name.upper()}_DTYPE") for name in ("Header", "Tensor", "Op", "Placement", "Step")
}
ENUMS = {"dtype": DType, "kind": OpKind, "layout": Layout}

LABELS = [f"{i} Grüße" for i in range(small_networks.CLASSES)]
GRAPHS = {
    "softmax": small_networks.classifier(softmax=True, labels=LABELS),
    "tensor": small_networks.classifier(kind=InputKind.tensor, channels=5),
    "add": random_networks.network(4),
}

Flatc = Callable[..., Path]


@pytest.fixture
def flatc(require_tool: Callable[[str, str], str], tmp_path: Path) -> Flatc:
    """Runs flatc with the schema in a folder of its own; returns the one file that it made."""
    program = require_tool("flatc", "flatbuffers-compiler")

    def run(source: Path, *options: str) -> Path:
        folder = tmp_path / "out"
        folder.mkdir(exist_ok=True)
        before = set(folder.iterdir())
        binary = ["--"] if source.suffix == ".lnt" else []
        subprocess.run([program, *options, "-o", folder, SCHEMA, *binary, source], check=True, timeout=60)
        (made,) = set(folder.iterdir()) - before
        return made

    return run


def as_json(flatc: Flatc, data: bytes, folder: Path) -> dict[str, Any]:
    """What the command in docs/format.md prints of a file."""
    (folder / "m.lnt").write_bytes(data)
    made = flatc(folder / "m.lnt", "--json", "--raw-binary", "--strict-json", "--defaults-json")
    content = json.loads(made.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def assert_records(listed: list[dict[str, Any]], records: npt.NDArray[Any]) -> None:
    """Structs as flatc prints them against a structured array: the same fields in the same order, the same values."""
    assert len(listed) == len(records)
    for item, record in zip(listed, records, strict=True):
        assert list(item) == list(record.dtype.names)
        for field, value in item.items():
            plain = ENUMS[field][value].value if isinstance(value, str) else value
            assert plain == pytest.approx(record[field].item(), abs=1e-6, rel=0), field


def plans_of(graph: QGraph) -> bytes:
    return lnt_file.write(graph, [planner.plan(graph), planner.plan_layer_by_layer(graph)])


@pytest.mark.parametrize("name", GRAPHS)
def test_flatc_reads_what_we_write(name: str, flatc: Flatc, tmp_path: Path) -> None:
    data = plans_of(GRAPHS[name])
    content = as_json(flatc, data, tmp_path)
    file = ModelFile(data)
    assert list(content) == list(format_gen.ModelField.__members__)
    assert content["header"] == {"version": Version.current, "file_bytes": len(data), "crc": file.crc}
    assert content["input_kind"] == file.input_kind.name
    assert_records(content["tensors"], file.tensors)
    assert_records(content["ops"], file.ops)
    np.testing.assert_array_equal(content["data"], file.data)
    assert len(content["plans"]) == len(file.plans) == 2
    for listed, plan in zip(content["plans"], file.plans, strict=True):
        assert list(listed) == list(format_gen.PlanField.__members__)
        assert (listed["family"], listed["arena_bytes"]) == (plan.family.name, plan.arena_bytes)
        assert_records(listed["placements"], plan.placements)
        assert_records(listed["steps"], plan.steps)
    for field in ("labels", "op_names", "tensor_names"):
        assert tuple(content[field]) == getattr(file, field)
    assert content["preprocessing"] == {"mean": list(file.mean), "std": list(file.std)}
    assert content["producer"] == file.producer == "linnet"


def test_strips_as_flatc_prints_them(flatc: Flatc, tmp_path: Path) -> None:
    """Layout, kept rows and leading steps of a plan with strips."""
    graph, plan = test_checker_strips.GRAPH, test_checker_strips.PLAN
    data = lnt_file.write(graph, [plan])
    (listed,) = as_json(flatc, data, tmp_path)["plans"]
    strips = planner.strips_in(graph, plan)
    assert {i for i, item in enumerate(listed["placements"]) if item["layout"] == "strip"} == set(strips)
    for tensor, strip in strips.items():
        item, channels = listed["placements"][tensor], strip.shape[2]
        assert item["rows"] == strip.kept
        assert (item["row_bytes"] // channels - strip.kernel[1]) // strip.stride[1] + 1 == strip.columns
    leading = [step["op"] for step in listed["steps"] if step["n"] == 0]
    expected = sum(strip.lead for strip in strips.values())
    assert len(leading) == expected == 3
    assert all(any(strips[tensor].lead for tensor in strips_of(graph, op, strips)) for op in leading)
    assert lnt_file.write(*lnt_file.read(data)) == data


def test_we_read_what_flatc_writes(flatc: Flatc, tmp_path: Path) -> None:
    """From JSON back to a file: laid out otherwise than ours, and it opens and runs the same."""
    graph = GRAPHS["softmax"]
    data = small_networks.lnt(graph)
    content = as_json(flatc, data, tmp_path)
    (tmp_path / "again.json").write_text(json.dumps(content), encoding="utf-8")
    other = lnt_file.seal(flatc(tmp_path / "again.json", "--binary").read_bytes())
    assert other != data
    picture = random_networks.picture(graph, 1)
    first, second = linnet.load(data), linnet.load(other)
    np.testing.assert_array_equal(first.run_quantized(picture), second.run_quantized(picture))
    assert first.labels == second.labels == tuple(LABELS)


def test_every_field_lies_where_flatc_puts_it(flatc: Flatc, tmp_path: Path) -> None:
    """A file written by flatc alone, with a different number in every field of every struct."""
    number = iter(range(1, 1000))

    def record(name: str) -> dict[str, int]:
        return {field: next(number) for field in STRUCTS[name].names}

    records = {name: [record(name), record(name)] for name in STRUCTS if name != "Header"}
    content = {
        "header": {"version": 1, "file_bytes": 0, "crc": 0},
        "tensors": records["Tensor"],
        "ops": records["Op"],
        "plans": [{"arena_bytes": 77, "placements": records["Placement"], "steps": records["Step"]}],
    }
    (tmp_path / "fields.json").write_text(json.dumps(content))
    file = ModelFile(lnt_file.seal(flatc(tmp_path / "fields.json", "--binary").read_bytes()))
    (plan,) = file.plans
    assert (plan.arena_bytes, plan.family) == (77, Family.ref)
    for name, found in {
        "Tensor": file.tensors,
        "Op": file.ops,
        "Placement": plan.placements,
        "Step": plan.steps,
    }.items():
        assert [dict(zip(STRUCTS[name].names, item.tolist(), strict=True)) for item in found] == records[name]


def test_c_structs_are_numpys(cc: list[str], tmp_path: Path) -> None:
    lines = ["#include <stddef.h>", '#include "format_gen.h"']
    for name, dtype in STRUCTS.items():
        struct = f"lnt_{name.lower()}"
        lines.append(f'_Static_assert(sizeof({struct}) == {dtype.itemsize}, "{name}");')
        for field in dtype.names:
            kind, offset = dtype.fields[field][:2]
            where = f"offsetof({struct}, {field}) == {offset} && sizeof((({struct} *)0)->{field}) == {kind.itemsize}"
            lines.append(f'_Static_assert({where}, "{name}.{field}");')
    source = tmp_path / "structs.c"
    source.write_text("\n".join(lines) + "\nint main(void) { return 0; }\n")
    subprocess.run([*cc, "-std=c11", f"-I{ROOT / 'kernels_c/src'}", "-c", "-o", os.devnull, source], check=True)


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools/format_codegen.py", "--check"], check=False)
    assert done.returncode == 0, "run `make format`"


@pytest.mark.parametrize("name", GRAPHS)
def test_same_input_same_bytes(name: str) -> None:
    assert plans_of(GRAPHS[name]) == plans_of(GRAPHS[name])


def test_same_bytes_in_another_process() -> None:
    """Whatever the order of Python's sets."""
    code = "import small_networks as s, zlib; print(zlib.crc32(s.lnt(s.classifier(labels=list('abcdefghij')))))"
    answers = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        answers.add(done.stdout)
    assert len(answers) == 1


def test_reading_and_writing_again_gives_the_same_bytes() -> None:
    for graph in GRAPHS.values():
        data = plans_of(graph)
        again, plans = lnt_file.read(data)
        assert lnt_file.write(again, plans) == data


def test_crc_is_zlibs_over_all_but_itself() -> None:
    data = plans_of(GRAPHS["softmax"])
    at = lnt_file.header_offset(data) + 8
    assert zlib.crc32(data[:at] + bytes(4) + data[at + 4 :]) == ModelFile(data).crc


def test_alignment() -> None:
    for graph in GRAPHS.values():
        data = plans_of(graph)
        file = ModelFile(data)
        start = data.index(file.data.tobytes())
        assert start % 16 == 0
        for op in file.ops:
            softmax = op["kind"] == OpKind.softmax
            assert op["weights"] % (4 if softmax else 16) == op["pad_values"] % 16 == 0
            assert op["bias"] % 4 == op["multiplier"] % 4 == 0


# ---------------------------------------------------------------------------------------------- docs/format.md


def tables(heading: str) -> list[list[str]]:
    """Rows, without code marks, of the first table under a heading."""
    (_, section) = re.split(rf"^##+ {re.escape(heading)}$", DOCUMENT, flags=re.MULTILINE)
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None
    return [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]
    ]


NUMPY = {"u8": "u1", "i8": "i1", "u16": "<u2", "u32": "<u4", "i32": "<i4", "f32": "<f4"}


@pytest.mark.parametrize("name", STRUCTS)
def test_document_describes_every_field(name: str) -> None:
    """Order, offset and type in the table of each struct."""
    dtype = STRUCTS[name]
    found: dict[str, tuple[int, np.dtype[Any]]] = {}
    for offsets, fields, kind, *_ in tables(f"{name} (struct, {dtype.itemsize} bytes)"):
        for offset, field in zip(offsets.split(", "), fields.split(", "), strict=True):
            found[field] = (int(offset), np.dtype(NUMPY[kind]))
    assert found == {field: (dtype.fields[field][1], dtype.fields[field][0]) for field in dtype.names}
    assert list(found) == list(dtype.names)


def test_document_describes_every_table() -> None:
    def fields(heading: str) -> list[str]:
        return [field for row in tables(heading) for field in row[0].split(", ")]

    assert sorted(fields("Model")) == sorted(format_gen.ModelField.__members__)
    assert fields("Plan") == list(format_gen.PlanField.__members__)
    assert fields("Preprocessing") == list(format_gen.PreprocessingField.__members__)


def test_document_names_every_value() -> None:
    for enum in (OpKind, DType, Layout, Family, InputKind):
        for member in enum:
            assert re.search(rf"`{member.name}` \(?{member.value}\b", DOCUMENT), member

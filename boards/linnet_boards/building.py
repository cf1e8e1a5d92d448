"""From a .lnt file to a folder with firmware for one board and C for any other program."""

from __future__ import annotations

import json
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from linnet.errors import LinnetError
from linnet.format_gen import DType, Family
from linnet.report import table
from linnet_converter import budget, host_kernels, lnt_file
from linnet_converter.budget import Budget
from linnet_converter.plan import Plan
from linnet_converter.qgraph import QGraph
from linnet_converter.weights_read import weight_words

from . import Board, dropin
from .cortex_m import CortexM, Region, family
from .firmware import Builder, Use, over

ELF, DROP_IN, REPORT = "firmware.elf", "c", "build.json"
ALIGNMENT_LOSS = 64
"""Bytes that may be lost between sections."""


@dataclass(frozen=True)
class Built:
    """What came of it. weight_words: that one inference reads.  uses: who takes what.

    regions: those of the board, as far as firmware may use them.
    """

    board: str
    family: str
    arena_bytes: int
    model_bytes: int
    stack_bytes: int
    weight_words: int
    kernels: tuple[str, ...]
    uses: tuple[Use, ...]
    regions: tuple[Region, ...]


def build(
    graph: QGraph, board: Board, folder: Path, *, push_rows: bool, ram: int | None = None, stack: int | None = None
) -> Built:
    """Write the folder, all of it or nothing.

    push_rows: whether the picture comes row by row, or must lie in RAM whole.  ram: bytes of the region for data, where
    less than the board's.  stack: its bytes, where not the board's default.
    Raises LinnetError where a tool is missing or something does not fit, after a table of who takes what on stderr.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_replaceable(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:40]}.") as name:
        made = Path(name) / "made"
        made.mkdir()
        built = _build(graph, board, made, Path(name), push_rows, ram, stack)
        said = asdict(built) | {"files": _files(made)}
        (made / REPORT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rename(Path(name) / "old")
        made.replace(folder)
    return built


def _check_replaceable(folder: Path) -> None:
    """Raises LinnetError where a folder holds what linnet build has not made."""
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / REPORT).exists()):
        raise LinnetError(f"{folder}: is there already, and was not made by linnet build")
    if (folder / REPORT).exists():
        found = _files(folder)
        for name in found:
            if name not in {REPORT, *report(folder).get("files", found)}:
                raise LinnetError(f"{folder / name}: was not made by linnet build, and would be lost: move it")


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def _build(
    graph: QGraph, board: Board, made: Path, work: Path, push_rows: bool, ram: int | None, stack: int | None
) -> Built:
    kernels = host_kernels.best(graph, [Family[family(board.features)]])
    builder = Builder(board, stack, work)
    regions = limited(builder.target, ram)
    code, shape = made / DROP_IN, shape_of(graph)
    code.mkdir()
    defined = [flag[2:] for flag in builder.target.flags if flag.startswith("-D")]
    sources = dropin.write(code, kernels.family, kernels.names, defined)
    dropin.write_model(code, shape, bytes(16), 16)  # for the size of everything else
    library = builder.compile([code / source for source in sources], code)
    variables = builder.variables(library + builder.compile(builder.firmware_sources(), code))
    plan = _plan(graph, kernels, board, regions, builder, variables, push_rows)
    data = lnt_file.write(graph, [plan], kernels if kernels.family != Family.ref else None)
    dropin.write_model(code, shape, data, plan.arena_bytes)
    objects = builder.compile([*builder.firmware_sources(), code / "model.c"], code)
    builder.link([*library, *objects, *builder.boot()], made / ELF)
    built = Built(
        board=board.name,
        family=kernels.family.name,
        arena_bytes=plan.arena_bytes,
        model_bytes=len(data),
        stack_bytes=builder.stack_bytes,
        weight_words=weight_words(graph, plan),
        kernels=tuple(sorted(set(kernels.names))),
        uses=tuple(builder.uses(made / ELF)),
        regions=regions,
    )
    for region, many in over(built.uses, regions):
        _refuse(
            built.uses, regions, f"{board.name}: {region.name} would need {many} bytes more than its {region.bytes}"
        )
    return built


def _plan(
    graph: QGraph,
    kernels: host_kernels.HostKernels,
    board: Board,
    regions: Sequence[Region],
    builder: Builder,
    variables: int,
    push_rows: bool,
) -> Plan:
    target = builder.target
    uses = [Use(target.data, "variables", variables), Use(target.stack, "stack", builder.stack_bytes)]
    size = next(region.bytes for region in regions if region.name == target.data)
    taken = sum(use.bytes for use in uses if use.region == target.data)
    limit = Budget(size - taken - ALIGNMENT_LOSS, cache=cache_to_keep(board, target))
    try:
        return budget.choose(graph, limit, push_rows=push_rows, kernels=kernels)
    except LinnetError as error:
        _refuse(uses, regions, f"{board.name}: {error}")


def cache_to_keep(board: Board, target: CortexM) -> int:
    """The cache that the rows of a step should stay in, 0 where that is not worth reading the weights more often.

    A taller step reads them less often. Only where rows come from slower memory than weights is that the smaller gain.
    """
    rows, weights = target.region(target.data), target.region(target.model)
    return board.cache_bytes if rows.cycles_per_word > weights.cycles_per_word else 0


def report(folder: Path) -> dict[str, Any]:
    """What `Built` said of a folder."""
    try:
        return dict(json.loads((folder / REPORT).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise LinnetError(f"{folder / REPORT}: damaged: remove the folder") from error


def _refuse(uses: Sequence[Use], regions: Sequence[Region], message: str) -> NoReturn:
    print(text(uses, regions), file=sys.stderr)
    raise LinnetError(message)


def limited(target: CortexM, ram: int | None) -> tuple[Region, ...]:
    """The board's regions, that for data made smaller."""
    return tuple(
        replace(region, bytes=min(region.bytes, ram)) if ram is not None and region.name == target.data else region
        for region in target.regions
    )


def network_crc(graph: QGraph) -> int:
    """The same for all files of one network, whatever their plans."""
    return zlib.crc32(lnt_file.write(graph, []))


def shape_of(graph: QGraph) -> dropin.Shape:
    height, width, channels = graph.tensors[0].shape
    answer = graph.output
    outputs = answer.shape[0] * answer.shape[1] * answer.shape[2]
    kind = "int32_t" if answer.dtype == DType.int32 else "int8_t"
    return dropin.Shape(network_crc(graph), height, width * channels, len(graph.ops), outputs, kind)


def text(uses: Sequence[Use], regions: Sequence[Region]) -> str:
    """A table of who takes what."""
    rows: list[tuple[str, str, str]] = []
    for region in regions:
        own = [use for use in uses if use.region == region.name]
        rows += [(region.name, use.what, f"{use.bytes:,}") for use in own]
        if own:
            free = region.bytes - sum(use.bytes for use in own)
            rows.append((region.name, f"free of {region.bytes:,}", f"{free:,}"))
    return table(rows, ("region", "what", "bytes"))

"""From a .lnt file to a folder with firmware for one board and C for any other program."""

from __future__ import annotations

import json
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from linnet.errors import LinnetError
from linnet.format_gen import DType, Family
from linnet.report import table
from linnet_converter import budget, host_kernels, lnt_file
from linnet_converter.qgraph import QGraph
from linnet_converter.weights_read import weight_words

from . import Board, budgets, dropin
from .cortex_m import CortexM, Region
from .firmware import MODEL, Builder, Use, over

ELF, DROP_IN, REPORT = "firmware.elf", "c", "build.json"


@dataclass(frozen=True)
class Built:
    """What came of it. weight_words: that one inference reads.  uses: who takes what.

    regions: those of the board, as far as firmware may use them.  warnings: what it still needs to run.
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
    warnings: tuple[str, ...]


def build(
    graph: QGraph,
    board: Board,
    folder: Path,
    *,
    push_rows: bool,
    ram: int | None = None,
    stack: int | None = None,
    planned_for: Board | None = None,
) -> Built:
    """Write the folder, all of it or nothing.

    push_rows: whether the picture comes row by row, or must lie in RAM whole.  ram: bytes of the region for data, where
    less than the board's.  stack: its bytes, where not the board's default.  planned_for: where that is another board.
    Raises LinnetError where a tool is missing or something does not fit, after a table of who takes what on stderr.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_replaceable(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:40]}.") as name:
        made = Path(name) / "made"
        made.mkdir()
        built = _build(graph, board, made, Path(name), push_rows, ram, stack, planned_for or board)
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
    graph: QGraph,
    board: Board,
    made: Path,
    work: Path,
    push_rows: bool,
    ram: int | None,
    stack: int | None,
    planned_for: Board,
) -> Built:
    builder = Builder(board, stack, work)
    regions = limited(builder.target, ram)
    limit = budgets.for_board(planned_for, ram, stack)
    kernels = host_kernels.best(graph, [limit.family])
    try:
        plan = budget.choose(graph, limit, push_rows=push_rows, kernels=kernels)
    except LinnetError as error:
        target = planned_for.cortex_m or builder.target
        variables = Use(target.data, "variables", budgets.variables_bytes(graph))
        uses = [variables, Use(target.stack, "stack", builder.stack_bytes)]
        _refuse(uses, limited(target, ram), f"{board.name}: {error}")
    code = made / DROP_IN
    code.mkdir()
    sources = dropin.write(code, kernels.family, kernels.names, planned_for.name, builder.target.flags)
    data = lnt_file.write(graph, [plan], kernels if kernels.family != Family.ref else None)
    dropin.write_model(code, shape_of(graph), data, plan.arena_bytes)
    own = [code / "model.c", *(code / source for source in sources), *builder.firmware_sources()]
    builder.link([*builder.compile(own, code), *builder.boot()], made / ELF)
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
        warnings=tuple(_warnings(builder.target)),
    )
    for region, many in over(built.uses, regions):
        _refuse(
            built.uses, regions, f"{board.name}: {region.name} would need {many} bytes more than its {region.bytes}"
        )
    return built


def _warnings(target: CortexM) -> Iterator[str]:
    region = target.region(target.model)
    if not region.ready:
        yield (
            f"the start-up code does not set up {region.name}: a boot loader must map it to {region.origin:#010x}, and "
            f"the flash tool write {MODEL} there"
        )


def report(folder: Path) -> dict[str, Any]:
    """What `Built` said of a folder."""
    try:
        return dict(json.loads((folder / REPORT).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise LinnetError(f"{folder / REPORT}: damaged: remove the folder") from error


def _refuse(uses: Sequence[Use], regions: Sequence[Region], message: str) -> NoReturn:
    print(text(uses, regions), file=sys.stderr)
    raise LinnetError(message)


def with_model_in(board: Board, region: str) -> Board:
    """The board with the model in another of its regions. Raises LinnetError where it cannot be there."""
    target = board.cortex_m
    known = [each.name for each in target.regions if each.name not in {target.data, target.stack}] if target else []
    if target is None or region not in known:
        raise LinnetError(f"{board.name} has no memory {region!r} for a model; known are {', '.join(known) or 'none'}")
    return replace(board, cortex_m=replace(target, model=region))


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

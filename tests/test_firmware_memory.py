"""MobileNetV2 on emulated boards with little RAM: the picture pushed row by row, stack and buffers counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import converted
import numpy as np
import pytest

from linnet_boards import board, budgets, building, on_firmware
from linnet_converter import arch, recipe

pytestmark = pytest.mark.emulator

KIB = 1024


def run_within(name: str, ram: int, width: float, size: int, classes: int, folder: Path) -> dict[str, int]:
    """Build for the board with so much RAM, boot, run, compare every operator. What the RAM holds."""
    graph = converted.read(arch.mobilenet_v2(width, size, classes))
    made = converted.convert(graph, steps=recipe.QUALITIES["fast"], count=2, push_rows=True)
    path = folder / "m.lnt"
    path.write_bytes(made.data)
    machine = board(name)
    target = machine.cortex_m
    assert target
    regions = tuple(replace(r, bytes=ram) if r.name == target.data else r for r in target.regions)
    limited = replace(machine, cortex_m=replace(target, regions=regions))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_firmware, "board", lambda _: limited)
        with on_firmware.opened("emulator", name, path, folder / "made") as runner:
            picture = np.random.default_rng(7).integers(0, 256, (size, size, 3)).astype(np.uint8)
            there, _ = runner.verify(picture)
            assert len(set(there.output)) > 10  # a real answer
            assert there.stack_used < target.stack_bytes - 256
            assert runner.device.info.arena_bytes < ram
    report = building.report(folder / "made")
    uses = {use["what"]: use["bytes"] for use in report["uses"] if use["region"] == target.data}
    assert set(uses) == {"arena", "stack", "variables"}
    assert sum(uses.values()) <= ram
    assert uses["variables"] <= budgets.variables_bytes(made.graph) <= uses["variables"] + 32
    return uses


@pytest.fixture(autouse=True)
def _tools(require_tool: Callable[[str, str], str]) -> None:
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    require_tool("qemu-system-arm", "qemu-system-arm")


def test_64_kib(tmp_path: Path) -> None:
    """0.35@96 in the RAM of a small microcontroller."""
    run_within("mps2-an386", 64 * KIB, 0.35, 96, 10, tmp_path)


def test_256_kib(tmp_path: Path) -> None:
    """1.0@224 where the picture alone would take 147 KiB."""
    run_within("mps2-an500", 256 * KIB, 1.0, 224, 1000, tmp_path)

"""The C folder of `linnet build`, built with cmake as its users build it: here, for a microcontroller, in a project."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import no_compiler
import numpy as np
import pytest
import small_networks

import linnet
from linnet_boards import board, building
from linnet_converter.qgraph import QGraph


@pytest.fixture(autouse=True)
def _tools(require_tool: Callable[[str, str], str]) -> None:
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    require_tool("cmake", "cmake")
    require_tool("make", "make")


@pytest.fixture(scope="module")
def graph() -> QGraph:
    return small_networks.classifier(softmax=True)


@pytest.fixture(autouse=True)
def _no_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    no_compiler.install(monkeypatch)


def folder_for(graph: QGraph, name: str, tmp_path: Path) -> Path:
    building.build(graph, board(name), tmp_path / "made", push_rows=True)
    return tmp_path / "made" / building.DROP_IN


def cmake(source: Path, *options: str, target: str) -> Path:
    """Configure and build; the folder with what was built. Warnings are errors."""
    built = source.parent / "built"
    environment = os.environ | {"CFLAGS": "-Wall -Wextra -Werror"}
    configure = ["cmake", "-G", "Unix Makefiles", "-S", str(source), "-B", str(built), *options]
    for command in (configure, ["cmake", "--build", str(built), "--target", target]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Warning" not in done.stderr, done.stderr
    return built


def test_here(graph: QGraph, tmp_path: Path, cc: list[str]) -> None:
    """In somebody's project; the example, as its main(), classifies the grey picture as the library does."""
    code = folder_for(graph, "mps2-an385", tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.c").write_text((code / "example.c").read_text())
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\n"
        "project(theirs C)\n"
        f"add_subdirectory({code} network)\n"
        "add_executable(theirs main.c)\n"
        "target_link_libraries(theirs PRIVATE linnet_model)\n"
    )
    built = cmake(project, f"-DCMAKE_C_COMPILER={cc[0]}", target="theirs")
    grey = np.full(graph.tensors[0].shape, 128, np.uint8)
    answer = int(linnet.load(small_networks.lnt(graph)).run_quantized(grey).argmax())
    assert subprocess.run([built / "theirs"], check=False).returncode == answer


@pytest.mark.parametrize(("name", "architecture"), [("stm32f746-disco", "v7E-M"), ("mps3-an547", "v8.1-M.mainline")])
def test_for_a_microcontroller(name: str, architecture: str, graph: QGraph, tmp_path: Path) -> None:
    """The folder's toolchain file has the board's flags, and what the network does not use is not linked."""
    code = folder_for(graph, name, tmp_path)
    built = cmake(code, f"-DCMAKE_TOOLCHAIN_FILE={code / 'toolchain.cmake'}", target="linnet_example")
    attributes = subprocess.run(
        ["arm-none-eabi-readelf", "-A", built / "linnet_example"], capture_output=True, text=True, check=True
    ).stdout
    assert f"Tag_CPU_arch: {architecture}\n" in attributes
    listed = subprocess.run(["arm-none-eabi-nm", built / "linnet_example"], capture_output=True, text=True, check=True)
    symbols = {line.split()[-1] for line in listed.stdout.splitlines()}
    assert {"lnt_model", "lnt_open", "arena"} <= symbols
    assert not symbols & {"lnt_pack", "lnt_pack_constants", "q8_add_ref", "malloc"}

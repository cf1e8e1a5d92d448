"""What pyproject.toml cannot say: the C library is part of the package `linnet`, and the wheel fits any Python 3.

LINNET_TARGET=aarch64, armv7 or armv6 in the environment makes a wheel for that processor instead of this one.
Programs for boards (`make programs`) go into the wheel where they have been built.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from linnet_clib import ROOT, build, host_sources, sources
from linnet_cross import TARGETS, build_library
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

_NAME = os.environ.get("LINNET_TARGET")
TARGET = TARGETS[_NAME] if _NAME else None


class BuildLibrary(build_ext):
    """Builds a plain shared library (no Python.h), which cffi opens by name."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def build_extension(self, ext: Extension) -> None:
        output = Path(self.get_ext_fullpath(ext.name)).resolve()
        if TARGET:
            build_library(TARGET, output)
        else:
            build(output)


class PlatformWheel(bdist_wheel):
    """Tags the wheel py3-none-<platform>: it depends on the processor but not on the Python version."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", TARGET.wheel if TARGET else super().get_tag()[2]


class WithPrograms(build_py):
    """Adds the sources of firmware, and what `linnet deploy` copies to boards.

    A wheel for a board itself has no use for them.
    """

    def run(self) -> None:
        super().run()
        if not TARGET and not self.editable_mode:
            for folder in ("kernels_c", "boards/firmware"):
                copy = Path(self.build_lib, "linnet_boards/sources", folder)
                shutil.copytree(ROOT / folder, copy, dirs_exist_ok=True)
            shutil.copy(ROOT / "LICENSE", Path(self.build_lib, "linnet_boards/sources"))
        for name in TARGETS:
            program = ROOT / "build" / name / "linnet-run"
            if program.is_file() and not TARGET and not self.editable_mode:
                copy = Path(self.build_lib, "linnet_boards/programs", name, "linnet-run")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(program, copy)


setup(
    ext_modules=[
        Extension("linnet.liblinnet", [str(path.relative_to(ROOT)) for path in (*sources(), *host_sources())])
    ],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel, "build_py": WithPrograms},
    options={"build": {"build_base": "build/wheel"}},
)

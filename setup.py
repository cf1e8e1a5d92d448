"""What pyproject.toml cannot say: the C library is part of the package `linnet`, and the wheel fits any Python 3."""

from __future__ import annotations

from pathlib import Path

from linnet_clib import ROOT, build, host_sources, sources
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext


class BuildLibrary(build_ext):
    """Builds a plain shared library (no Python.h), which cffi opens by name."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def build_extension(self, ext: Extension) -> None:
        build(Path(self.get_ext_fullpath(ext.name)).resolve())


class PlatformWheel(bdist_wheel):
    """Tags the wheel py3-none-<platform>: it depends on the processor but not on the Python version."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension("linnet.liblinnet", [str(path.relative_to(ROOT)) for path in (*sources(), *host_sources())])
    ],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel},
    options={"build": {"build_base": "build/wheel"}},
)

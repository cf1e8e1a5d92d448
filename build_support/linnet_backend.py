"""setuptools' build backend, plus a C compiler from PyPI among the requirements where the machine has none."""

from __future__ import annotations

import shutil
from typing import Any

from linnet_clib import ROOT, requirements
from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return [*build_meta.get_requires_for_build_wheel(config_settings), *requirements()]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    return [*build_meta.get_requires_for_build_editable(config_settings), *requirements()]


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    # setuptools packs whatever lies in its build folder, also modules deleted since the last build
    shutil.rmtree(ROOT / "build/wheel", ignore_errors=True)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)

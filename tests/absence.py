"""What a test does where the machine lacks what it needs."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(message: str) -> NoReturn:
    """Skip the test, or fail it where LINNET_REQUIRE_EMULATORS says that everything is installed."""
    if os.environ.get("LINNET_REQUIRE_EMULATORS", "") not in {"", "0"}:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)

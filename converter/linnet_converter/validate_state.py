"""Where a validation has got to, in a small file, so that one that was stopped can go on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from linnet.errors import LinnetError
from linnet.files import write_atomic

from .pictures import warn
from .reference_cache import identity
from .tally import Tally

VERSION = 1
INTERVAL = 2.0
"""Seconds between two writings of the state."""

WHAT = {
    "model": "the model",
    "against": "the network it is compared with or its interpreter",
    "pictures": "the pictures",
    "labels": "the labels",
}


@dataclass(frozen=True)
class Settings:
    """What a result depends on, as hashes: a state of other settings is another result's."""

    model: str
    against: str
    pictures: str
    labels: str

    @staticmethod
    def of(model: str, against: str, paths: Iterable[Path], labels: Mapping[str, int] | None) -> Settings:
        """paths: of the pictures, whose names, sizes and times of change count."""
        listing = hashlib.sha256()
        for path in paths:
            about = path.stat()
            listing.update(os.fsencode(f"{path.absolute()}\0{about.st_size}\0{about.st_mtime_ns}\n"))
        named = "" if labels is None else _digest(json.dumps(sorted(labels.items())).encode())
        # the preprocessing is the model's
        return Settings(_of_file(model), identity(against, (), ()).hex(), listing.hexdigest(), named)


@dataclass
class State:
    """done: pictures that are counted or skipped, the first ones in their order."""

    settings: Settings
    done: int = 0
    skipped: int = 0
    tally: Tally = field(default_factory=Tally)

    def as_json(self) -> bytes:
        return json.dumps({"version": VERSION, **asdict(self)}).encode()  # Python writes floats so that they come back


class Checkpoint:
    """Writes a state now and then, to the file the user named, or to one in the user's cache."""

    def __init__(self, path: Path, state: State, named: bool) -> None:
        """named: by the user. Then it is an error where it cannot be written; else that is said once."""
        self.path = path
        self.state = state
        self._named = named
        self._given_up = False
        self._written = time.monotonic()

    def now_and_then(self) -> None:
        if time.monotonic() - self._written >= INTERVAL and not self._given_up:
            self.write()

    def write(self) -> None:
        """Raises LinnetError where a named file cannot be written."""
        try:
            if not self._named:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, self.state.as_json())
        except (LinnetError, OSError) as error:
            if self._named:
                raise
            self._given_up = True
            warn(f"this run cannot be resumed if it is stopped: {error}")
        self._written = time.monotonic()

    def remove(self) -> None:
        """The validation is complete."""
        if self.path.is_file():  # /dev/null, say, is left where it is
            self.path.unlink()


def default_path(model: str, against: str, folders: Iterable[str]) -> Path:
    """The state of validating this model with these files, in the user's cache."""
    names = [str(Path(name).absolute()) for name in (model, against, *folders)]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 knows no failure
    return Path(cache) / "linnet" / f"validate-{_digest(json.dumps(names).encode())[:20]}.json"


def read(path: Path) -> State | None:
    """The state in a file, None where there is no such file. Raises LinnetError where it is no state."""
    found = _contents(path)
    if found is None:
        return None
    try:
        if found.pop("version") != VERSION:
            raise LinnetError(f"{path}: the state of another version of Linnet: start anew, without --resume")
        tally = Tally(**found.pop("tally"))
        settings = Settings(**found.pop("settings"))
        return State(settings=settings, tally=tally, **found)
    except (TypeError, KeyError) as error:
        raise _no_state(path) from error


def check_replaceable(path: Path) -> None:
    """Raise LinnetError where there is a file that is no state, nor empty: it is somebody's."""
    if path.is_file() and path.stat().st_size:
        _contents(path)


def _contents(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LinnetError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise _no_state(path) from error
    if not isinstance(found, dict) or not {"version", "settings", "tally"} <= found.keys():
        raise _no_state(path)
    return found


def _no_state(path: Path) -> LinnetError:
    return LinnetError(f"{path}: this is no state of `linnet validate`: name another file, or leave --state out")


def check(path: Path, found: Settings, wanted: Settings) -> None:
    """Raise LinnetError, naming what differs, where a state is of other settings."""
    other = [WHAT[each.name] for each in fields(Settings) if getattr(found, each.name) != getattr(wanted, each.name)]
    if other:
        raise LinnetError(
            f"{path}: cannot go on, since it stopped {' and '.join(other)} changed: start anew, without --resume"
        )


def _of_file(path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise LinnetError(f"{path}: {error.strerror or error}") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

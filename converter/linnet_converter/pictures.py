"""Folders of pictures, for calibration and validation: one way from a file to pixels, linnet.image's."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from linnet import image
from linnet.errors import LinnetError

T = TypeVar("T")

NAMED_AT_MOST = 3
"""How many files an error names before it counts the rest."""


def warn(message: str) -> None:
    """One warning on stderr, in the form of the command's errors."""
    print("linnet: warning:", message, file=sys.stderr)


def find(folder: str | Path, limit: int | None = None) -> list[Path]:
    """Picture files directly in a folder (linnet.image.SUFFIXES), sorted by name; at most `limit`.

    Those are spread evenly over all, because names often sort by class. Raises LinnetError where the folder does not
    exist or holds none.
    """
    root = Path(folder)
    if not root.is_dir():
        raise LinnetError(f"{root}: no such folder of pictures")
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in image.SUFFIXES and path.is_file())
    if not found:
        raise LinnetError(f"{root}: no picture in this folder ({', '.join(s[1:] for s in image.SUFFIXES)})")
    return found if limit is None else spread(found, limit)


def find_all(folders: Sequence[str | Path], limit: int | None = None) -> list[Path]:
    """The picture files of several folders, one folder after another; at most `limit` in all, as `find` has it."""
    found = [path for folder in folders for path in find(folder)]
    return found if limit is None else spread(found, limit)


def spread(paths: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of them at equal distances, the first included."""
    count = min(max(limit, 1), len(paths))
    return [paths[i * len(paths) // count] for i in range(count)]


def read(
    paths: Iterable[Path], shape: tuple[int, int, int], on_unreadable: Callable[[str], None] = warn
) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """(file name, uint8 (height, width, channels)) of each picture, resized and cropped to the shape where it differs.

    A picture that cannot be read is passed over and handed to on_unreadable as one line naming it; LinnetError at the
    end where none could be read.
    """
    count = readable = 0
    for path in paths:
        count += 1
        try:
            pixels = image.fit(image.read_image(path), *shape)
        except LinnetError as error:
            reason = str(error)
            on_unreadable(f"skipped {reason}" if reason.startswith(str(path)) else f"skipped {path}: {reason}")
            continue
        readable += 1
        yield path.name, pixels
    if not readable:
        raise LinnetError(f"none of the {count} pictures could be read")


def labels(csv_file: str | Path, offset: int = 0) -> dict[str, int]:
    """File name -> class, of a CSV file with a header line and columns `file` and `class_index` (others are ignored).

    offset is added to each class: 1 for a network whose class 0 is "background". Raises LinnetError naming file and
    line.
    """
    path = Path(csv_file)
    classes: dict[str, int] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            missing = [name for name in ("file", "class_index") if name not in (reader.fieldnames or ())]
            if missing:
                raise LinnetError(f"{path}: no column {missing[0]!r} in its first line (expected file,class_index,...)")
            for row in reader:
                try:
                    value = int(row["class_index"]) + offset
                except (TypeError, ValueError) as error:
                    raise LinnetError(
                        f"{path}:{reader.line_num}: class_index is {row['class_index']!r}, expected a whole number"
                    ) from error
                if not row["file"]:
                    raise LinnetError(f"{path}:{reader.line_num}: this line names no file")
                if classes.setdefault(row["file"], value) != value:
                    raise LinnetError(f"{path}:{reader.line_num}: {row['file']!r} has two different classes")
    except OSError as error:
        raise LinnetError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LinnetError(f"{path}: not a CSV file in UTF-8") from error
    return classes


def check_labels(paths: Sequence[Path], folders: Sequence[str | Path], classes: dict[str, int]) -> None:
    """Raise LinnetError where a picture has no label, a labelled one is in no folder, or two have the same name."""
    where = ", ".join(map(str, folders))
    unlabelled = [path.name for path in paths if path.name not in classes]
    if unlabelled:
        raise LinnetError(f"{_names(unlabelled)} in {where}: no such file in the labels' CSV")
    absent = [name for name in classes if not any((Path(folder) / name).is_file() for folder in folders)]
    if absent:
        raise LinnetError(f"{_names(absent)} of the labels' CSV: not in {where}")
    twice = [name for name, count in Counter(path.name for path in paths).items() if count > 1]
    if twice:
        raise LinnetError(f"{_names(twice)}: in two of the folders {where}, and the labels' CSV has one class for each")


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")

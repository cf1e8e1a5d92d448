"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from linnet.errors import LinnetError


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file or leave what was there. Raises LinnetError, naming the file, where that is not possible.

    What is no regular file, such as /dev/stdout, is written to as it is.
    """
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        target = target.resolve()  # behind a symbolic link, the file that it names
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would surprise whoever copies the file
            temporary.replace(target)
        except BaseException:
            temporary.unlink()
            raise
    except OSError as error:
        raise LinnetError(f"{path}: cannot be written: {error.strerror or error}") from error

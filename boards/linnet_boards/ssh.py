"""Commands on another machine through OpenSSH as the user has set it up: keys, ~/.ssh/config, jump hosts."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

from linnet.errors import LinnetError

OPTIONS = (
    "-o", "ConnectTimeout=15",
    "-o", "ServerAliveInterval=5",
    "-o", "ServerAliveCountMax=3",
)  # fmt: skip
"""A board that has lost its power is noticed after 15 seconds."""

_LOST = 255
"""ssh's own exit status; any other is the command's."""

# What ssh says, and what to do. Trying again helps with none of these.
_REFUSALS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not that of before: if its system is new, `ssh-keygen -R HOST`; if not, do not connect",
    ),
    (r"Host key verification failed", "its host key is not known: accept it with `ssh {where}` once"),
    (r"Permission denied", "it takes none of your keys: `ssh-copy-id {where}`"),
    (r"Could not resolve hostname", "there is no host of this name: try HOST.local, or its address"),
    (r"Bad configuration option|terminating, \d+ bad configuration", "ssh does not take your ~/.ssh/config"),
)


class ConnectionLostError(LinnetError):
    """The connection broke, or there was none: trying again may help."""


class CommandError(LinnetError):
    """A command ended with another status than 0. complaint: the last line that it wrote to stderr."""

    def __init__(self, where: str, status: int, complaint: str) -> None:
        super().__init__(f"{where}: {complaint or f'a command ended with status {status}'}")
        self.status = status
        self.complaint = complaint


class Shell(Protocol):
    """A POSIX shell somewhere. where: how messages call the place."""

    @property
    def where(self) -> str: ...

    def run(self, command: Sequence[str], data: bytes = b"") -> bytes:
        """Its stdout. data: its stdin. Raises CommandError, ConnectionLostError, LinnetError."""
        ...


class LocalShell:
    """This machine."""

    where = "this machine"

    def run(self, command: Sequence[str], data: bytes = b"") -> bytes:
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        if done.returncode:
            raise CommandError(self.where, done.returncode, last_line(done.stderr))
        return done.stdout


class Ssh:
    """A machine that ssh reaches, through one connection that all commands share. Close it, or use `with`.

    The command `ssh` may be another one, with options: LINNET_SSH in the environment.
    """

    def __init__(self, where: str) -> None:
        """where: what ssh takes: HOST, USER@HOST, ssh://USER@HOST:PORT or a name in ~/.ssh/config."""
        if not where or where.startswith("-") or any(character.isspace() for character in where):
            raise LinnetError(f"{where!r} is no host: give USER@HOST, or a name from ~/.ssh/config")
        self.where = where
        # a socket's path must be short, which that in TMPDIR need not be
        self._folder = tempfile.mkdtemp(prefix="linnet-ssh-", dir="/tmp")
        self._ssh = [*shlex.split(os.environ.get("LINNET_SSH", "ssh")), *OPTIONS]
        self._ssh += ["-o", "ControlMaster=auto", "-o", f"ControlPath={self._folder}/%C", "-o", "ControlPersist=60"]

    def run(self, command: Sequence[str], data: bytes = b"") -> bytes:
        with self._start(command) as process:
            stdout, stderr = process.communicate(data)
        self._check(process.returncode, stderr)
        return stdout

    def lines(self, command: Sequence[str], data: bytes) -> Iterator[bytes]:
        """Whole lines of its stdout as they come, without their ends. data goes in meanwhile."""
        with self._start(command) as process:
            assert process.stdin and process.stdout and process.stderr
            complaints: list[bytes] = []
            stderr = process.stderr
            threads = [
                threading.Thread(target=_feed, args=(process.stdin, data), daemon=True),
                threading.Thread(target=lambda: complaints.append(stderr.read()), daemon=True),
            ]
            for thread in threads:
                thread.start()
            try:
                for line in process.stdout:
                    if line.endswith(b"\n"):
                        yield line[:-1]
            finally:
                if process.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(5)
                process.kill()
                for thread in threads:
                    thread.join()
        self._check(process.returncode, b"".join(complaints))

    def close(self) -> None:
        """End the shared connection. Nothing of it stays on either side."""
        if os.path.isdir(self._folder) and os.listdir(self._folder):  # noqa: PTH112, PTH208
            subprocess.run([*self._ssh, "-O", "exit", self.where], capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Ssh:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self._ssh, "-T", self.where, shlex.join(command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise LinnetError(f"cannot run {self._ssh[0]}: apt install openssh-client") from error

    def _check(self, status: int, stderr: bytes) -> None:
        if status == 0:
            return
        text = stderr.decode("utf-8", "replace")
        if status != _LOST:
            raise CommandError(self.where, status, last_line(stderr))
        for pattern, advice in _REFUSALS:
            if re.search(pattern, text):
                raise LinnetError(f"{self.where}: {advice.format(where=self.where)}")
        raise ConnectionLostError(f"{self.where}: {last_line(stderr) or 'the connection broke'}")


def _feed(stdin: object, data: bytes) -> None:
    """Write data, as far as somebody reads it."""
    with contextlib.suppress(OSError):
        stdin.write(data)  # type: ignore[attr-defined]
    with contextlib.suppress(OSError):
        stdin.close()  # type: ignore[attr-defined]


def last_line(stderr: bytes) -> str:
    """The last line that is not empty."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""

"""Commands on another machine through OpenSSH as the user has set it up: keys, ~/.ssh/config, jump hosts."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from subprocess import PIPE, Popen
from typing import IO, Protocol

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
        try:
            self._ssh = [*shlex.split(os.environ.get("LINNET_SSH") or "ssh"), *OPTIONS]
        except ValueError as error:
            raise LinnetError(f"LINNET_SSH is no command: {error}") from error
        # a socket's path must be short, which that in TMPDIR need not be
        self._folder = tempfile.mkdtemp(prefix="linnet-ssh-", dir="/tmp")
        self._ssh += ["-o", "ControlMaster=auto", "-o", f"ControlPath={self._folder}/%C", "-o", "ControlPersist=60"]

    def run(self, command: Sequence[str], data: bytes = b"") -> bytes:
        with _file(data) as stdin, _file() as stderr:
            with self._there():
                done = subprocess.run(self._remote(command), stdin=stdin, stdout=PIPE, stderr=stderr, check=False)
            self._check(done.returncode, stderr)
        return done.stdout

    def lines(self, command: Sequence[str], data: bytes) -> Iterator[bytes]:
        """Whole lines of its stdout as they come, without their ends. data goes in meanwhile."""
        with _file(data) as stdin, _file() as stderr:
            with self._there():
                process = Popen(self._remote(command), stdin=stdin, stdout=PIPE, stderr=stderr)
            with process:
                assert process.stdout
                try:
                    for line in process.stdout:
                        if line.endswith(b"\n"):
                            yield line[:-1]
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(5)
                finally:
                    process.kill()
            self._check(process.returncode, stderr)

    def close(self) -> None:
        """End the shared connection. Nothing of it stays on either side."""
        if os.path.isdir(self._folder) and os.listdir(self._folder):  # noqa: PTH112, PTH208
            subprocess.run([*self._ssh, "-O", "exit", self.where], capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Ssh:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remote(self, command: Sequence[str]) -> list[str]:
        return [*self._ssh, "-T", self.where, shlex.join(command)]

    @contextlib.contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise LinnetError(f"cannot run {self._ssh[0]}: apt install openssh-client") from error

    def _check(self, status: int, stderr: IO[bytes]) -> None:
        if status == 0:
            return
        stderr.seek(0)
        said = stderr.read()
        text = said.decode("utf-8", "replace")
        if status != _LOST:
            raise CommandError(self.where, status, last_line(said))
        for pattern, advice in _REFUSALS:
            if re.search(pattern, text):
                raise LinnetError(f"{self.where}: {advice.format(where=self.where)}")
        raise ConnectionLostError(f"{self.where}: {last_line(said) or 'the connection broke'}")


def _file(data: bytes = b"") -> IO[bytes]:
    """For stdin and stderr. Nobody blocks on a file, and it has an end even where the connection that stays open, and
    holds what it was given, has none.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 whoever asks closes it
    file.write(data)
    file.seek(0)
    return file


def last_line(stderr: bytes) -> str:
    """The last line that is not empty."""
    lines = [line for line in map(printable, stderr.decode("utf-8", "replace").splitlines()) if line]
    return lines[-1] if lines else ""


def printable(text: str) -> str:
    """What another machine says, on one line and without what would command this terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())

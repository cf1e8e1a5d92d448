"""Running a deployed model on a board."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError

from .deployment import Deployed, deploy
from .ssh import CommandError, ConnectionLostError, Ssh

BATCH_BYTES = 4 << 20
"""About so much of pictures goes over in one command."""

PATIENCE = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between attempts to connect again. An answer that arrives begins them anew."""


@dataclass
class Device:
    """A model on a board. kernels, threads: as linnet-run has them."""

    ssh: Ssh
    deployed: Deployed
    kernels: str | None = None
    threads: int = 1

    @classmethod
    def of(
        cls,
        ssh: Ssh,
        model: str | Path,
        kernels: str | None = None,
        threads: int = 1,
        say: Callable[[str], None] = lambda _: None,
    ) -> Device:
        """Deploys the model where it is not there yet. Raises LinnetError."""
        return cls(ssh, deploy(ssh, Path(model), say=say), kernels, threads)

    def answers(
        self,
        inputs: Iterable[npt.NDArray[Any]],
        operator: int | None = None,
        on_retry: Callable[[str], None] = lambda _: None,
        patience: Sequence[float] | None = None,
    ) -> Iterator[tuple[npt.NDArray[np.int32], int]]:
        """For each prepared input, in order: (values,) of the answer, or of what an operator computed, NHWC; and the
        nanoseconds that it took there.

        They go over in batches. Where the connection breaks, it is made anew, and the first input without an answer is
        the next. on_retry: is told why. patience: instead of PATIENCE.
        Raises ConnectionLostError when all patience is used up.
        """
        stream = iter(inputs)
        first = next(stream, None)
        if first is None:
            return
        size = max(1, BATCH_BYTES // first.nbytes)
        batch = [first, *islice(stream, size - 1)]
        while batch:
            yield from self._batch(batch, operator, on_retry, patience or PATIENCE)
            batch = list(islice(stream, size))

    def _batch(
        self,
        batch: Sequence[npt.NDArray[Any]],
        operator: int | None,
        on_retry: Callable[[str], None],
        patience: Sequence[float],
    ) -> Iterator[tuple[npt.NDArray[np.int32], int]]:
        done = failures = 0
        command = self._command("--stream", *([] if operator is None else ["--operator", str(operator)]))
        while done < len(batch):
            data = b"".join(np.ascontiguousarray(each).tobytes() for each in batch[done:])
            try:
                for line in self.ssh.lines(command, data):
                    answer = _parsed(self.ssh.where, line)
                    done += 1
                    yield np.array(answer["values"], np.int32), int(answer["nanoseconds"])
                    failures = 0
                if done < len(batch):
                    raise ConnectionLostError(f"{self.ssh.where}: the answers stopped")
            except ConnectionLostError as error:
                if done == len(batch):
                    return  # it broke when everything had been said
                if failures == len(patience):
                    raise
                on_retry(str(error))
                time.sleep(patience[failures])
                failures += 1
            except CommandError as error:
                raise _explained(error) from error

    def bench(self, values: npt.NDArray[Any], warmup: int, runs: int, profile: int) -> dict[str, Any]:
        """What linnet-run prints for --bench, --profile and one prepared input."""
        return self._json(values, "--warmup", str(warmup), "--bench", str(runs), "--profile", str(profile))

    def hashes(self, values: npt.NDArray[Any]) -> tuple[int, ...]:
        """A hash of what each operator computes (`hashes.of_values`)."""
        return tuple(int(found, 16) for found in self._json(values, "--hashes")["hashes"])

    def _json(self, values: npt.NDArray[Any], *options: str) -> dict[str, Any]:
        data = np.ascontiguousarray(values).tobytes()
        try:
            return _parsed(self.ssh.where, self.ssh.run(self._command("-", *options), data))
        except CommandError as error:
            raise _explained(error) from error

    def _command(self, *options: str) -> list[str]:
        kernels = [] if self.kernels is None else ["--kernels", self.kernels]
        return [self.deployed.program, self.deployed.model, *options, *kernels, "--threads", str(self.threads)]


def _parsed(where: str, text: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise LinnetError(f"{where}: linnet-run printed what is no JSON: {text[:60]!r}") from error
    return found


def _explained(error: CommandError) -> LinnetError:
    if error.status > 128:
        signal = error.status - 128
        what = "there is not enough memory, or somebody ended it" if signal == 9 else "please report this"
        return LinnetError(f"{error}: linnet-run was ended by signal {signal}: {what}")
    return error

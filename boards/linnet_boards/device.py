"""Running a deployed model on a board."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linnet.errors import LinnetError
from linnet.modelfile import ModelFile

from .deployment import Deployed, deploy
from .programs import parsed, sensible
from .ssh import CommandError, ConnectionLostError, Ssh

BATCH_BYTES = 4 << 20
"""About so much of pictures goes over in one command."""

PATIENCE = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between attempts to connect again. An answer that arrives begins them anew."""


@dataclass
class Device:
    """A model on a board. sizes: how many values each operator computes.  kernels, ram, threads: as `linnet.load` has
    them.
    """

    ssh: Ssh
    deployed: Deployed
    sizes: tuple[int, ...]
    kernels: str | None = None
    ram: int | None = None
    threads: int = 1

    @classmethod
    def of(
        cls,
        ssh: Ssh,
        model: str | Path,
        kernels: str | None = None,
        ram: int | None = None,
        threads: int = 1,
        say: Callable[[str], None] = lambda _: None,
    ) -> Device:
        """Deploys the model where it is not there yet. Raises LinnetError."""
        deployed = deploy(ssh, Path(model), say=say)
        file = ModelFile(Path(model).read_bytes())
        outputs = [file.tensors[int(op["output"])] for op in file.ops]
        sizes = tuple(int(out["height"]) * int(out["width"]) * int(out["channels"]) for out in outputs)
        return cls(ssh, deployed, sizes, kernels, ram, threads)

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
                    answer = self._answer(line, -1 if operator is None else operator)
                    if done == len(batch):
                        raise LinnetError(f"{self.ssh.where}: more answers came than were asked for")
                    done += 1
                    yield answer
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

    def _answer(self, line: bytes, operator: int) -> tuple[npt.NDArray[np.int32], int]:
        found = parsed(self.ssh.where, line)
        with sensible(self.ssh.where):
            return np.array(found["values"], np.int32).reshape(self.sizes[operator]), int(found["nanoseconds"])

    def bench(self, values: npt.NDArray[Any], warmup: int, runs: int, profile: int) -> dict[str, Any]:
        """What linnet-run prints for --bench, --profile and one prepared input."""
        return self._json(values, "--warmup", str(warmup), "--bench", str(runs), "--profile", str(profile))

    def hashes(self, values: npt.NDArray[Any]) -> tuple[int, ...]:
        """A hash of what each operator computes (`hashes.of_values`)."""
        with sensible(self.ssh.where):
            return tuple(int(found, 16) for found in self._json(values, "--hashes")["hashes"])

    def _json(self, values: npt.NDArray[Any], *options: str) -> dict[str, Any]:
        data = np.ascontiguousarray(values).tobytes()
        try:
            return parsed(self.ssh.where, self.ssh.run(self._command("-", *options), data))
        except CommandError as error:
            raise _explained(error) from error

    def _command(self, *options: str) -> list[str]:
        return [
            *(self.deployed.program, self.deployed.model, *options, "--threads", str(self.threads)),
            *([] if self.kernels is None else ["--kernels", self.kernels]),
            *([] if self.ram is None else ["--arena", str(self.ram)]),
        ]


def _explained(error: CommandError) -> LinnetError:
    if error.status > 128:
        signal = error.status - 128
        what = "there is not enough memory, or somebody ended it" if signal == 9 else "please report this"
        return LinnetError(f"{error}: linnet-run was ended by signal {signal}: {what}")
    return error

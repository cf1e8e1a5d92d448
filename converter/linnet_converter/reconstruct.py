"""Learn biases, scales and ranges of an int8 network from the float one: what `--quality best` adds.

First block by block: each block's output is brought near the float network's, on what the blocks ahead of it give as
they are quantized now, and no gradient leaves its block (Li et al. 2021, BRECQ, arXiv 2102.05426). Then the whole, by
its logits and what the dense layer reads (distillation, Hinton et al. 2015, arXiv 1503.02531). The network is an int8
one at every step, through straight-through roundings, so that it can be measured at any. Integer weights stay what they
are: on a hundred pictures, learned ones do worse (docs/quantization.md).

First it is tried: a quarter of the pictures is held back, from the network that learning starts with as well, and the
end of the schedule is measured on those, once, in the integer arithmetic. Where its error is surely less than at the
start, the same is done again with all pictures, and that is taken; otherwise nothing is. Learning on a hundred pictures
would learn them by heart, so there are random crops and mirror images of them, small steps, and the mean of the last
steps' parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from . import augment, float_model, mixed, quantize, recipe
from .graph import Graph
from .held_out import HeldOut, fed, surely_less
from .plan import Plan
from .quantize import Preprocessing
from .recipe import Recipe, Stage, Track
from .twin import Twin

FEWEST = 8
"""Pictures below which nothing is learned."""

STEPS = 400
BLOCKS = 0.25
"""The share of the steps that goes to blocks."""

BATCH = 16
COPIES = 8
"""Variations of each picture to learn from."""

HELD_COPIES = 7
"""Variations of each held-back picture, so that few of them tell more."""

_RATES = {"bias": 4e-3, "gain": 1e-4, "scale": 1e-4, "zero": 4e-3}
"""Adam's step for each kind of parameter: zero points and biases in steps of the grid, the others relative."""

_KEPT = 1 << 16
"""Bytes up to which what the float network says of a picture is kept: it is asked some seven times."""

_WARM_UP = 20
_MEMORY = 0.98
"""Of the mean of the parameters, per step."""

_LOGITS_STEPS = 256
"""Biases of the logits are learned in steps of their deviation divided by this."""

Pictures = Sequence[npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Learned:
    """What came of it.

    stages: of the network that was learned from all pictures; none where the one that was tried was not surely better
    than what it began with.  before_db, after_db: SQNR of the logits on held-back pictures: before, and after learning
    from the others.  steps: how many the last network took.
    """

    stages: tuple[Stage, ...]
    before_db: float
    after_db: float
    steps: int


def reconstruct(
    graph: Graph,
    pictures: Pictures,
    preprocessing: Preprocessing,
    steps: Recipe,
    plan: Plan,
    seconds: float,
    track: Track,
    tell: Callable[[str], None],
) -> Learned:
    """Try, and learn from all pictures if it helps, in at most so many seconds; half of them for each.

    graph: the float network as it was read.  plan: one for its shapes.  tell: takes one line on how long it will last.
    """
    if len(pictures) < FEWEST:
        tell(f"{len(pictures)} pictures are too few to learn from: at least {FEWEST}")
        return Learned((), float("nan"), float("nan"), 0)
    held_back, shown = pictures[::4], [picture for i, picture in enumerate(pictures) if i % 4]

    def learn(pictures: Pictures, tell: Callable[[str], None]) -> tuple[list[Stage], int]:
        return _learn(graph, pictures, preprocessing, steps, plan, seconds / 2, track, tell)

    stages, taken = learn(shown, tell)
    start, end = (quantize.quantize(stage.graph, stage.ranges, preprocessing) for stage in stages[-2:])
    held = HeldOut(graph, start, plan, augment.with_variations(held_back, HELD_COPIES, seed=1))
    before, after = held.errors(start), held.errors(end)
    if not surely_less(after, before, len(held_back)):
        return Learned((), held.db(before), held.db(after), taken)
    stages, taken = learn(pictures, lambda _: None)
    return Learned(tuple(stages), held.db(before), held.db(after), taken)


def _learn(
    graph: Graph,
    pictures: Pictures,
    preprocessing: Preprocessing,
    steps: Recipe,
    plan: Plan,
    seconds: float,
    track: Track,
    tell: Callable[[str], None],
) -> tuple[list[Stage], int]:
    """Stages of the network, the last of which was learned, and the number of steps that were taken."""
    began = time.monotonic()
    stages = list(recipe.stages(graph, pictures, preprocessing, steps, track))
    quantized = quantize.quantize(stages[-1].graph, stages[-1].ranges, preprocessing)
    deviation = float(np.std(HeldOut(graph, quantized, plan, pictures).wanted)) or 1.0
    twin = Twin(stages[-1], preprocessing, deviation / _LOGITS_STEPS)
    pool = augment.with_variations(pictures, COPIES, seed=2)
    school = _School(twin, _Teacher(recipe.as_floats(stages), twin, pool))
    ready = time.monotonic()
    if ready - began > seconds / 2:
        tell(f"{(ready - began) / seconds:.0%} of the time went into what learning starts from: give it more --time")
    step, progress, longest, lap = 0, 0.0, 0.0, ready
    for step in track(range(1, STEPS + 1), "reconstructing"):
        longest, lap = max(longest, time.monotonic() - lap), time.monotonic()
        pace = (lap - ready) / (step - 1) if step > 1 else 0.0
        left = began + seconds - lap - longest
        affordable = left / pace if pace else STEPS * (left > 0)
        # where time is short, fewer steps go through the same schedule
        progress += (1 - progress) / max(min(affordable, (1 - progress) * STEPS), 1.0)
        school.step(progress)
        if step == _WARM_UP:
            needs = ready - began + (time.monotonic() - ready) / step * STEPS
            tell(f"learning takes about {2 * min(needs, seconds) / 60:.1f} of at most {2 * seconds / 60:.1f} minutes")
        if progress >= 1:
            break
    return [*stages, school.mean_stage()], step


class _Teacher:
    """The float network: outputs of all blocks, and what its logits are made of."""

    def __init__(self, floats: Graph, twin: Twin, pool: Pictures) -> None:
        self.pool, self._ends, self._goals = pool, twin.ends, [twin.features, twin.ends[-1]]
        names = [*dict.fromkeys([*self._ends, *self._goals])]
        self._session = float_model.session(mixed.to_onnx(floats, twin.quantized, (), names))
        self._known: dict[int, list[npt.NDArray[np.float32]]] = {}

    def __call__(self, picked: Sequence[int], feeds: npt.NDArray[np.float32], *, apart: bool) -> dict[str, Any]:
        """What is wanted of each block (apart), or at the end, by tensor, for the pool's pictures `picked`."""
        names = self._ends if apart else self._goals
        answers = []
        for index, feed in zip(picked, feeds, strict=True):
            answer = None if apart else self._known.get(index)
            if answer is None:
                answer = self._session.run(names, {mixed.PIXELS: feed[None]})
                if not apart and sum(value.nbytes for value in answer) <= _KEPT:
                    self._known[index] = answer
            answers.append(answer)
        return {
            name: torch.from_numpy(np.concatenate(values))
            for name, values in zip(names, zip(*answers, strict=True), strict=True)
        }


def _energy(wanted: Any) -> Any:
    """Mean square, or a little where there is nothing but zeros."""
    return wanted.square().mean().clamp_min(1e-12)


class _School:
    """The optimizer and the mean of its parameters."""

    def __init__(self, twin: Twin, teacher: _Teacher) -> None:
        self.twin, self.teacher = twin, teacher
        kinds = twin.parameters()
        self._all = [parameter for kind in kinds.values() for parameter in kind]
        self._adam = torch.optim.Adam([{"params": kinds[kind], "kind": kind} for kind in kinds], betas=(0.9, 0.99))
        self._means = [parameter.detach().clone() for parameter in self._all]
        self._random = np.random.default_rng(3)
        self._left: list[int] = []
        self._steps = 0

    def _draw(self) -> list[int]:
        """A batch of the pool; every picture comes once before any comes again."""
        if len(self._left) < BATCH:
            self._left += [int(i) for i in self._random.permutation(len(self.teacher.pool))]
        picked, self._left = self._left[:BATCH], self._left[BATCH:]
        return picked

    def step(self, progress: float) -> None:
        """progress: the share of the schedule that is over after this step, 0..1."""
        self._steps += 1
        apart = progress <= BLOCKS
        share = progress / BLOCKS if apart else (progress - BLOCKS) / (1 - BLOCKS)
        rate = min(self._steps / _WARM_UP, 1.0) * (0.5 + 0.5 * float(np.cos(np.pi * min(share, 1.0))))
        for group in self._adam.param_groups:
            group["lr"] = _RATES[group["kind"]] * rate
        picked = self._draw()
        feeds = fed([self.teacher.pool[index] for index in picked])
        wanted = self.teacher(picked, feeds, apart=apart)
        made = self.twin.forward(torch.from_numpy(feeds).contiguous(memory_format=torch.channels_last), apart=apart)
        loss = sum((made[name] - right).square().mean() / _energy(right) for name, right in wanted.items())
        self._adam.zero_grad()
        loss.backward()
        self.twin.mask()
        self._adam.step()
        keep = min(_MEMORY, self._steps / (self._steps + 10))
        with torch.no_grad():
            for mean, parameter in zip(self._means, self._all, strict=True):
                mean.mul_(keep).add_(parameter, alpha=1 - keep)

    def mean_stage(self) -> Stage:
        """The network of the mean parameters."""
        with torch.no_grad():
            now = [parameter.detach().clone() for parameter in self._all]
            for parameter, mean in zip(self._all, self._means, strict=True):
                parameter.copy_(mean)
            made = self.twin.stage()
            for parameter, kept in zip(self._all, now, strict=True):
                parameter.copy_(kept)
        return made

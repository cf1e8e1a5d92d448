"""Mutations of what `--quality best` adds; those of torch's part are tried where torch is installed."""

from __future__ import annotations

from . import Mutation

CONVERTER = "converter/linnet_converter/"
HELD_OUT = "tests/test_held_out.py"
LEARNING = "tests/test_reconstruct.py"

MUTATIONS = (
    Mutation(
        "held out: pictures as one",
        CONVERTER + "held_out.py",
        "(than - errors).reshape(-1, groups).sum(axis=0)",
        "(than - errors)",
        f"{HELD_OUT} -k agree",
    ),
    Mutation(
        "held out: standard errors",
        CONVERTER + "held_out.py",
        "> 2 * gains.std(ddof=1)",
        "> 0 * gains.std(ddof=1)",
        f"{HELD_OUT} -k agree",
    ),
    Mutation(
        "variations: mirrored",
        CONVERTER + "augment.py",
        "part[:, ::-1] if rng",
        "part[::-1] if rng",
        f"{HELD_OUT} -k mirrored",
    ),
    Mutation(
        "trial: its time",
        CONVERTER + "trial.py",
        "now - began + longest > seconds",
        "now - began > 600 + seconds",
        "tests/test_corrections.py -k search",
    ),
    Mutation(
        "learning: gradient of the scale",
        CONVERTER + "twin.py",
        "(_dot(gradient, made) - _dot(passed, x))",
        "(_dot(gradient, made) - _dot(gradient, x))",
        f"{LEARNING} -k gradients_of",
    ),
    Mutation(
        "learning: gradient of the zero",
        CONVERTER + "twin.py",
        "(passed.sum() - gradient.sum()) * ctx.step",
        "(gradient.sum() - passed.sum()) * ctx.step",
        f"{LEARNING} -k gradients_of",
    ),
    Mutation(
        "adaround: its regularizer",
        CONVERTER + "adaround.py",
        "if over > 0:",
        "if over > 1:",
        "tests/test_corrections.py -k adaround_ends",
    ),
    Mutation(
        "learning: blocks apart",
        CONVERTER + "twin.py",
        "value.detach() if apart else value",
        "value",
        f"{LEARNING} -k stay_in_their_block",
    ),
    Mutation(
        "learning: scales from elsewhere",
        CONVERTER + "twin.py",
        "scalable=(weights.abs().amax((1, 2, 3)) >= _FULL).float()",
        "scalable=(weights.abs().amax((1, 2, 3)) >= 0).float()",
        f"{LEARNING} -k twin_is",
    ),
    Mutation(
        "learning: gains",
        CONVERTER + "twin.py",
        "scale=start.scale * np.exp(gain)",
        "scale=start.scale",
        f"{LEARNING} -k twin_is",
    ),
    Mutation(
        "learning: nothing better",
        CONVERTER + "reconstruct.py",
        "if not surely_less(after, before, len(held_back)):",
        "if False:",
        f"{LEARNING} -k not_better",
    ),
)

"""Another way to lower the objective of rounding.py, `--rounding adaround`: over soft roundings. It needs torch.

Nagel et al. 2020 (AdaRound, arXiv 2004.10568), section 3.2: a weight is its floor plus h, h a rectified sigmoid of a
free variable (equations 22 and 23); gradient steps lower d' H d while a regularizer (equation 24), blunt first and then
sharp, drives every h to 0 or 1. As the objective is a layer's own (equation 13), every step sees all of its inputs.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .graph import FloatArray

STEPS = 1000
RATE = 0.02
REGULARIZER = 1.0
"""Beside d' H d with a mean of 1 on H's diagonal. From 0.2 to 2 no layer ends elsewhere by more than a few percent."""

_WARM_UP = 0.2
"""The share of the steps that goes without the regularizer."""
_BLUNT, _SHARP = 20.0, 2.0
_LOW, _HIGH = -0.1, 1.1


def soften(target: FloatArray, moments: FloatArray) -> FloatArray:
    """Integers next to target (out, taps), each its floor or ceiling, for which d' H d is small in each row.

    target: weights in units of their scale, in [-127, 127].  moments: H, (taps, taps) for all rows or (out, taps,
    taps), damped (rounding.covariance). A weight that is an integer stays. Going on weight by weight
    (rounding.descend) may still lower d' H d.
    """
    low = np.floor(target)
    size = np.einsum("...ii->...i", moments).mean(axis=-1)[..., None, None]
    share, h = (torch.tensor(each, dtype=torch.float32) for each in (target - low, moments / size))
    free = torch.logit((share - _LOW) / (_HIGH - _LOW)).requires_grad_()
    between = share > 0
    # every step sees everything, so that there is nothing to smooth, and no momentum to fade into slow denormals
    adam = torch.optim.Adam([free], lr=RATE, betas=(0.0, 0.999))
    for step in range(STEPS):
        soft = (torch.sigmoid(free) * (_HIGH - _LOW) + _LOW).clamp(0, 1) * between
        off = soft - share
        loss = (off * ((off @ h) if h.ndim == 2 else (off[:, None] @ h)[:, 0])).sum()
        over = (step / STEPS - _WARM_UP) / (1 - _WARM_UP)
        if over > 0:
            sharpness = _SHARP + (_BLUNT - _SHARP) * (0.5 + 0.5 * math.cos(math.pi * over))
            loss = loss + REGULARIZER * (1 - (2 * soft - 1).abs().pow(sharpness)).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    up = (free.detach() > 0).numpy()
    return np.where(target > low, low + up, target)

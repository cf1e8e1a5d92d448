"""Whether a board ran as fast as it can: the firmware's throttling bits, else what the kernel says."""

from __future__ import annotations

from .probe import Machine

_BITS = (
    (0x1, "its voltage is too low: use the board's own power supply and a short cable"),
    (0x2, "its clock is capped: look at voltage and temperature"),
    (0x4, "it is throttled: cool it"),
    (0x8, "it is at its soft temperature limit: cool it"),
)
"""Of `vcgencmd get_throttled`, now; the same 16 bits further up: since it was started."""

_SINCE = 16


def complaints(machine: Machine) -> list[str]:
    """What slows a machine down now, each with what to do."""
    found = []
    if machine.throttled is not None:
        found += [text for bit, text in _BITS if machine.throttled & bit]
    if machine.undervoltage and not (machine.throttled or 0) & 1:
        found.append(_BITS[0][1])
    if machine.cooling and not (machine.throttled or 0) & 0xE:
        found.append("the system has lowered its clock for its temperature: cool it")
    return found


def past(machine: Machine) -> list[str]:
    """What has happened since it was started, and does no more."""
    bits = machine.throttled or 0
    words = ("too low a voltage", "a capped clock", "throttling", "the soft temperature limit")
    return [word for (bit, _), word in zip(_BITS, words, strict=True) if bits >> _SINCE & bit and not bits & bit]


def spoiled(before: Machine, after: Machine) -> list[str]:
    """Why what was measured in between does not count; empty where nothing speaks against it."""
    found = list(dict.fromkeys([*complaints(before), *complaints(after)]))
    fresh = (after.throttled or 0) & ~(before.throttled or 0)
    found += [f"meanwhile: {text}" for bit, text in _BITS if fresh >> _SINCE & bit and text not in found]
    return found


def known(machine: Machine) -> bool:
    """Whether the machine says anything about throttling."""
    return machine.throttled is not None or machine.cooling is not None

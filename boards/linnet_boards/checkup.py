"""What speaks for and against running networks on a machine, each with what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from linnet.report import human_bytes

from . import health
from .probe import Machine

LEAST_PYTHON = (3, 11)
LITTLE_MEMORY = 64 << 20
LITTLE_SPACE = 16 << 20
BUSY = 0.5
"""Load of the last minute, for each processor."""


@dataclass(frozen=True)
class Finding:
    """state: "ok", "note" (nothing is wrong, but good to know) or "problem". advice: what to do, "" where nothing."""

    subject: str
    state: str
    value: str
    advice: str = ""


def check(machine: Machine, info: dict[str, Any] | None, why_not: str = "") -> list[Finding]:
    """info: what linnet-run says there, or the library here: its features, and kernels. why_not: why there is none."""
    return [
        _system(machine),
        _python(machine),
        *_kernels(info, why_not),
        _governor(machine),
        *_throttling(machine),
        _memory(machine),
        _space(machine),
        _load(machine),
    ]


def _system(machine: Machine) -> Finding:
    value = f"{machine.os or machine.kernel}, kernel {machine.machine}, programs of {machine.bits or '?'} bits"
    if machine.machine == "aarch64" and machine.bits == 32:
        return Finding(
            "system",
            "note",
            value,
            "Python here is of 32 bits and wants a wheel for armv7l; linnet-run is of 64 bits all the same. A 64-bit "
            "Raspberry Pi OS is faster for Python",
        )
    if machine.machine in {"armv7l", "armv8l"}:
        return Finding("system", "note", value, "on a Pi 3 or later, a 64-bit Raspberry Pi OS has faster kernels")
    return Finding("system", "ok", value)


def _python(machine: Machine) -> Finding:
    if not machine.python:
        return Finding("Python", "note", "none", "linnet-run needs none; for the package, apt install python3-venv")
    version = tuple(map(int, re.findall(r"[0-9]{1,9}", machine.python)[:2]))
    if version < LEAST_PYTHON:
        wanted = ".".join(map(str, LEAST_PYTHON))
        return Finding(
            "Python", "problem", machine.python, f"the package needs {wanted} or newer; linnet-run needs none"
        )
    return Finding("Python", "ok", machine.python)


def _kernels(info: dict[str, Any] | None, why_not: str) -> list[Finding]:
    if info is None:
        return [Finding("kernels", "problem", "unknown", why_not)]
    features = " ".join(info["features"]) or "nothing that kernels are chosen by"
    others = ", ".join(info["kernels"][1:])
    chosen = f"{info['kernels'][0]} (also: {others})" if others else info["kernels"][0]
    return [Finding("processor", "ok", features), Finding("kernels", "ok", chosen)]


def _governor(machine: Machine) -> Finding:
    if not machine.governor:
        return Finding("governor", "note", "unknown", "the system does not say how it sets the clock")
    clock = f", {machine.clock_mhz:.0f} MHz now" if machine.clock_mhz else ""
    value = f"{machine.governor}{clock}"
    if machine.governor == "powersave":
        return Finding("governor", "problem", value, _set_governor("the clock stays at its lowest"))
    if machine.governor != "performance":
        return Finding("governor", "note", value, _set_governor("for steady times"))
    return Finding("governor", "ok", value)


def _set_governor(why: str) -> str:
    return f"{why}: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


def _throttling(machine: Machine) -> list[Finding]:
    temperature = "" if machine.temperature is None else f", {machine.temperature:.0f} degrees"
    now = health.complaints(machine)
    if now:
        return [Finding("throttling", "problem", f"now{temperature}", text) for text in now]
    if not health.known(machine):
        return [
            Finding(
                "throttling", "note", f"unknown{temperature}", "there is no vcgencmd, nor a sensor: watch the times"
            )
        ]
    before = health.past(machine)
    if before:
        return [
            Finding(
                "throttling", "note", f"not now{temperature}", f"since it was started there was {' and '.join(before)}"
            )
        ]
    return [Finding("throttling", "ok", f"none{temperature}")]


def _memory(machine: Machine) -> Finding:
    return _amount("free RAM", machine.memory_bytes, LITTLE_MEMORY, "end other programs, or convert with --ram")


def _space(machine: Machine) -> Finding:
    return _amount("free disk", machine.free_bytes, LITTLE_SPACE, "make room for models")


def _amount(subject: str, count: int | None, least: int, advice: str) -> Finding:
    if count is None:
        return Finding(subject, "note", "unknown", "the system does not say")
    return (
        Finding(subject, "ok", human_bytes(count))
        if count >= least
        else Finding(subject, "problem", human_bytes(count), advice)
    )


def _load(machine: Machine) -> Finding:
    if machine.load is None:
        return Finding("load", "note", "unknown", "the system does not say")
    value = f"{machine.load:.2f} on {machine.processors} processors"
    if machine.load > BUSY * machine.processors:
        return Finding("load", "note", value, "something else is running: times will be worse")
    return Finding("load", "ok", value)

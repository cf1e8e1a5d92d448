"""What a Linux machine says of itself to a POSIX shell; needs nothing there but coreutils."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from linnet.errors import LinnetError

from .ssh import CommandError, Shell, printable

_PROBE = r"""
p() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"; }
r() { if [ -r "$2" ]; then p "$1" "$(tr -d '\000' < "$2" 2>/dev/null)"; fi; }
has() { command -v "$1" > /dev/null 2>&1; }
p machine "$(uname -m)"
p kernel "$(uname -sr)"
p elf "$(od -An -v -tx1 -N20 /bin/sh)"
p libc "$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 1)"
p os "$(if [ -r /etc/os-release ]; then . /etc/os-release; printf '%s' "$PRETTY_NAME"; fi)"
r board /proc/device-tree/model
p processors "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
p features "$(grep -m1 -E '^(Features|flags)' /proc/cpuinfo 2>/dev/null)"
p memory "$(grep MemAvailable /proc/meminfo 2>/dev/null)"
r load /proc/loadavg
if has python3; then p python "$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)"; fi
c=/sys/devices/system/cpu/cpu0/cpufreq
r governor $c/scaling_governor
r clock_khz $c/scaling_cur_freq
r most_khz $c/cpuinfo_max_freq
r temperature /sys/class/thermal/thermal_zone0/temp
if has vcgencmd; then
    p throttled "$(vcgencmd get_throttled 2>/dev/null)"
    p clock_hz "$(vcgencmd measure_clock arm 2>/dev/null)"
fi
r throttled_file /sys/devices/platform/soc/soc:firmware/get_throttled
for d in /sys/class/thermal/cooling_device*; do
    if [ -r "$d/type" ] && [ -r "$d/cur_state" ]; then p cooling "$(cat "$d/type") $(cat "$d/cur_state")"; fi
done
for d in /sys/class/hwmon/hwmon*; do
    if [ "$(cat "$d/name" 2>/dev/null)" = rpi_volt ]; then r undervoltage "$d/in0_lcrit_alarm"; fi
done
d=$1
while [ ! -d "$d" ]; do d=$(dirname "$d"); done
p free "$(df -Pk "$d" | tail -n 1)"
exit 0
"""

_TARGETS = {"aarch64": "aarch64", "arm64": "aarch64", "armv7l": "armv7", "armv8l": "armv7", "armv6l": "armv6"}
_ELF_MACHINES = {3: "x86", 40: "arm", 62: "x86-64", 183: "aarch64", 243: "riscv"}


@dataclass(frozen=True)
class Machine:
    """machine: the kernel's architecture, as uname has it.  userland, bits: that of its programs (which may be 32 bits
    under a kernel of 64).  target: what linnet-run must be compiled for, None where there is none.
    features: of the processor, as /proc/cpuinfo has them.  python: version, "" where there is none.
    free_bytes: on the disk where files would go; memory_bytes: of RAM, available.  load: of the last minute.
    clock_mhz, most_mhz: of the first core, now and at most.  temperature: degrees Celsius.
    throttled: the firmware's bits, see linnet_boards.health.  cooling: whether the system itself has slowed the
    processor down.  undervoltage: as the voltage sensor says.  Each None where the machine does not say.
    """

    machine: str
    kernel: str
    userland: str
    bits: int
    target: str | None
    libc: str
    os: str
    board: str
    processors: int
    features: tuple[str, ...]
    python: str
    free_bytes: int | None
    memory_bytes: int | None
    load: float | None
    governor: str
    clock_mhz: float | None
    most_mhz: float | None
    temperature: float | None
    throttled: int | None
    cooling: bool | None
    undervoltage: bool | None


def probe(shell: Shell, folder: str = ".") -> Machine:
    """Ask a machine. folder: where free space is looked at. Raises LinnetError."""
    try:
        text = shell.run(["sh", "-c", _PROBE, "sh", folder]).decode("utf-8", "replace")
    except CommandError as error:
        raise LinnetError(f"{shell.where}: does not answer as Linux does: {error.complaint}") from error
    return parse(text)


def parse(text: str) -> Machine:
    """What the probe printed."""
    found: dict[str, str] = {}
    cooling: list[str] = []
    for line in text.splitlines():
        key, _, value = line.partition("=")
        value = printable(value)
        if key == "cooling":
            cooling.append(value)
        elif value:
            found[key] = value
    userland, bits = _elf(found.get("elf", ""))
    clock = _last_number(found.get("clock_hz"))
    khz = _last_number(found.get("clock_khz"))
    most = _last_number(found.get("most_khz"))
    temperature = _last_number(found.get("temperature"))
    free = found.get("free", "").split()
    memory = re.search(r"([0-9]{1,15}) kB", found.get("memory", ""))
    load = re.match(r"[0-9]{1,9}\.[0-9]+", found.get("load", ""))
    slowed = [(_last_number(state) or 0) > 0 for state in cooling if re.match(r"(thermal-)?cpufreq", state)]
    return Machine(
        machine=found.get("machine", ""),
        kernel=found.get("kernel", ""),
        userland=userland,
        bits=bits,
        target=_TARGETS.get(found.get("machine", "")),
        libc=found.get("libc", ""),
        os=found.get("os", ""),
        board=found.get("board", ""),
        processors=int(_last_number(found.get("processors")) or 1),
        features=tuple(found.get("features", "").partition(":")[2].split()),
        python=found.get("python", ""),
        free_bytes=1024 * int(free[3]) if len(free) > 3 and re.fullmatch(r"[0-9]{1,15}", free[3]) else None,
        memory_bytes=1024 * int(memory[1]) if memory else None,
        load=float(load[0]) if load else None,
        governor=found.get("governor", ""),
        clock_mhz=clock / 1e6 if clock else khz / 1e3 if khz else None,
        most_mhz=most / 1e3 if most else None,
        temperature=None if temperature is None else temperature / 1e3,
        throttled=_bits(found.get("throttled"), found.get("throttled_file")),
        cooling=any(slowed) if slowed else None,
        undervoltage=found["undervoltage"] != "0" if "undervoltage" in found else None,
    )


def _elf(dump: str) -> tuple[str, int]:
    """Architecture and bits of an ELF file from its first 20 bytes, ("", 0) where it is none."""
    try:
        head = bytes.fromhex(dump)
    except ValueError:
        return "", 0
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return "", 0
    (machine,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
    return _ELF_MACHINES.get(machine, f"ELF machine {machine}"), 64 if head[4] == 2 else 32


def _last_number(text: str | None) -> float | None:
    """Of "frequency(48)=1500398464" or "51121"."""
    numbers = re.findall(r"[0-9]{1,15}", text or "")
    return float(numbers[-1]) if numbers else None


def _bits(firmware: str | None, file: str | None) -> int | None:
    """Of vcgencmd's "throttled=0x50005", else of the older kernels' file, which holds the same in hexadecimal."""
    found = re.search(r"throttled=0x([0-9a-fA-F]{1,8})\b", firmware or "") or re.fullmatch(
        r"(?:0x)?([0-9a-fA-F]{1,8})", file or ""
    )
    return int(found[1], 16) if found else None

"""Print the code size of the C library for each processor it is meant for.

Everything in kernels_c is counted, constants included. A firmware links less, because the linker drops what it does
not call: the last row is the C folder of `linnet build` for one network. Usage: size.py [--json] [--update] [--require]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build_support"))

from linnet_clib import KERNELS, ROOT, sources

from linnet.format_gen import Family
from linnet_boards import dropin

PAGE = ROOT / "docs/size.md"
BEGIN, END = "<!-- begin tools/size.py -->", "<!-- end tools/size.py -->"
OPTIMIZE = ("-Os", "-O2")
# Fixed addresses and no unwind tables, as on a microcontroller: else constant tables of pointers count as variables.
FLAGS = ("-std=c11", "-c", "-fno-pie", "-fno-asynchronous-unwind-tables")

ONE_NETWORK = ("conv", "depthwise", "pointwise", "avg_pool", "fully_connected", "input")
"""Kernels of a MobileNetV2 of 128x128 pixels whose answer are logits."""


@dataclass(frozen=True)
class Target:
    """A processor and the compiler that makes code for it."""

    name: str
    prefix: str
    flags: tuple[str, ...]
    apt: str


@dataclass(frozen=True)
class Size:
    """Bytes of the library for one processor: code with constants, initialised and zeroed variables."""

    target: str
    optimize: str
    code: int
    data: int
    bss: int


def cortex_m(core: str, *flags: str) -> Target:
    return Target(f"cortex-{core}", "arm-none-eabi-", (f"-mcpu=cortex-{core}", "-mthumb", *flags), "gcc-arm-none-eabi")


TARGETS = (
    Target("x86-64", "x86_64-linux-gnu-", (), "gcc"),
    Target("aarch64", "aarch64-linux-gnu-", (), "gcc-aarch64-linux-gnu"),
    *(cortex_m(core) for core in ("m0plus", "m3", "m4", "m7", "m33", "m55")),
)


def missing(targets: tuple[Target, ...] = TARGETS) -> list[str]:
    """The apt packages of compilers that are not installed."""
    return sorted({target.apt for target in targets if not shutil.which(f"{target.prefix}gcc")})


def measure(target: Target, optimize: str, files: list[Path] | None = None) -> Size | None:
    """Compile the library for target and add up its sections; None without the compiler."""
    if not shutil.which(f"{target.prefix}gcc"):
        return None
    files = sources() if files is None else files
    with tempfile.TemporaryDirectory() as folder:
        objects = [f"{folder}/{i}.o" for i in range(len(files))]
        for path, out in zip(files, objects, strict=True):
            command = [f"{target.prefix}gcc", *FLAGS, optimize, *target.flags, f"-I{KERNELS / 'include'}"]
            subprocess.run([*command, "-o", out, str(path)], check=True)
        listing = subprocess.run([f"{target.prefix}size", *objects], check=True, capture_output=True, text=True).stdout
    rows = [[int(word) for word in line.split()[:3]] for line in listing.splitlines()[1:]]
    code, data, bss = (sum(column) for column in zip(*rows, strict=True))
    return Size(target.name, optimize, code, data, bss)


def measure_one_network() -> Size | None:
    """Link the example of a drop-in folder for a MobileNetV2 on Cortex-M4, as its CMakeLists.txt does but with -Os.

    Code is that of the example, the library and what it calls of libc; no start-up code. None without the compiler.
    """
    target = next(target for target in TARGETS if target.name == "cortex-m4")
    if not shutil.which(f"{target.prefix}gcc"):
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kernels = [f"q8_{kernel}_dsp" for kernel in ONE_NETWORK]
        files = dropin.write(folder, Family.dsp, kernels, target.name, target.flags)
        shape = dropin.Shape(network_crc=0, height=1, row_bytes=1, operators=1, outputs=1, output_type="int32_t")
        dropin.write_model(folder, shape, bytes(16), 16)  # neither the model nor the arena is counted
        gcc = [f"{target.prefix}gcc", *target.flags, "-Os", "-ffunction-sections", "-fdata-sections"]
        gcc += ["-std=c11", "-DLNT_FIRMWARE", '-DLNT_MODEL_PLACE=__attribute__((section(".model")))']
        gcc += ["-I.", "-Ilinnet/include", "-Ilinnet/src", *map(str, files), "model.c", "example.c", "-o", "example"]
        link = ["-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections,-e,main"]
        subprocess.run([*gcc, *link], cwd=folder, check=True)
        command = [f"{target.prefix}size", "-A", "example"]
        listing = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    found = {section: int(size) for section, size in re.findall(r"^(\.\S+)\s+(\d+)\s+\d+$", listing, re.M)}
    code = sum(found.get(section, 0) for section in (".text", ".rodata", ".ARM.exidx"))
    return Size("one network, Cortex-M4, dsp", "-Os", code, found.get(".data", 0), 0)


def table(sizes: list[Size]) -> str:
    """The sizes as a Markdown table, which also reads well on a terminal."""
    lines = [
        "| processor                   | -O  |   code | data | bss |",
        "|-----------------------------|-----|-------:|-----:|----:|",
    ]
    lines += [f"| {s.target:<27} | {s.optimize} | {s.code:6d} | {s.data:4d} | {s.bss:3d} |" for s in sizes]
    return "\n".join(lines)


def with_block(page: str, block: str) -> str:
    """The page with the text between the markers replaced."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(page):
        sys.exit(f"{PAGE.relative_to(ROOT)} has no line {BEGIN}")
    return pattern.sub(lambda _: f"{BEGIN}\n{block}\n{END}", page)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the code size of the C library for each processor.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--update", action="store_true", help="also write the table into docs/size.md")
    parser.add_argument("--require", action="store_true", help="a compiler that is not installed is a failure")
    options = parser.parse_args()

    sizes = [size for target in TARGETS for o in OPTIMIZE if (size := measure(target, o))]
    one = measure_one_network()
    sizes += [one] if one else []
    absent = missing()
    if options.json:
        print(json.dumps({"sizes": [asdict(size) for size in sizes], "absent": absent}, indent=2))
    else:
        print(table(sizes))
    if absent:
        print(f"not installed: apt install {' '.join(absent)}", file=sys.stderr)
    if options.update and absent:
        sys.exit("docs/size.md left as it is: it would lose the processors of those compilers")
    if options.update:
        PAGE.write_text(with_block(PAGE.read_text(encoding="utf-8"), table(sizes)), encoding="utf-8")
    sys.exit(1 if absent and options.require else 0)


if __name__ == "__main__":
    main()

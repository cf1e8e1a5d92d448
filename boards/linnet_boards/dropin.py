"""A folder of C that runs one network: the model, the library's sources that it needs, a build file, an example."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linnet.errors import LinnetError
from linnet.format_gen import Family

_PACKAGE = Path(__file__).resolve().parent
_PACKED = _PACKAGE / "sources"
ROOT = _PACKED if _PACKED.is_dir() else _PACKAGE.parent.parent
"""Where kernels_c/, boards/firmware/ and LICENSE are: in an installed package, or the source tree."""

KERNELS = ROOT / "kernels_c"

_KERNEL = re.compile(r"\bq8_\w+\b")

EXAMPLE = """\
/* Classifies one picture whose rows come from next_row(), one at a time: a camera's, or a grey one's as here. */
#include "linnet.h"
#include "model.h"

static _Alignas(LNT_ALIGN) uint8_t arena[LNT_ARENA_BYTES];
static uint8_t row[LNT_ROW_BYTES];

static const uint8_t *next_row(void) {
    for (unsigned i = 0; i < sizeof row; i++) row[i] = 128;
    return row;
}

int main(void) {
    lnt_net net;
    if (lnt_open(&net, lnt_model, LNT_MODEL_BYTES, arena, sizeof arena) != LNT_OK) return -1;
    lnt_begin(&net);
    for (int y = 0; y < LNT_INPUT_HEIGHT; y++) lnt_push_rows(&net, next_row(), 1);
    if (lnt_finish(&net) != LNT_OK) return -1;
    const LNT_OUTPUT_TYPE *answer = lnt_output(&net);
    int best = 0;
    for (int i = 1; i < LNT_OUTPUT_COUNT; i++) if (answer[i] > answer[best]) best = i;
    return best;
}
"""

CMAKE = """\
# The library for one network, packed for {family}: add_subdirectory() this folder and link linnet_model.
cmake_minimum_required(VERSION 3.13)
project(linnet_model C ASM)

add_library(linnet_model STATIC
{sources}
)
target_include_directories(linnet_model PUBLIC . linnet/include PRIVATE linnet/src)
target_compile_definitions(linnet_model PRIVATE {defined})
target_compile_options(linnet_model PRIVATE -O2 -ffunction-sections -fdata-sections)
set_target_properties(linnet_model PROPERTIES C_STANDARD 11)
target_link_options(linnet_model INTERFACE -Wl,--gc-sections)

add_executable(linnet_example EXCLUDE_FROM_ALL example.c)
target_link_libraries(linnet_example PRIVATE linnet_model)
"""

TOOLCHAIN = """\
# cmake -DCMAKE_TOOLCHAIN_FILE=toolchain.cmake: for {board}
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
set(CMAKE_C_FLAGS_INIT "-mthumb {flags}")
set(CMAKE_ASM_FLAGS_INIT "-mthumb {flags}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "--specs=nano.specs --specs=nosys.specs")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
"""


@dataclass(frozen=True)
class Shape:
    """What model.h says of a network. network_crc: `network_crc` of it.  row_bytes: one row of the input."""

    network_crc: int
    height: int
    row_bytes: int
    operators: int
    outputs: int
    output_type: str


def library_sources(family: Family, kernels: Iterable[str]) -> list[Path]:
    """Files of kernels_c/src, relative to it, for a network that uses these kernels; headers among them.

    Raises LinnetError where the library's sources are not there.
    """
    source = KERNELS / "src"
    if not source.is_dir():
        raise LinnetError("this package was made without the library's sources: install a wheel for a workstation")
    core = [path for path in _listed() if path.parent == Path() and path.name != "families.c"]
    folders = {family.name, "ref"}
    files = {path for path in source.rglob("*.[chS]") if path.parent.name in folders}
    wanted = {path for path in files if path.parent.name == family.name != "ref" or path.suffix == ".h"}
    names = set(kernels)
    while found := {path for path in files - wanted if _defines(path, names)}:
        wanted |= found
        names |= {name for path in found for name in _KERNEL.findall(path.read_text(encoding="utf-8"))}
    headers = source.glob("*.h")
    return sorted({*core, *(path.relative_to(source) for path in (*wanted, *headers))})


def _defines(path: Path, names: set[str]) -> bool:
    text = path.read_text(encoding="utf-8")
    return any(re.search(rf"\blnt_kernel {name}\b\s*=", text) for name in names)


def _listed() -> list[Path]:
    """LNT_SOURCES of sources.mk, relative to src."""
    text = (KERNELS / "sources.mk").read_text(encoding="utf-8").replace("\\\n", " ")
    listed = re.findall(r"^LNT_SOURCES\s*[:+]=([^#\n]*)", text, re.MULTILINE)
    return [Path(name).relative_to("src") for name in " ".join(listed).split()]


def best_first(family: Family, kernels: Iterable[str]) -> list[str]:
    """The kernels in the order of the family's own list."""
    headers = [*sorted((KERNELS / "src" / family.name).glob("*.h")), KERNELS / "src/ref/ref.h"]
    known = [name for header in headers for name in re.findall(r"&(q8_\w+)", header.read_text(encoding="utf-8"))]
    return sorted(set(kernels), key=known.index)


def families_c(family: Family, kernels: Sequence[str]) -> str:
    """Takes the place of kernels_c/src/families.c."""
    declared = "\n".join(f"extern const lnt_kernel {name};" for name in kernels)
    listed = "".join(f"    &{name},\n" for name in kernels)
    return f"""\
/* The kernels that this network runs, and no others. */
#include "families.h"

{declared}

static const lnt_kernel *const kernels[] = {{
{listed}    NULL,
}};

static const lnt_family family = {{
    .name = "{family.name}", .kernels = kernels, .id = LNT_FAMILY_{family.name.upper()}}};

const lnt_family *const lnt_families[] = {{&family, NULL}};
"""


def model_h(shape: Shape, data: bytes, arena_bytes: int) -> str:
    return f"""\
/* The network, and the memory that it takes. */
#ifndef LINNET_MODEL_H
#define LINNET_MODEL_H

#include <stdint.h>

#define LNT_ARENA_BYTES {arena_bytes}
#define LNT_MODEL_BYTES {len(data)}
#define LNT_NETWORK_CRC {shape.network_crc}u /* whatever its plan and packing */
#define LNT_INPUT_HEIGHT {shape.height}
#define LNT_ROW_BYTES {shape.row_bytes}
#define LNT_OPERATORS {shape.operators}
#define LNT_OUTPUT_COUNT {shape.outputs}
#define LNT_OUTPUT_TYPE {shape.output_type}

extern const uint8_t lnt_model[LNT_MODEL_BYTES];

#endif
"""


def model_c(data: bytes) -> str:
    """A string, which compilers read many times faster than a list of numbers."""
    octal = np.array([f"\\{value:03o}" for value in range(256)])
    values = np.frombuffer(data, np.uint8)
    lines = "\n".join(f'"{"".join(octal[values[at : at + 32]])}"' for at in range(0, len(values), 32))
    return f"""\
#include "model.h"

#ifndef LNT_MODEL_PLACE
#define LNT_MODEL_PLACE /* such as __attribute__((section(".external_flash"))) */
#endif

LNT_MODEL_PLACE _Alignas(16) const uint8_t lnt_model[LNT_MODEL_BYTES] =
{lines};
"""


def write(folder: Path, family: Family, kernels: Sequence[str], board: str, flags: Sequence[str]) -> list[Path]:
    """Write all that does not depend on the plan. board, flags: its name, and the compiler's for its processor.

    The C and assembly files to compile, relative to the folder.
    """
    files = library_sources(family, kernels)
    target = folder / "linnet"
    for path in files:
        place = target / "src" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((KERNELS / "src" / path).read_bytes())
    (target / "include").mkdir(exist_ok=True)
    (target / "include/linnet.h").write_bytes((KERNELS / "include/linnet.h").read_bytes())
    (target / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    (folder / "families.c").write_text(families_c(family, best_first(family, kernels)), encoding="utf-8")
    (folder / "example.c").write_text(EXAMPLE, encoding="utf-8")
    sources = [Path("families.c"), *(Path("linnet/src") / path for path in files if path.suffix != ".h")]
    listed = "\n".join(f"    {path}" for path in [*sources, "model.c"])
    defined = [flag.removeprefix("-D") for flag in flags if flag.startswith("-D")]
    text = CMAKE.format(family=family.name, sources=listed, defined=" ".join(["LNT_FIRMWARE", *defined]))
    (folder / "CMakeLists.txt").write_text(text, encoding="utf-8")
    processor = " ".join(flag for flag in flags if not flag.startswith("-D"))
    (folder / "toolchain.cmake").write_text(TOOLCHAIN.format(board=board, flags=processor), encoding="utf-8")
    return sources


def write_model(folder: Path, shape: Shape, data: bytes, arena_bytes: int) -> None:
    """Write model.h and model.c."""
    (folder / "model.h").write_text(model_h(shape, data, arena_bytes), encoding="utf-8")
    (folder / "model.c").write_text(model_c(data), encoding="utf-8")

"""Generate the C header and the Python module that mirror kernels_c/schema/linnet.fbs.

The schema is the one place where the file's layout is written down. It uses a small part of the FlatBuffers language
(enums, structs of scalars, tables), which is all that this script reads. A test runs it and compares; another holds
its struct sizes and field offsets against flatc's.

Usage: python tools/format_codegen.py [--check]
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "kernels_c/schema/linnet.fbs"
C_HEADER = ROOT / "kernels_c/src/format_gen.h"
PYTHON = ROOT / "runtime/linnet/format_gen.py"

# schema name: (C type, numpy dtype, bytes)
SCALARS = {
    "ubyte": ("uint8_t", "u1", 1),
    "byte": ("int8_t", "i1", 1),
    "ushort": ("uint16_t", "<u2", 2),
    "uint": ("uint32_t", "<u4", 4),
    "int": ("int32_t", "<i4", 4),
    "float": ("float", "<f4", 4),
}

Fields = list[tuple[str, str]]


def parse(text: str) -> tuple[dict[str, tuple[str, dict[str, int]]], dict[str, Fields], dict[str, Fields]]:
    """Enums (base type, values), structs and tables (name, type) of the schema, in order of declaration."""
    text = re.sub(r"//.*", "", text)
    enums: dict[str, tuple[str, dict[str, int]]] = {}
    for name, base, body in re.findall(r"enum (\w+) : (\w+) \{([^}]*)\}", text):
        enums[name] = (base, {key: int(value) for key, value in re.findall(r"(\w+) = (\d+)", body)})
    blocks: dict[str, dict[str, Fields]] = {"struct": {}, "table": {}}
    for kind, name, body in re.findall(r"(struct|table) (\w+) \{([^}]*)\}", text):
        blocks[kind][name] = re.findall(r"(\w+) : ([\[\]\w]+)", body)
    return enums, blocks["struct"], blocks["table"]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def generate() -> dict[Path, str]:
    """Text of each generated file."""
    enums, structs, tables = parse(SCHEMA.read_text(encoding="utf-8"))

    def scalar(kind: str) -> tuple[str, str, int]:
        return SCALARS[enums[kind][0] if kind in enums else kind]

    note = "generated from kernels_c/schema/linnet.fbs by tools/format_codegen.py: do not edit"
    c = [f"/* {note} */", "#ifndef LNT_FORMAT_GEN_H", "#define LNT_FORMAT_GEN_H", "", "#include <stdint.h>", ""]
    py = [f'"""The model file\'s layout, {note}."""', "", "from enum import IntEnum", "", "import numpy as np", ""]
    for name, (_, values) in enums.items():
        c += ["enum {"] + [f"    LNT_{snake(name).upper()}_{k.upper()} = {v}," for k, v in values.items()] + ["};", ""]
        py += ["", f"class {name}(IntEnum):"] + [f"    {k} = {v}" for k, v in values.items()] + [""]
    for name, fields in structs.items():
        size = sum(scalar(kind)[2] for _, kind in fields)
        if size % max(scalar(kind)[2] for _, kind in fields):
            sys.exit(f"struct {name}: {size} bytes leave implicit padding; reorder or add a reserved field")
        c += [f"typedef struct lnt_{snake(name)} {{"]
        c += [f"    {scalar(kind)[0]} {field};" for field, kind in fields]
        c += [f"}} lnt_{snake(name)};", f'_Static_assert(sizeof(lnt_{snake(name)}) == {size}, "{name}");', ""]
        py += ["", f"{snake(name).upper()}_DTYPE = np.dtype(", "    ["]
        py += [f'        ("{field}", "{scalar(kind)[1]}"),' for field, kind in fields]
        py += ["    ]", ")"]
    for name, fields in tables.items():
        c += ["enum {"]
        c += [f"    LNT_{snake(name).upper()}_{field.upper()} = {i}," for i, (field, _) in enumerate(fields)]
        c += ["};", ""]
        py += ["", "", f"class {name}Field(IntEnum):", f'    """Field numbers of table {name}."""', ""]
        py += [f"    {field} = {i}" for i, (field, _) in enumerate(fields)]
    c += ["#endif"]
    text = "\n".join(py).replace("\n\n\n\n", "\n\n\n")
    return {C_HEADER: "\n".join(c) + "\n", PYTHON: text + "\n"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    check = parser.parse_args().check
    for path, text in generate().items():
        if not check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.relative_to(ROOT)} does not match the schema: run `make format`")


if __name__ == "__main__":
    main()

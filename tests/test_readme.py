"""What the README and the documents say can be done: their examples run, their commands, files and figures exist."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import digits
import numpy as np
import pytest
from PIL import Image

import linnet
from linnet import cli

ROOT = digits.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "examples/digits/README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

STRICT = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
LIBRARY = ["-Ikernels_c/include", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("kernels_c/src/**/*.c"))]

MAIN = """
#include <stdio.h>
static _Alignas(LNT_ALIGN) uint8_t file[1 << 20];
static uint8_t pixels[64 * 64 * 3];
int main(int argc, char **argv) {
    FILE *model = fopen(argv[1], "rb"), *picture = fopen(argv[2], "rb");
    size_t bytes = fread(file, 1, sizeof file, model);
    if (argc != 3 || fread(pixels, 1, sizeof pixels, picture) != sizeof pixels) return 1;
    const char *label = classify(file, bytes, pixels);
    return label == NULL || puts(label) < 0;
}
"""


def blocks(language: str) -> list[str]:
    """The README's fenced blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has after `make demo`, with a build folder of its own."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("examples", "kernels_c"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "build").mkdir()
    (folder / "build/digits.lnt").write_bytes(digits.lnt())
    (folder / "build/rows.lnt").write_bytes(digits.lnt("--input", "rows", "--ram", "12K"))
    Image.open(digits.PICTURE).save(folder / "build/picture.ppm")
    return folder


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def output(*command: str, cwd: Path) -> str:
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_python_example(checkout: Path) -> None:
    (code,) = blocks("python")
    assert len(code.splitlines()) == 10
    first, second = output(sys.executable, "-c", code, cwd=checkout).splitlines()
    assert first == f"two in {linnet.load(digits.lnt()).arena_bytes} bytes of RAM"
    assert second == "two"


def test_c_example(checkout: Path, cc: list[str]) -> None:
    (code,) = blocks("c")
    assert len(re.search(r"\{\n(.*)^\}", code, re.MULTILINE | re.DOTALL)[1].splitlines()) <= 10  # type: ignore[index]
    (checkout / "build/example.c").write_text(code + MAIN)
    np.asarray(Image.open(digits.PICTURE)).tofile(checkout / "build/picture.rgb")
    output(*cc, *STRICT, "-o", "build/example", "build/example.c", *LIBRARY, cwd=checkout)
    assert output("build/example", "build/digits.lnt", "build/picture.rgb", cwd=checkout) == "two\n"


def test_shell_example(checkout: Path, cc: list[str]) -> None:
    (lines,) = blocks("sh")
    script = re.sub(r"^cc ", shlex.join(cc) + " ", lines, flags=re.MULTILINE)
    assert output("sh", "-e", "-c", script, cwd=checkout) == "2 two\n2 two\n"


@pytest.fixture(scope="module", params=["classify", "push_rows"])
def program(request: pytest.FixtureRequest, checkout: Path, cc: list[str]) -> str:
    """A program of examples/, compiled as strictly as the library."""
    name = str(request.param)
    path = f"build/{name}_strict"
    output(*cc, *STRICT, "-o", path, f"examples/{name}.c", *LIBRARY, cwd=checkout)
    return path


def test_every_example_is_tested() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.c")} == {"classify", "push_rows"}


def test_examples_answer_as_python_does(checkout: Path, program: str) -> None:
    pushes = "push_rows" in program
    models = ["build/digits.lnt", "build/rows.lnt"] if pushes else ["build/digits.lnt"]
    for picture in sorted(digits.TEST.glob("*.png"))[::40]:
        Image.open(picture).save(checkout / "build/one.ppm")
        for path in models:
            model = linnet.load(checkout / path)
            best = int(model.run(picture).argmax())
            assert output(program, path, "build/one.ppm", cwd=checkout) == f"{best} {model.labels[best]}\n"


def test_examples_say_what_is_wrong(checkout: Path, program: str) -> None:
    build = checkout / "build"
    Image.open(digits.PICTURE).resize((63, 64)).save(build / "narrow.ppm")
    (build / "short.ppm").write_bytes((build / "picture.ppm").read_bytes()[:-1])
    (build / "cut.lnt").write_bytes(digits.lnt()[:-1])
    cases = {
        (): "usage",
        ("build/none.lnt", "build/picture.ppm"): "build/none.lnt: cannot be opened",
        ("build/cut.lnt", "build/picture.ppm"): "build/cut.lnt: the model file ends too early",
        ("build/picture.ppm", "build/picture.ppm"): "build/picture.ppm: this is no .lnt file",
        ("build/digits.lnt", "build/none.ppm"): "build/none.ppm: cannot be opened",
        ("build/digits.lnt", "build/narrow.ppm"): "build/narrow.ppm: is not a binary PPM of the network's size",
        ("build/digits.lnt", "build/digits.lnt"): "build/digits.lnt: is not a binary PPM of the network's size",
        ("build/digits.lnt", "build/short.ppm"): "build/short.ppm: ends too early",
    }
    if "classify" in program:
        cases["build/rows.lnt", "build/picture.ppm"] = "build/rows.lnt: takes no whole RGB picture"
    for arguments, message in cases.items():
        done = run(program, *arguments, cwd=checkout)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr


def code_of(text: str) -> list[str]:
    """Code of a document: fenced and indented lines, with their continuations joined, and spans."""
    text = re.sub(r" *\\\n +", " ", text)
    fenced = "".join(re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    indented = re.findall(r"^    (.*)$", text, re.MULTILINE)
    return [*fenced.splitlines(), *indented, *re.findall(r"`([^`\n]+)`", text)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    for line in code_of(document.read_text(encoding="utf-8")):
        for target in re.findall(r"(?:^|; )(?:[A-Z_]+=\S+ )*make ([a-z-]+)", line):
            assert target in targets, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_are_understood(document: Path) -> None:
    commands = {point.name: point.module for point in entry_points(group=cli.GROUP)}
    for line in code_of(document.read_text(encoding="utf-8")):
        words = shlex.split(line, comments=True) if line.startswith((".venv/bin/linnet ", "linnet ")) else []
        if len(words) < 2 or words[1].startswith("-"):
            continue
        assert words[1] in commands, line
        parser = argparse.ArgumentParser(prog=line, exit_on_error=False)
        module = import_module(commands[words[1]])
        module.add_arguments(parser)
        if line.startswith(".venv"):  # a whole command, not just a mention of one
            parser.parse_args(words[2:])
        else:
            options = {option for action in parser._actions for option in action.option_strings}
            assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (document.parent / target).exists(), target


@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "docs/results.md"], ids=lambda path: path.stem)
def test_figures_of_digits(document: Path) -> None:
    """Memory and size are exact; what `make demo` prints has changed if this fails: write the new figures down."""
    rows = [line for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("| digits")]
    model = linnet.load(digits.lnt())
    assert any(f"{model.least_arena_bytes:,}" in row and f"{model.model_bytes:,}" in row for row in rows)

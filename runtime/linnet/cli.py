"""The `linnet` command: finds the commands that are installed and runs one.

A command is an entry point of the group "linnet.commands" naming a module with

    HELP: str                                     one line, written as a literal
    def add_arguments(parser: ArgumentParser)     its options
    def run(args: Namespace) -> int               the exit status

Only the chosen command's module is imported, so that `linnet run` on a small board loads nothing of the workstation's.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import InspectLoader
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import linnet
from linnet.errors import LinnetError

GROUP = "linnet.commands"

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_OWN_PACKAGES = ("linnet", "linnet_converter", "linnet_boards")
_INSTALL = "pip install 'linnet[convert]'"


class Ended(KeyboardInterrupt):
    """A signal that ends the command just as Ctrl-C does: files and connections are put in order first."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: sys.argv) and return its exit status. Errors are one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be no text; inside JSON this is right too
    try:
        with _interruptible():
            status = _dispatch(arguments)
            sys.stdout.flush()  # so that a closed pipe is noticed here
        return status
    except SystemExit as stop:  # argparse: after --help, --version or a usage error
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    except LinnetError as error:
        return _fail(str(error))
    except Ended as end:
        return 128 + end.signal
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # the interpreter flushes stdout once more at exit, and must not complain then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except MemoryError as error:
        return _fail(f"there is not enough memory: {error}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", *_OWN_PACKAGES):
            raise
        return _fail(f"this command needs the Python package {package!r}: {_INSTALL}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM, and SIGHUP when a terminal or an ssh session closes, are raised as Ended, unless they are ignored."""

    def end(number: int, _: object) -> None:
        raise Ended(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(message: str) -> int:
    print("linnet: error:", " ".join(message.splitlines()), file=sys.stderr)
    return EXIT_ERROR


def _dispatch(arguments: list[str]) -> int:
    commands = {point.name: point for point in entry_points(group=GROUP)}
    if arguments and arguments[0] in commands:
        command = _import(commands[arguments[0]])
        parser = argparse.ArgumentParser(prog=f"linnet {arguments[0]}", description=command.HELP)
        command.add_arguments(parser)
        return int(command.run(parser.parse_args(arguments[1:])))
    # argparse reports an unknown or a missing command and lists the known ones
    overview = argparse.ArgumentParser(prog="linnet", description="int8 MobileNetV2 networks on small boards")
    overview.add_argument("--version", action="version", version=f"linnet {linnet.__version__}")
    choices = overview.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    wants_help = any(argument in ("-h", "--help") for argument in arguments)
    for name in sorted(commands):
        choices.add_parser(name, help=_help(commands[name]) if wants_help else None)
    overview.parse_args(arguments)
    return EXIT_USAGE


def _import(point: EntryPoint) -> ModuleType:
    return importlib.import_module(point.module)


def _help(point: EntryPoint) -> str:
    """A module's HELP, read from its source: importing it may need packages that a board does not have."""
    spec = importlib.util.find_spec(point.module)
    source = spec.loader.get_source(point.module) if spec and isinstance(spec.loader, InspectLoader) else None
    for node in ast.parse(source or "").body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["HELP"]:
            return str(ast.literal_eval(node.value))
    return ""

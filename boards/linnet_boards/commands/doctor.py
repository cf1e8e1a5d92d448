"""`linnet doctor`: whether a machine is fit to run networks, and what to do where it is not."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from linnet import elsewhere
from linnet.errors import LinnetError
from linnet.report import table, to_json
from linnet_boards import checkup, deployment
from linnet_boards.probe import Machine, probe
from linnet_boards.programs import linnet_run
from linnet_boards.ssh import LocalShell, Shell, Ssh

HELP = "look at this machine or a board: system, processor, kernels, clock, throttling, memory"

# Runs a program that is not there and stays no longer than that.
_VISIT = r"""
set -eu
t=$(mktemp "${TMPDIR:-/tmp}/linnet-run.XXXXXX")
trap 'rm -f "$t"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$t"
chmod 755 "$t"
"$t" --info
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    elsewhere.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 1 where something is a problem."""
    elsewhere.check(args)
    if (args.on or "").startswith(("emulator", "serial:")):
        raise LinnetError("doctor looks at machines with Linux: this one, or --on USER@HOST")
    if args.on:
        with Ssh(args.on) as ssh:
            machine = probe(ssh, deployment.FOLDER)
            info, why_not = _visit(ssh, machine)
    else:
        shell = LocalShell()
        machine = probe(shell, ".")
        info, why_not = _here(machine)
    findings = checkup.check(machine, info, why_not)
    if args.json:
        print(
            to_json(
                {
                    "where": args.on or "this machine",
                    "machine": asdict(machine),
                    "linnet": info,
                    "findings": [asdict(each) for each in findings],
                }
            )
        )
    else:
        print(_text(args.on or machine.board or "this machine", findings))
    return int(any(each.state == "problem" for each in findings))


def _visit(shell: Shell, machine: Machine) -> tuple[dict[str, Any] | None, str]:
    """What linnet-run says on a board; it is sent there for the purpose."""
    try:
        program = linnet_run(deployment.target_of(machine, shell.where)).read_bytes()
        info = deployment.program_info(shell.where, shell.run(["sh", "-c", _VISIT], program))
    except LinnetError as error:
        return None, str(error)
    return info, ""


def _here(machine: Machine) -> tuple[dict[str, Any] | None, str]:
    """The same of this machine's library."""
    from linnet.model import kernel_families

    try:
        kernels = list(kernel_families())
    except LinnetError as error:
        return None, str(error)
    known = {"neon", "asimd", "asimddp", "dotprod", "i8mm", "vfp", "avx2", "avx512_vnni", "avx_vnni", "sse4_1"}
    return {"kernels": kernels, "features": [name for name in machine.features if name in known]}, ""


def _text(where: str, findings: list[checkup.Finding]) -> str:
    rows = [
        (each.subject, {"ok": "", "note": "note", "problem": "PROBLEM"}[each.state], each.value) for each in findings
    ]
    advice = [f"{each.subject}: {each.advice}" for each in findings if each.advice]
    return "\n".join([where, table(rows, ("", "", "")), "", *advice]).rstrip()

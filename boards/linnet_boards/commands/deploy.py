"""`linnet deploy`: a model and its runner onto a board, over ssh."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from linnet.report import human_bytes, to_json
from linnet_boards import deployment
from linnet_boards.ssh import Ssh

HELP = "copy a model and the program that runs it to a board, over ssh"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M.lnt", type=Path, help="the model file")
    parser.add_argument("where", metavar="USER@HOST", help="what ssh takes: a host, ssh://USER@HOST:PORT, a name")
    parser.add_argument(
        "--folder",
        default=deployment.FOLDER,
        metavar="DIR",
        help=f"on the board, from the user's home (default: {deployment.FOLDER})",
    )
    parser.add_argument(
        "--remove", action="store_true", help="undo it: remove the model, with the last the program too"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    with Ssh(args.where) as ssh:
        if args.remove:
            removed = deployment.remove(ssh, args.model, args.folder)
            if args.json:
                print(to_json({"where": args.where, "folder": args.folder, "removed": removed}))
            else:
                print("\n".join(f"{args.where}: {line}" for line in removed or ["nothing of it was there"]))
            return 0
        done = deployment.deploy(ssh, args.model, args.folder, lambda line: print(line, file=sys.stderr))
    if args.json:
        print(to_json(asdict(done)))
    else:
        print(_text(done))
    return 0


def _text(done: deployment.Deployed) -> str:
    machine = done.machine
    system = ", ".join(part for part in (machine.board, machine.os, f"{machine.kernel} ({machine.machine})") if part)
    copied = f"copied {' and '.join(done.copied)}, {human_bytes(done.bytes)}" if done.copied else "was there already"
    return "\n".join(
        (
            f"{done.where}: {system}",
            f"{copied}; SHA-256 of the model {done.sha256[:16]}...",
            f"kernels {done.info['kernels'][0]}",
            f"there, {done.program} {done.model} PICTURE.ppm runs it; here, linnet run --on {done.where}",
        )
    )

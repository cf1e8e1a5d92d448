"""A Debian for arm64 whose processor is qemu, with a real sshd on 127.0.0.1: a Raspberry Pi without the Pi.

Needs root. `python tests/arm64_root.py` makes the root file system if there is none (two minutes; .ci/run does that
ahead of the tests). Nothing in it is changed afterwards: what a session writes lies on tmpfs, in a mount namespace that
ends with sshd.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

BINFMT = Path("/proc/sys/fs/binfmt_misc")
PORT = 2222
PACKAGES = {
    "debootstrap": "debootstrap",
    "update-binfmts": "binfmt-support",
    "qemu-aarch64-static": "qemu-user-static",
    "ssh": "openssh-client",
}
"""Program: its apt package."""

_SERVE = r"""
set -eu
root=$1 keys=$2 cpu=$3 port=$4
mount -t proc proc "$root/proc"
mount -t tmpfs -o size=64m,mode=700 tmpfs "$root/root"
mount -t tmpfs -o size=1m tmpfs "$root/run"
mount -t tmpfs -o size=1m tmpfs "$root/usr/local/bin"
mount -t tmpfs -o size=600k tmpfs "$root/mnt"
cd "$root"
mkdir -m 755 run/sshd
mkdir -m 700 root/.ssh
cp "$keys/host" run/host_key
cp "$keys/user.pub" root/.ssh/authorized_keys
chmod 600 run/host_key root/.ssh/authorized_keys
exec chroot "$root" /usr/sbin/sshd -D -e -f /dev/null -h /run/host_key -p "$port" -o ListenAddress=127.0.0.1 \
    -o PidFile=none -o StrictModes=no -o UsePAM=no -o "SetEnv=QEMU_CPU=$cpu"
"""


def folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linnet/arm64-root"


def lacking() -> str:
    """Why there can be no such machine here; "" where there can."""
    if os.geteuid() != 0:
        return "an emulated arm64 machine needs root: sudo python tests/arm64_root.py, and the tests as root"
    absent = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    return f"not installed: apt install {' '.join(absent)}" if absent else ""


def ready() -> bool:
    return (folder() / "usr/sbin/sshd").is_file() and not folder().with_name("arm64-root.partial").exists()


def enable() -> None:
    """Have the kernel run programs for arm64 by qemu."""
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
    if not (BINFMT / "qemu-aarch64").exists():
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], check=True)


def make() -> Path:
    """The root file system; made where it is not there. Raises CalledProcessError."""
    enable()
    if not ready():
        partial = folder().with_name("arm64-root.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(folder(), ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        command = ["debootstrap", "--arch=arm64", "--variant=minbase", "--include=openssh-server", "bookworm"]
        subprocess.run([*command, str(partial)], check=True, stdout=sys.stderr)
        partial.rename(folder())
    return folder()


@dataclass
class Machine:
    """A running sshd. ssh: the command that reaches it as "pi", with the keys of this session.

    As "impostor" it shows another host key than is known, as "stranger" one that is not known.
    """

    process: subprocess.Popen[bytes]
    cpu: str
    ssh: str

    def path(self, inside: str) -> Path:
        """A file of the machine, through the namespace of its sshd."""
        return Path(f"/proc/{self.process.pid}/root") / inside.lstrip("/")

    def install(self, name: str, script: str) -> None:
        """A program ahead of all others on its PATH."""
        program = self.path(f"usr/local/bin/{name}")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def uninstall(self, name: str) -> None:
        self.path(f"usr/local/bin/{name}").unlink(missing_ok=True)

    def cut(self) -> int:
        """End all connections the hard way. How many there were."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself meanwhile
                os.kill(int(child), signal.SIGKILL)
        return len(children)

    def stop(self) -> None:
        self.cut()
        self.process.kill()
        self.process.wait()


def start(keys: Path, cpu: str, port: int = PORT) -> Machine:
    """A machine with this processor of qemu's. keys: an empty folder for the session's keys and ssh's configuration.

    Raises RuntimeError where it does not answer.
    """
    root = make()
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", keys / name], check=True)
    for known in ("host", "other"):
        key = " ".join((keys / f"{known}.pub").read_text().split()[:2])
        (keys / f"known_{known}").write_text(f"[127.0.0.1]:{port} {key}\n")
    for name, known in (("pi", "known_host"), ("impostor", "known_other"), ("stranger", "known_nobody")):
        with (keys / "config").open("a") as config:
            config.write(
                f"Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {keys / 'user'}\n"
                f"  IdentitiesOnly yes\n  UserKnownHostsFile {keys / known}\n  GlobalKnownHostsFile /dev/null\n"
                "  BatchMode yes\n"
            )
    serve = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        _SERVE,
        "sh",
        *map(str, (root, keys, cpu, port)),
    ]
    log = (keys / "sshd.log").open("wb")
    machine = Machine(subprocess.Popen(serve, stdout=log, stderr=log), cpu, f"ssh -F {keys / 'config'}")
    for _ in range(60):
        done = subprocess.run(["ssh", "-F", keys / "config", "pi", "uname", "-m"], capture_output=True, check=False)
        if done.stdout.strip() == b"aarch64":
            return machine
        if machine.process.poll() is not None:
            break
        time.sleep(0.5)
    machine.stop()
    raise RuntimeError(f"sshd does not answer: {(keys / 'sshd.log').read_text()[-500:]} {done.stderr.decode()[-200:]}")


if __name__ == "__main__":
    if reason := lacking():
        sys.exit(reason)
    print(make())

"""A program `ssh` for tests: hosts are folders of this machine, and their names say what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# $1: the host, then the command as one word. What a host is like comes from its name.
_SSH = r"""#!/bin/sh
root=@ROOT@
while :; do
    case "$1" in
    -o) shift 2 ;;
    -T) shift ;;
    -O) exit 0 ;;
    *) break ;;
    esac
done
host=$1
echo "$host $2" >> "$root/log"
refuse() { echo "$1" >&2; exit 255; }
case "$host" in
stranger) refuse 'Host key verification failed.' ;;
impostor) echo '@  WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @' >&2; refuse 'Host key verification failed.' ;;
locked) refuse 'pi@locked: Permission denied (publickey,password).' ;;
nowhere) refuse 'ssh: Could not resolve hostname nowhere: Name or service not known' ;;
closed) refuse 'ssh: connect to host closed port 22: Connection refused' ;;
esac
mkdir -p "$root/$host/home" "$root/$host/tmp"
cd "$root/$host/home" || exit 255
TMPDIR=$root/$host/tmp PATH=$root/bin:$PATH
if [ -d "$root/$host/bin" ]; then PATH=$root/$host/bin:$PATH; fi
export PATH TMPDIR
run() { sh -c "$1"; }
case "$host $2" in
"damaged "*_COPY_*) { printf x; cat; } | run "$2" ;;
"cut "*_COPY_*) head -c 1000 | run "$2"; refuse 'Connection to cut closed by remote host.' ;;
"flaky "*--stream*)
    { run "$2"; printf '{"values": [1'; } | head -n 3
    refuse 'client_loop: send disconnect: Broken pipe' ;;
"quiet "*--stream*) { run "$2" | head -n 3; } ;;
"dead "*--stream*) refuse 'Connection timed out during banner exchange' ;;
"killed "*--stream*) exit 137 ;;
"garbled "*--stream*) echo 'Welcome to your board!' ;;
"odd "*--stream* | "odd "*--bench*) cat "$root/odd.txt" ;;
"chatty "*) echo 'Welcome to your board!'; run "$2" ;;
"lingering "*) sleep 60 < /dev/null > /dev/null & echo $! >> "$root/pids"; run "$2" ;;
*) run "$2" ;;
esac
"""

_UNAME = """#!/bin/sh
case "$1" in -m) echo @MACHINE@ ;; *) echo Linux 6.6.31+rpt-rpi-v8 ;; esac
"""


@dataclass
class Hosts:
    """root: of all hosts. ssh: what LINNET_SSH is set to."""

    root: Path
    ssh: str

    def home(self, host: str) -> Path:
        return self.root / host / "home"

    def program(self, host: str, name: str, text: str) -> None:
        """Something that is found on this host ahead of this machine's own."""
        _write(self.root / host / "bin" / name, f"#!/bin/sh\n{text}\n")

    def machine(self, host: str, machine: str) -> None:
        _write(self.root / host / "bin/uname", _UNAME.replace("@MACHINE@", machine))

    def files(self, host: str) -> list[str]:
        """All files at its home, with their paths."""
        home = self.home(host)
        return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())

    def commands(self, host: str) -> list[str]:
        """What was run there."""
        lines = (self.root / "log").read_text().splitlines() if (self.root / "log").exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{host} ")]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make(root: Path) -> Hosts:
    """All hosts are of aarch64."""
    # the copying script is known by how it checks the copy
    _write(root / "ssh", _SSH.replace("@ROOT@", str(root)).replace("_COPY_", "'arrived damaged'"))
    _write(root / "bin/uname", _UNAME.replace("@MACHINE@", "aarch64"))
    return Hosts(root, f"{root / 'ssh'}")

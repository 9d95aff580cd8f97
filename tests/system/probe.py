"""Tries inside a unit what its sandbox must refuse, and what the work needs; prints one line of JSON.

Runs as ExecStartPre= of every unit, in that unit's own namespaces and filters, before its real program does.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

#: an address of the machine that is not its loopback's; a test listens there
ELSEWHERE = ("192.0.2.1", 7007)
#: where some unit may write
WRITABLE = (
    "/tmp", "/var/tmp", "/dev/shm", "/var/lib/ztrade", "/var/lib/ztrade-flower", "/var/lib/ztrade-redis",
    "/run/ztrade/worker-spy", "/run/ztrade-redis", "/run/ztrade-exchange",
)  # fmt: skip
CLONE_NEWUSER = 0x10000000


def attempt(what: Callable[[], object]) -> str:
    """Return ``done``, or the name of what was raised."""
    try:
        what()
    except OSError as error:
        return type(error).__name__
    return "done"


def carried_in(place: str) -> str:
    """Try to bring a program along and run it."""
    return attempt(lambda: run_from(place))


def write(folder: str) -> str:
    """Try to make a file in a folder."""
    path = Path(folder) / f".probe-{os.getpid()}"
    said = attempt(lambda: path.write_text("x"))
    if said == "done":
        path.unlink()
    return said


def run_from(place: str) -> None:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        program = Path(folder) / "program"
        program.write_bytes(Path("/bin/true").read_bytes())
        program.chmod(0o755)
        subprocess.run([str(program)], check=True)


def new_user_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def code_on_the_fly() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def connect(address: tuple[str, int]) -> None:
    socket.create_connection(address, timeout=2).close()


def others() -> int:
    """Return how many processes of other users are seen."""
    mine = os.getuid()
    return sum(1 for place in Path("/proc").iterdir() if place.name.isdigit() and place.stat().st_uid != mine)


def credentials() -> list[str]:
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return sorted(path.name for path in Path(folder).iterdir()) if folder else []


def found(unit: str) -> dict[str, object]:
    """Try everything in this process, which is the unit's."""
    return {
        "unit": unit,
        "write": {
            place: write(place) for place in ("/etc/ztrade", "/usr/lib", "/opt/ztrade", "/root", "/var/log", "/run")
        },
        "state": write("/var/lib/ztrade"),
        "tmp": write("/tmp"),
        "shell": attempt(lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True)),
        "carried_in": {place: carried_in(place) for place in WRITABLE},
        "keys": attempt(lambda: list(Path("/etc/ztrade/credentials").iterdir())),
        "shadow": attempt(lambda: Path("/etc/shadow").read_text()),
        "kill": attempt(lambda: os.kill(1, 0)),
        "root": attempt(lambda: os.setuid(0)),
        "namespace": attempt(new_user_namespace),
        "code_on_the_fly": attempt(code_on_the_fly),
        "inet": attempt(lambda: socket.socket(socket.AF_INET).close()),
        "packet": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
        "elsewhere": attempt(lambda: connect(ELSEWHERE)),
        "others": others(),
        "devices": attempt(lambda: Path("/dev/mem").read_bytes()),
        "credentials": credentials(),
        "secret_in_environment": [name for name, value in os.environ.items() if "probe-secret" in value],
    }


if __name__ == "__main__":
    print("PROBE " + json.dumps(found(sys.argv[1])), flush=True)

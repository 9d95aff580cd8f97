"""Who runs a cycle, named so that another process of the same machine can tell whether it is surely gone."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

_OWNER = re.compile(r"(?P<label>.*) (?P<host>\S+)#(?P<boot>\w+)\.(?P<space>\d+)\.(?P<pid>\d+)\.(?P<start>\d+)")
_PROC = Path("/proc")
#: wall seconds for a killed process to be over; one that waits for a disk takes its time
_DEATH = 5.0


@dataclass(frozen=True, slots=True)
class Process:
    """One process: a pid alone is used again, across reboots and in other pid namespaces too."""

    host: str
    boot: str
    space: int
    pid: int
    start: int


def owner_name(label: str) -> str:
    """Return a name for this process that :func:`is_gone` understands."""
    me = _this()
    return f"{label} {me.host}#{me.boot}.{me.space}.{me.pid}.{me.start}"


def is_gone(owner: str) -> bool:
    """Tell whether the process that called itself ``owner`` has surely ended.

    False whenever that cannot be known: another host, another pid namespace, a name of another form.
    """
    found = _OWNER.fullmatch(owner)
    if found is None:
        return False
    me = _this()
    if found["host"] != me.host:
        return False
    if found["boot"] != me.boot:
        return True
    return int(found["space"]) == me.space and _ended(int(found["pid"]), int(found["start"]))


def may_live_here(owner: str) -> bool:
    """Tell whether the process that called itself ``owner`` may still run on this machine, in a container too.

    True whenever that cannot be known: a name of another form.
    """
    found = _OWNER.fullmatch(owner)
    if found is None:
        return True
    me = _this()
    return (found["host"] == me.host or found["boot"] == me.boot) and not is_gone(owner)


def end(owner: str) -> bool:
    """Make sure that the process which called itself ``owner`` sends nothing any more; kill it where it lives.

    Returns True when it has surely ended, or is this process, whose own request is over. False where that cannot be
    known or done: another host, another pid namespace, another user's process.
    """
    found = _OWNER.fullmatch(owner)
    if found is None or is_gone(owner):
        return found is not None
    me = _this()
    if (found["host"], found["boot"], int(found["space"])) != (me.host, me.boot, me.space):
        return False
    pid, start = int(found["pid"]), int(found["start"])
    return (pid, start) == (me.pid, me.start) or _kill(pid, start)


def _kill(pid: int, start: int) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        # looked at only now: from here on the handle cannot come to mean another process
        if not _ended(pid, start):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        return bool(select.select([handle], [], [], _DEATH)[0])
    except PermissionError:
        return False
    finally:
        os.close(handle)


def _this() -> Process:
    pid = os.getpid()
    _, start = _state(pid) or ("", 0)
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().split("-")[0].strip()
    return Process(socket.gethostname(), boot, (_PROC / "self/ns/pid").stat().st_ino, pid, start)


def _ended(pid: int, start: int) -> bool:
    try:
        # asks about existence only; /proc may hide other users' processes, this does not
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    seen = _state(pid)
    return seen is not None and (seen[0] in {"Z", "X"} or seen[1] != start)


def _state(pid: int) -> tuple[str, int] | None:
    """Return state letter and start time (clock ticks since boot), None where they cannot be read; see proc(5)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # the command's name may hold blanks and parentheses; everything behind the last ")" is plain
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[19])

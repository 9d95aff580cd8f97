"""``python -m ztrade.service.drain PID [GRACE]``: end a worker between two cycles; systemd's ExecStop=.

SIGTERM to the main process alone lets the running cycle finish. One that is still there after the grace, which is above
every cycle's hard limit, is asked to give up (SIGQUIT), and then killed: systemd's own kill would wait all of
TimeoutStopSec= once more. Inside a unit /proc hides the process, so this waits on a pidfd. Nothing but the standard
library: it must start at once.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence

#: wall seconds: above the hard limit of every cycle, which the worker itself enforces
GRACE = 630.0
#: wall seconds for giving up
LAST = 15.0


def drain(pid: int, grace: float = GRACE, last: float = LAST) -> bool:
    """Ask the process to end and wait; returns whether it has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        wishes = ((signal.SIGTERM, grace), (signal.SIGQUIT, last), (signal.SIGKILL, last))
        return any(_ended(handle, wish, seconds) for wish, seconds in wishes)
    finally:
        os.close(handle)


def _ended(handle: int, wish: signal.Signals, seconds: float) -> bool:
    try:
        signal.pidfd_send_signal(handle, wish)
    except ProcessLookupError:
        return True
    return bool(select.select([handle], [], [], seconds)[0])


def main(arguments: Sequence[str]) -> int:
    """Drain; exit 1 where the process is still there, 2 for anything else than numbers."""
    if not arguments:
        return 0  # systemd names no main process when it has ended by itself
    try:
        pid, grace = int(arguments[0]), float(arguments[1]) if len(arguments) > 1 else GRACE
    except ValueError:
        sys.stderr.write("error: usage: python -m ztrade.service.drain PID [GRACE_SECONDS]\n")
        return 2
    return 0 if drain(pid, grace) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

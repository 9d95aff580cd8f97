"""``python -m ztrade.service.tether PROGRAM ARGS``: become PROGRAM, and be asked to end when the parent dies.

supervisord killed outright would leave its programs running without anybody who knows of them, and the next start
would give the same state directory to two of each.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def become(program: Sequence[str]) -> NoReturn:
    """Replace this process; the kernel keeps the wish for SIGTERM across the exec (prctl(2))."""
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(0)  # it died before the wish was heard
    os.execv(program[0], list(program))  # noqa: S606


if __name__ == "__main__":
    become(sys.argv[1:])

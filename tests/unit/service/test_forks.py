"""A fork waits for the threads beside it: a child never starts with a lock that somebody else holds."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, threading, time
from ztrade.service import forks

forks.guard()
began, done = threading.Event(), []

def work():
    with forks.at_work():
        began.set()
        time.sleep(0.5)
        done.append(True)

threading.Thread(target=work, daemon=True).start()
began.wait()
pid = os.fork()
if not pid:
    # another thread of the child can have it as well
    free = []
    taker = threading.Thread(target=lambda: free.append(forks.at_work().acquire(timeout=2)))
    taker.start()
    taker.join()
    os._exit(0 if done and free == [True] else 1)
assert os.waitpid(pid, 0)[1] == 0
assert forks.at_work().acquire(timeout=2)
"""


def test_a_fork_waits_until_threads_rest_and_both_sides_go_on() -> None:
    """The work is done before the child is made, and neither parent nor child is left with the lock."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr

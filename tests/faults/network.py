"""A network between the agents and the exchange that is cut, in a namespace of the run's own."""

from __future__ import annotations

import time

from tests.faults.actions import Run
from tests.faults.stack import run_quiet

#: wall seconds of a cut network: what was written into it is sent again up to twice as long after it was written (the
#: kernel doubles its waits), and the question whether it arrived is asked well before
CUT = 7.0


def cut(run: Run) -> None:
    """Packets to and from the exchange vanish; runs in a network namespace of its own."""
    run.settled = time.monotonic() + 2 * CUT + 2
    rules = [("OUTPUT", end, str(run.stack.port)) for end in ("--dport", "--sport")]
    for chain, end, port in rules:
        run_quiet("iptables", "-A", chain, "-p", "tcp", end, port, "-j", "DROP")
    run.stack.go()
    time.sleep(CUT)
    for chain, end, port in rules:
        run_quiet("iptables", "-D", chain, "-p", "tcp", end, port, "-j", "DROP")

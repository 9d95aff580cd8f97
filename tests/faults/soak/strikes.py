"""The soak's faults: what happens to a running stack, and how it is mended, while time goes on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from tests.faults import actions, network
from tests.faults.actions import Run
from tests.faults.programs import GRACE
from tests.faults.soak.blows import Blow
from tests.faults.soak.stage import Stage
from ztrade.domain.types import OrderType

#: wall seconds for which something stays down or frozen, at most: longer than a lease, and than the grace
DOWN = 5.0
#: wall seconds, less than the grace by what the exchange needs to come to itself
SHORT = GRACE.total_seconds() - 1
#: wall seconds of what leaves the cycles going: a hundred slots pass in five
BRIEF = 0.5


@dataclass
class Struck(Run):
    """A fault under way."""

    stage: Stage = None  # type: ignore[assignment]
    agent: str = ""

    @property
    def worker(self) -> str:
        return f"worker-{self.agent}"

    @property
    def symbol(self) -> str:
        return self.agent.upper()


Strike = Callable[[Struck], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault, and what it needs: ``root``, or nothing."""

    do: Strike
    needs: str = ""


def strike(stage: Stage, blow: Blow) -> None:
    """Do it; ends with the stack mended, or with what the next minutes mend."""
    one = Struck(stage, random.Random(blow.seed), stage=stage, agent=blow.agent)
    KINDS[blow.kind].do(one)


# -- processes ---------------------------------------------------------------------------------------------------------
def _kill(name: str) -> Strike:
    def do(one: Struck) -> None:
        one.stage.program(name).kill_all()
        one.pause(3.0)
        one.stage.starts()[name]()

    return do


def _freeze(name: str) -> Strike:
    def do(one: Struck) -> None:
        _still(one, [psutil.Process(one.stage.program(name).pid)])

    return do


def _freeze_exchange(one: Struck) -> None:
    """An order may be held up for as long as the grace, and no longer: freeze, then, and no latency besides."""
    one.stage.url.clear_faults()
    _still(one, [psutil.Process(one.stage.program("exchange").pid)], SHORT)


def _still(one: Struck, processes: list[psutil.Process], most: float = DOWN) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    one.pause(most)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def _kill_child(one: Struck) -> None:
    for child in one.stage.program(one.worker).family()[-1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def _kill_main(one: Struck) -> None:
    one.stage.program(one.worker).kill()
    one.stage.start_worker(one.worker)


def _kill_worker(one: Struck) -> None:
    _kill(one.worker)(one)


def _freeze_child(one: Struck) -> None:
    """Beside it a second worker, which takes over what lapses."""
    one.stage.start_worker(f"second-{one.agent}")
    _still(one, one.stage.program(one.worker).family()[-1:])
    _end(one, f"second-{one.agent}")


def _freeze_main(one: Struck) -> None:
    _freeze(one.worker)(one)


def _end(one: Struck, name: str) -> None:
    program = one.stage.program(name)
    program.signal(signal.SIGTERM)
    until = time.monotonic() + 30
    while program.alive() and time.monotonic() < until:
        time.sleep(0.05)
    program.kill_all()


def _term(send: Callable[[int, int], None]) -> Strike:
    def do(one: Struck) -> None:
        worker = one.stage.program(one.worker)
        send(worker.pid, signal.SIGTERM)
        _end(one, one.worker)
        one.stage.start_worker(one.worker)

    return do


def _second_worker(one: Struck) -> None:
    one.stage.start_worker(f"second-{one.agent}")
    one.pause(DOWN)
    _end(one, f"second-{one.agent}")


def _second_beat(one: Struck) -> None:
    one.stage.start_beat("beat2")
    one.pause(DOWN)
    one.stage.program("beat2").kill_all()


def _power_cut(one: Struck) -> None:
    names = ["redis", *(name for name in one.stage.starts() if name not in {"redis", "exchange"})]
    for name in names:
        one.stage.program(name).kill_all()
    one.pause(2.0)
    for name in names:
        one.stage.starts()[name]()


# -- the exchange ------------------------------------------------------------------------------------------------------
def _overnight(kind: str, **args: Any) -> Strike:
    def do(one: Struck) -> None:
        one.stage.url.fault(kind, symbol=one.symbol, **args)

    return do


def _skew(one: Struck) -> None:
    one.stage.url.fault("clock_skew", seconds=600)
    one.pause(BRIEF)
    one.stage.url.clear_faults()


# -- people ------------------------------------------------------------------------------------------------------------
def _halt(*options: str) -> Strike:
    def do(one: Struck) -> None:
        one.cli("halt", one.agent, "--reason", "the soak", "--by", "ann", *options)
        one.pause(DOWN if options else BRIEF)
        with contextlib.suppress(FileNotFoundError):
            one.cli("release", one.agent)

    return do


def _cancel_stop(one: Struck) -> None:
    for order in actions.orders(one.stage, one.symbol):
        for leg in order.get("legs") or ():  # type: ignore[attr-defined]
            if leg["type"] == OrderType.STOP:
                actions.ask(one.stage, "DELETE", f"orders/{leg['id']}")


KINDS: Mapping[str, Kind] = {
    "kill child": Kind(_kill_child),
    "kill main": Kind(_kill_main),
    "kill worker": Kind(_kill_worker),
    "TERM": Kind(_term(os.kill)),
    "TERM group": Kind(_term(os.killpg)),
    "freeze child": Kind(_freeze_child),
    "freeze main": Kind(_freeze_main),
    "second worker": Kind(_second_worker),
    "power cut": Kind(_power_cut),
    "kill beat": Kind(_kill("beat")),
    "freeze beat": Kind(_freeze("beat")),
    "two beats": Kind(_second_beat),
    "kill keeper": Kind(_kill("keeper")),
    "freeze keeper": Kind(_freeze("keeper")),
    "kill Redis": Kind(_kill("redis")),
    "freeze Redis": Kind(_freeze("redis")),
    "FLUSHALL": Kind(actions.flush),
    "CLIENT KILL": Kind(actions.client_kills),
    "Redis full": Kind(actions.redis_full),
    "disk full": Kind(actions.disk_full, needs="root"),
    "network cut": Kind(network.cut, needs="root"),
    "kill exchange": Kind(_kill("exchange")),
    "freeze exchange": Kind(_freeze_exchange),
    "504 landed": Kind(actions.at_order("504")),
    "reset before": Kind(actions.at_order("reset_before")),
    "reset after": Kind(actions.at_order("reset_after")),
    "hang": Kind(actions.at_order("hang")),
    "500": Kind(actions.at_order("500")),
    "429": Kind(actions.at_order("429")),
    "duplicate": Kind(actions.at_order("duplicate")),
    "rejected": Kind(actions.at_order("rejected")),
    "partial fill": Kind(actions.at_order("partial_fill")),
    "drift": Kind(actions.at_order("schema_drift", remove=["status", "id"])),
    "latency": Kind(actions.at_order("latency", seconds=3)),
    "hang reads": Kind(actions.asked("hang", method="GET", path="^/v2/", times=3)),
    "drift reads": Kind(actions.asked("schema_drift", method="GET", path="^/v2/account$", times=2, remove=["cash"])),
    "504 to cancel": Kind(actions.asked("504", method="DELETE", path="^/v2/orders/")),
    "split": Kind(_overnight("split", ratio=2)),
    "dividend": Kind(_overnight("dividend", amount=1)),
    "clock skew": Kind(_skew),
    "halt": Kind(_halt()),
    "flatten": Kind(_halt("--flatten")),
    "stop cancelled": Kind(_cancel_stop),
}

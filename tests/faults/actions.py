"""The faults: what a driver does to a stack while a process waits at its point. Each ends with the stack mended."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import redis
import requests

from tests.faults import plan, publish
from tests.faults.process import RunFailed, fork, wait_for
from tests.faults.stack import Stack, run_quiet
from tests.faults.witness import BY_HAND, Wanted
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.store import SqlJournal
from ztrade.domain.ledger import Outcome
from ztrade.ports import Journal

#: wall seconds for which something stays down or frozen: longer than the lease, and than the grace
DOWN = 5.0
#: slots for which a program is gone, where time runs
AWAY = 3


@dataclass
class Run:
    """One run under way: its stack, who waits at the point (0 for nobody), and a source of chance."""

    stack: Stack
    chance: random.Random
    pid: int = 0
    slot: int = plan.ENTRY
    wanted: Wanted = field(default_factory=Wanted)
    journal: Journal | None = None
    #: how many orders may leave after a halt: one that is past its last checks, or a sale whose stop was ended
    may_leave: int = 0
    #: monotonic: until when something that is held back somewhere may still arrive
    settled: float = 0.0

    def pause(self, most: float = 0.4) -> None:
        time.sleep(self.chance.uniform(0, most))

    def outcome(self, number: int) -> str:
        """Return the outcome of a slot, empty while it has none."""
        self.journal = self.journal or open_journal(self.stack.journal_url, create=False)
        found = self.journal.cycles(agent=plan.AGENT, since=plan.slot(number), until=plan.slot(number))
        return "" if not found or found[-1].outcome is None else str(found[-1].outcome)

    def cli(self, *arguments: str) -> None:
        """Run a ztrade command as a person does, in a process of its own. Raises RunFailed."""
        from ztrade.cli.main import cli

        words = ["--config", str(self.stack.config), *arguments]
        made = fork("cli", self.stack.folder / "cli.log", lambda: cli.main(words))
        wait_for(f"ztrade {' '.join(arguments)}", lambda: not made.alive(), 30)
        if made.status:
            raise RunFailed(f"ztrade {' '.join(arguments)}: {(self.stack.folder / 'cli.log').read_text()}")


Fault = Callable[[Run], None]


# -- processes ---------------------------------------------------------------------------------------------------------
def kill_child(run: Run) -> None:
    run.pause()
    os.kill(run.pid, signal.SIGKILL)


def dies_again(run: Run) -> None:
    """The child dies at the point, and so does whoever comes there after it, until somebody ends the slot."""
    lethal = run.stack.stops / "die"
    lethal.touch()
    kill_child(run)
    with contextlib.suppress(RunFailed):
        wait_for("the slot's end", lambda: run.stack.is_naive or run.outcome(run.slot), 60)
    lethal.unlink()
    run.wanted = Wanted(since=run.slot + 1, told=f"{Outcome.INTERRUPTED} at {plan.slot(run.slot):%Y-%m-%d %H:%M}")


def kill_main(run: Run) -> None:
    """The child goes on alone, beside the successor."""
    run.stack.program("worker").kill()
    run.stack.start_worker()
    run.pause(2.0)
    run.stack.go()


def kill_worker(run: Run) -> None:
    run.stack.program("worker").kill_all()
    run.pause(1.0)
    run.stack.start_worker()


def stopped(send: Callable[[int, int], None]) -> Fault:
    """Return: the worker is asked to end in the middle of the cycle, and is started again when it has."""

    def fault(run: Run) -> None:
        worker = run.stack.program("worker")
        send(worker.pid, signal.SIGTERM)
        run.pause()
        run.stack.go()
        wait_for("the worker's end", lambda: not worker.alive(), 30)
        run.stack.start_worker()

    return fault


def killed(name: str, start: Callable[[Stack], object]) -> Fault:
    """Return: kill one program, let the cycle go on, start it again."""

    def fault(run: Run) -> None:
        run.stack.program(name).kill_all()
        run.pause()
        run.stack.go()
        run.pause(2.0)
        start(run.stack)

    return fault


def frozen(name: str) -> Fault:
    """Return: freeze one program past the lease while the cycle goes on."""

    def fault(run: Run) -> None:
        program = run.stack.program(name)
        program.signal(signal.SIGSTOP)
        run.stack.go()
        time.sleep(DOWN)
        program.signal(signal.SIGCONT)

    return fault


def thawed(slots: int) -> Fault:
    """Return: a second worker takes the slot over; the first one thaws when so many slots have their outcome."""

    def fault(run: Run) -> None:
        os.kill(run.pid, signal.SIGSTOP)
        run.stack.go()
        run.stack.start_worker("second")
        last = run.slot + slots - 1
        with contextlib.suppress(RunFailed):
            wait_for("the successor", lambda: not run.stack.is_naive and run.outcome(last), DOWN * (1 + slots))
        run.pause()
        with contextlib.suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGCONT)

    return fault


def away(name: str, start: Callable[[Stack], object], cause: str) -> Fault:
    """Return: a program is gone for three slots, in time that runs; each of them is missed, and says so."""

    def fault(run: Run) -> None:
        run.stack.program(name).kill_all()
        run.stack.go()
        wait_for("three slots", lambda: _slot_now(run) >= run.slot + AWAY)
        start(run.stack)
        back = _slot_now(run)
        # the slot in which it came back may have been too short for it
        run.wanted = Wanted(since=back + 1, cause=cause, back=back, alone=name == "worker")

    return fault


def _slot_now(run: Run) -> int:
    return plan.number_of(datetime.fromisoformat(run.stack.url.clock()["now"]))


def beside(fault: Fault) -> Fault:
    """Return: the same to one agent, and another agent beside it must not notice."""

    def do(run: Run) -> None:
        run.wanted = Wanted(since=run.slot)
        fault(run)
        run.wanted = replace(run.wanted, alone=True)

    return do


def power_cut(run: Run) -> None:
    """Everything of ours dies at once; the exchange is far away and lives on."""
    names = ["worker", "beat", "redis"] if run.stack.is_naive else ["worker", "beat", "keeper", "redis"]
    for name in names:
        run.stack.program(name).kill_all()
    run.pause(1.0)
    run.stack.start_redis()
    run.stack.start_worker()
    run.stack.start_keeper()
    run.stack.start_beat()


# -- Redis -------------------------------------------------------------------------------------------------------------
def flush(run: Run) -> None:
    with contextlib.closing(run.stack.redis()) as client:
        client.flushall()
    run.stack.go()


def old_backup(run: Run) -> None:
    """Put back, two slots later, what Redis had on its disk now, with old messages in it."""
    publish.again(run.stack, run.slot, 3)
    data = run.stack.folder / "redis"
    with contextlib.closing(run.stack.redis()) as client:
        client.save()
    kept = (data / "dump.rdb").read_bytes()
    run.stack.go()
    wait_for("two more slots", lambda: run.stack.is_naive or run.outcome(run.slot + 2))
    run.stack.program("redis").kill_all()
    shutil.rmtree(data)
    data.mkdir()
    (data / "dump.rdb").write_bytes(kept)
    run.stack.redis_kind = replace(run.stack.redis_kind, persistence="rdb")  # an AOF would be read in its place
    run.stack.start_redis()


def client_kills(run: Run) -> None:
    run.stack.go()
    with contextlib.closing(run.stack.redis()) as client:
        for _ in range(30):
            with contextlib.suppress(redis.RedisError):
                client.client_kill_filter(_type="normal", skipme=True)
                client.client_kill_filter(_type="pubsub", skipme=True)
            time.sleep(0.05)


def redis_full(run: Run) -> None:
    with contextlib.closing(run.stack.redis()) as client:
        client.config_set("maxmemory", 1)
        run.stack.go()
        time.sleep(DOWN)
        client.config_set("maxmemory", 0)


# -- the disk ----------------------------------------------------------------------------------------------------------
def disk_full(run: Run) -> None:
    filler = run.stack.state / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"0" * 65536):
            pass
    run.stack.go()
    time.sleep(DOWN)
    filler.unlink()


def read_only(run: Run) -> None:
    """The kernel makes the disk read-only, as it does after an error; then a person repairs it and starts anew."""
    state = str(run.stack.state)
    run_quiet("mount", "-o", "remount,abort", state)
    run.stack.go()
    time.sleep(DOWN)
    names = ["worker", "beat"] if run.stack.is_naive else ["worker", "beat", "keeper"]
    for name in names:
        run.stack.program(name).kill_all()
    if isinstance(run.journal, SqlJournal):
        run.journal.close()
    run_quiet("umount", state)
    subprocess.run(["fsck.ext4", "-fy", str(run.stack.image)], capture_output=True, check=False)
    run_quiet("mount", "-o", "loop", str(run.stack.image), state)
    # a claim need not be on the disk, an intent must: what the machine lost may be granted again
    (run.stack.stops / "claims").write_text("")
    run.stack.start_worker()
    run.stack.start_keeper()
    run.stack.start_beat()


# -- the exchange ------------------------------------------------------------------------------------------------------
def asked(kind: str, *, method: str | None = None, path: str | None = None, times: int = 1, **args: Any) -> Fault:
    """Return: ask the exchange for one of its faults."""

    def fault(run: Run) -> None:
        run.stack.url.fault(kind, method=method, path=path, times=times, **args)
        run.stack.go()

    return fault


def before_tomorrow(kind: str, **args: Any) -> Fault:
    """Return: something happens to the stock before the next session."""
    return asked(kind, symbol=plan.SYMBOL, **args)


def at_order(kind: str, **args: Any) -> Fault:
    """Return: the next POST of an order meets this fault."""
    return asked(kind, method="POST", path="^/v2/orders$", **args)


def skewed(run: Run) -> None:
    run.stack.url.fault("clock_skew", seconds=600)
    run.stack.go()
    wait_for("a slot under the skew", lambda: run.stack.is_naive or run.outcome(run.slot))
    run.stack.url.clear_faults()


# -- messages ----------------------------------------------------------------------------------------------------------
def second_beat(run: Run) -> None:
    run.stack.start_beat("beat2")
    run.pause(1.0)
    run.stack.go()


def redelivered(run: Run) -> None:
    """The slot's message comes five times more, and there is a second worker to take it."""
    run.stack.start_worker("second")
    publish.again(run.stack, run.slot, 5)
    run.pause(2.0)
    run.stack.go()


# -- people ------------------------------------------------------------------------------------------------------------
def halted(run: Run) -> None:
    """A person halts; two slots later, sends nothing having been checked, the person releases."""
    before = len(orders(run.stack))
    run.cli("halt", plan.AGENT, "--reason", "the fault matrix", "--by", "ann")
    run.stack.go()
    wait_for("the slot's outcome", lambda: run.outcome(run.slot))
    settled = len(orders(run.stack))
    wait_for("a halted slot", lambda: run.outcome(run.slot + 1) == Outcome.HALTED, 20)
    beat = run.stack.program("beat")
    beat.signal(signal.SIGSTOP)
    if settled > before + run.may_leave or len(orders(run.stack)) != settled:
        run.stack.folder.joinpath("after-halt").touch()
    run.cli("release", plan.AGENT)
    run.wanted = Wanted(since=_slot_now(run) + 1)
    beat.signal(signal.SIGCONT)


def orders(stack: Stack, symbol: str = plan.SYMBOL) -> list[dict[str, object]]:
    """Return the newest 500 orders of a symbol, with their legs in them."""
    answer = ask(stack, "GET", f"orders?status=all&limit=500&nested=true&symbols={symbol}")
    found: list[dict[str, object]] = answer.json()
    return found


def ask(stack: Stack, method: str, what: str, body: object = None) -> requests.Response:
    keys = {"APCA-API-KEY-ID": "hand", "APCA-API-SECRET-KEY": "hand"}
    return requests.request(method, f"{stack.url}/v2/{what}", json=body, headers=keys, timeout=10)


def cancel_stop(run: Run) -> None:
    for order in orders(run.stack):
        for leg in order.get("legs") or ():  # type: ignore[attr-defined]
            if leg["type"] == "stop":
                ask(run.stack, "DELETE", f"orders/{leg['id']}")
    run.stack.go()


def sell_by_hand(run: Run) -> None:
    """A person ends the legs and sells all of it."""
    cancel_stop(run)
    qty = ask(run.stack, "GET", f"positions/{plan.SYMBOL}").json().get("qty")
    _by_hand(run.stack, "sell", qty)
    run.wanted = Wanted(since=run.slot, foreign=True)


def buy_by_hand(run: Run) -> None:
    _by_hand(run.stack, "buy", "7")
    run.stack.go()
    run.wanted = Wanted(since=run.slot, foreign=True)


def _by_hand(stack: Stack, side: str, qty: str) -> None:
    order = {"symbol": plan.SYMBOL, "side": side, "qty": qty, "type": "market", "time_in_force": "day",
             "client_order_id": f"{BY_HAND}-{side}"}  # fmt: skip
    ask(stack, "POST", "orders", order)


# -- the network -------------------------------------------------------------------------------------------------------
def clock_jump(seconds: int) -> Fault:
    """Return: the wall clock of all our processes jumps."""

    def fault(run: Run) -> None:
        run.stack.clock_file.write_text(str(seconds))
        run.stack.go()

    return fault


def nothing(run: Run) -> None:
    """Let the cycle go on: the run without a fault."""
    run.stack.go()

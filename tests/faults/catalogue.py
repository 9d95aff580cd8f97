"""Every fault by its name, with its words on the page."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tests.faults.actions import (
    Fault,
    asked,
    at_order,
    away,
    before_tomorrow,
    beside,
    buy_by_hand,
    cancel_stop,
    client_kills,
    clock_jump,
    dies_again,
    disk_full,
    flush,
    frozen,
    halted,
    kill_child,
    kill_main,
    kill_worker,
    killed,
    nothing,
    old_backup,
    power_cut,
    read_only,
    redelivered,
    redis_full,
    second_beat,
    sell_by_hand,
    skewed,
    stopped,
    thawed,
)
from tests.faults.network import cut
from tests.faults.stack import Stack


@dataclass(frozen=True, slots=True)
class Named:
    """A fault, its words on the page, and whether the naive version can meet it."""

    do: Fault
    words: str
    naive: bool = True
    needs: str = ""


FAULTS: dict[str, Named] = {
    "none": Named(nothing, "no fault"),
    "kill child": Named(kill_child, "kill -9 of the pool child"),
    "dies again": Named(
        dies_again, "the pool child dies there again and again, until the slot is given up", naive=False
    ),
    "kill main": Named(kill_main, "kill -9 of the worker's main process, its child goes on beside the successor"),
    "kill worker": Named(kill_worker, "kill -9 of the whole worker"),
    "TERM": Named(stopped(os.kill), "SIGTERM to the worker"),
    "TERM group": Named(stopped(os.killpg), "SIGTERM to the worker's whole process group"),
    "freeze child": Named(thawed(1), "SIGSTOP of the child past its lease, a successor, SIGCONT"),
    "freeze long": Named(thawed(2), "SIGSTOP of the child, SIGCONT when the successor has run the next slot too"),
    "freeze main": Named(frozen("worker"), "SIGSTOP of the worker's main process past the lease"),
    "power cut": Named(power_cut, "kill -9 of everything but the exchange"),
    "kill beat": Named(killed("beat", Stack.start_beat), "kill -9 of beat"),
    "freeze beat": Named(frozen("beat"), "SIGSTOP of beat past the lease"),
    "two beats": Named(second_beat, "a second beat"),
    "kill keeper": Named(killed("keeper", Stack.start_keeper), "kill -9 of the keeper", naive=False),
    "freeze keeper": Named(frozen("keeper"), "SIGSTOP of the keeper past the lease", naive=False),
    "redelivery": Named(redelivered, "the message delivered five times more, to two workers"),
    "kill Redis": Named(killed("redis", Stack.start_redis), "kill -9 of Redis"),
    "freeze Redis": Named(frozen("redis"), "SIGSTOP of Redis"),
    "FLUSHALL": Named(flush, "FLUSHALL"),
    "CLIENT KILL": Named(client_kills, "30 times CLIENT KILL of every connection"),
    "Redis full": Named(redis_full, "Redis full (maxmemory)"),
    "disk full": Named(disk_full, "disk of the journal full", needs="mount"),
    "read-only": Named(read_only, "disk of the journal read-only after an error", needs="disk"),
    "kill exchange": Named(killed("exchange", Stack.start_exchange), "kill -9 of the exchange"),
    "freeze exchange": Named(frozen("exchange"), "SIGSTOP of the exchange"),
    "504 landed": Named(at_order("504"), "the order lands, the client is told 504"),
    "reset before": Named(at_order("reset_before"), "connection reset before the order lands"),
    "reset after": Named(at_order("reset_after"), "connection reset after the order landed"),
    "hang": Named(at_order("hang"), "no answer to the order, which did not land"),
    "500": Named(at_order("500"), "500 to the order"),
    "429": Named(at_order("429"), "429 to the order"),
    "duplicate": Named(at_order("duplicate"), "the order delivered twice by the network"),
    "rejected": Named(at_order("rejected"), "the order accepted, then rejected"),
    "partial fill": Named(at_order("partial_fill"), "the order filled in parts"),
    "drift": Named(at_order("schema_drift", remove=["status", "id"]), "the order's answer lacks fields"),
    "latency": Named(at_order("latency", seconds=3), "the order's answer comes too late"),
    "hang reads": Named(asked("hang", method="GET", path="^/v2/", times=3), "three reads are never answered"),
    "drift reads": Named(
        asked("schema_drift", method="GET", path="^/v2/account$", times=2, remove=["cash"]), "answers lack fields"
    ),
    "504 to cancel": Named(asked("504", method="DELETE", path="^/v2/orders/"), "the cancel is done and told 504"),
    "split": Named(before_tomorrow("split", ratio=2), "a 2:1 split overnight under the position", needs="night"),
    "dividend": Named(before_tomorrow("dividend", amount=1), "a dividend overnight", needs="night"),
    "clock skew": Named(skewed, "the exchange's clock ten minutes off"),
    "halt": Named(halted, "a person halts, and releases two slots later", naive=False),
    "stop cancelled": Named(cancel_stop, "a person cancels the stop", naive=False),
    "sold by hand": Named(sell_by_hand, "a person sells the position", naive=False),
    "bought by hand": Named(buy_by_hand, "a person buys the same symbol"),
    "network cut": Named(cut, "packets to the exchange dropped (iptables)", needs="network"),
    "old backup": Named(old_backup, "an older backup of Redis put back two slots later, with old messages in it"),
    "early close": Named(kill_worker, "kill -9 of the whole worker, on a day that closes early", needs="early"),
    "worker away": Named(
        away("worker", Stack.start_worker, "no worker"),
        "time runs: the worker is gone for three slots, another agent is not to notice",
        naive=False,
        needs="running",
    ),
    "beat away": Named(
        away("beat", Stack.start_beat, "beat was down"),
        "time runs: beat is gone for three slots, of two agents",
        naive=False,
        needs="running",
    ),
    "Redis away": Named(
        away("redis", Stack.start_redis, "redis"),
        "time runs: Redis is gone for three slots, of two agents",
        naive=False,
        needs="running",
    ),
    "kill beside": Named(
        beside(kill_worker),
        "time runs: kill -9 of the whole worker, another agent is not to notice",
        naive=False,
        needs="running",
    ),
    "freeze beside": Named(
        beside(thawed(1)),
        "time runs: SIGSTOP of the child past its lease, a successor, SIGCONT; another agent is not to notice",
        naive=False,
        needs="running",
    ),
    "halt beside": Named(
        beside(halted),
        "time runs: a person halts one agent, another is not to notice",
        naive=False,
        needs="running",
    ),
    "kill PostgreSQL": Named(
        killed("postgres", Stack.start_journal),
        "journal on PostgreSQL: kill -9 of the whole server",
        naive=False,
        needs="postgres",
    ),
    "kill, PostgreSQL": Named(
        kill_worker, "journal on PostgreSQL: kill -9 of the whole worker", naive=False, needs="postgres"
    ),
    "freeze, PostgreSQL": Named(
        thawed(1),
        "journal on PostgreSQL: SIGSTOP of the child past its lease, a successor, SIGCONT",
        naive=False,
        needs="postgres",
    ),
    "504, PostgreSQL": Named(
        at_order("504"), "journal on PostgreSQL: the order lands, the client is told 504", naive=False, needs="postgres"
    ),
    "clock +2h": Named(
        clock_jump(7200),
        "the clock of all processes jumps two hours ahead",
        naive=False,
        needs="clock",
    ),
    "clock -2h": Named(
        clock_jump(-7200),
        "the clock of all processes jumps two hours back",
        naive=False,
        needs="clock",
    ),
}

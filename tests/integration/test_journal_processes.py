"""One journal and many processes: claims, forks, kills, readers beside writers."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import ACCOUNT, LEASE, OPEN, at, claim, empty_sqlite, fill, record, send
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.store import SqlJournal
from ztrade.adapters.journal.upgrade import prepare
from ztrade.domain.ledger import CycleKind, Outcome
from ztrade.domain.types import Side
from ztrade.errors import JournalUnavailable

PROCESSES = 5
SLOTS = 200
ROOT = Path(__file__).parents[2]


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a fresh interpreter that shares nothing with this one."""
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


CLAIM_ALL = """
import json, sys
from tests.contract.journals import LEASE, at
from ztrade.adapters.journal import open_journal
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome
address, name, slots = sys.argv[1], sys.argv[2], int(sys.argv[3])
journal = open_journal(address)
won = []
for minutes in range(slots):
    slot = at(minutes)
    claim = journal.claim("spy", slot, CycleKind.SLOT, owner=name, now=slot, wall=slot, lease=LEASE)
    if claim is not None:
        won.append(minutes)
        journal.finish(claim, CycleRecord(claim.cycle_id, "spy", slot, claim.kind, Outcome.HELD, name, slot))
print(json.dumps(won))
"""


def test_processes_share_the_slots_out(tmp_path: Path) -> None:
    """Five processes begin at once, on a file that does not exist yet, and want the same slots: each slot runs once."""
    address = f"sqlite:///{tmp_path}/journal.db"
    children = [start(CLAIM_ALL, address, f"worker-{n}", str(SLOTS)) for n in range(PROCESSES)]
    won: list[int] = []
    for child in children:
        out, _ = child.communicate(timeout=100)
        assert child.returncode == 0
        won += json.loads(out)
    assert Counter(won) == Counter(range(SLOTS))
    journal = open_journal(address)
    assert [row.outcome for row in journal.cycles()] == [Outcome.HELD] * SLOTS
    journal.close()


def test_a_fork_goes_on_with_connections_of_its_own(tmp_path: Path) -> None:
    """The parent has used the journal, threads included; parent and children write at once, and all of it arrives."""
    journal = open_journal(empty_sqlite(tmp_path))
    claim(journal, 1000)
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            for minutes in range(20):
                claim(journal, minutes, agent=f"child-{number}")
            os._exit(0)
        children.append(child)
    for minutes in range(20):
        claim(journal, minutes, agent="parent")
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert len(journal.cycles()) == 81
    assert list(journal.damage()) == []
    journal.close()


def test_a_child_never_uses_its_parents_connection(tmp_path: Path) -> None:
    """SQLite forbids it: locks and the log's state would be shared. Nor is it closed, which would drop the locks."""
    database = prepare(empty_sqlite(tmp_path), create=True, busy=timedelta(seconds=1))
    with database.read():
        pass
    mine = database.engine
    child = os.fork()
    if child == 0:
        os._exit(0 if database.engine is not mine and mine.pool.checkedin() == 1 else 1)  # type: ignore[attr-defined]
    assert os.waitpid(child, 0)[1] == 0
    assert database.engine is mine
    database.close()


def test_openers_at_the_same_instant_wait_for_each_other(tmp_path: Path) -> None:
    """All processes of a stack start together on a file that does not exist: one migrates, none fails."""
    empty_sqlite(tmp_path)  # imports what opening needs, so that the children do not wait for the disk
    for number in range(8):
        address = f"sqlite:///{tmp_path}/{number}.db"
        gate, opened = os.pipe()
        children = []
        for _ in range(PROCESSES):
            child = os.fork()
            if child == 0:
                os.close(opened)
                os.read(gate, 1)  # returns in all of them when the parent closes its end
                try:
                    open_journal(address)
                except BaseException:  # noqa: BLE001 - whatever it was, this child failed
                    os._exit(1)
                os._exit(0)
            children.append(child)
        os.close(gate)
        os.close(opened)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * PROCESSES


def test_threads_share_one_journal(tmp_path: Path) -> None:
    """Each slot is claimed once, whatever the thread."""
    journal = open_journal(empty_sqlite(tmp_path))
    won: list[int] = []

    def work() -> None:
        for minutes in range(25):
            slot = at(minutes)
            if journal.claim("spy", slot, CycleKind.SLOT, owner="t", now=slot, wall=slot, lease=LEASE):
                won.append(minutes)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(25))
    journal.close()


TRADE_ON = """
import itertools, sys
from tests.contract.journals import ACCOUNT, at, fill, send
from ztrade.adapters.journal import open_journal
from ztrade.domain.types import Side
journal = open_journal(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    send(journal, f"n{number}", f"o{number}", number)
    sold = fill(f"s{number}", f"o{number}-stop", number, side=Side.SELL)
    journal.book(ACCOUNT, [fill(f"b{number}", f"o{number}", number), sold])
    print("on", flush=True)
"""


def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path) -> None:
    """Killed anywhere, again and again: every booking is there as a whole or not at all, and writing goes on."""
    address = empty_sqlite(tmp_path)
    journal = open_journal(address)
    cash = Decimal(1_000_000)
    journal.open_account(ACCOUNT, cash, OPEN, [])
    pauses = random.Random(7)
    for _ in range(6):
        first = 1 + max((round((row.slot - OPEN).total_seconds() / 60) for row in journal.cycles()), default=0)
        child = start(TRADE_ON, address, str(first))
        assert child.stdout is not None
        assert child.stdout.readline() == "on\n"
        time.sleep(pauses.random() / 10)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        _check(journal, cash)
    assert len(journal.fills()) >= 12
    assert list(journal.damage()) == []
    journal.close()


def _check(journal: SqlJournal, cash: Decimal) -> None:
    fills, trips = journal.fills(), journal.round_trips()
    assert len(fills) == 2 * len(trips)
    assert list(journal.holdings()) == []
    assert {found.agent for found in fills} <= {"spy"}
    total = sum((f.qty * f.price * (1 if f.side is Side.SELL else -1) for f in fills), cash)
    assert journal.account_state(ACCOUNT, OPEN).cash == total
    for found in journal.intents():
        assert found.order is None or len(found.order.legs) == 2


LAST_ONE = """
import sys
from ztrade.adapters.journal import open_journal
journal = open_journal(sys.argv[1])
journal.cycles(limit=1)
journal.close()
"""


def test_opening_the_journal_again_keeps_what_holds_it(tmp_path: Path) -> None:
    """Another process that closes it afterwards must not take itself for the last one.

    That one removes the write-ahead log; who still had the journal open would read from the removed file, and at its
    end remove the log that others write meanwhile, with what is in it. The exporter opens the journal in two threads.
    """
    address = empty_sqlite(tmp_path)
    journal = open_journal(address)
    journal.cycles(limit=1)
    open_journal(address, create=False).close()
    child = start(LAST_ONE, address)
    child.communicate(timeout=60)
    assert child.returncode == 0
    assert (tmp_path / "journal.db-wal").exists()
    journal.close()
    assert not (tmp_path / "journal.db-wal").exists(), "who really closes it last does remove it"


def test_reading_goes_on_while_another_writes(tmp_path: Path) -> None:
    """A reader neither waits for an open writing transaction nor sees it before its commit."""
    journal = open_journal(empty_sqlite(tmp_path))
    held = claim(journal)
    writer = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE cycles SET reason = 'half done'")
    began = time.monotonic()
    assert [row.reason for row in journal.cycles()] == ["running"]
    assert journal.agent_state("spy", ACCOUNT, "SPY", OPEN).trades_today == 0
    assert time.monotonic() - began < 5
    writer.execute("ROLLBACK")
    writer.close()
    journal.finish(held, record(held))
    journal.close()


def test_a_journal_that_stays_locked_is_unavailable(tmp_path: Path) -> None:
    """The writer waits its time, then says so; nothing was written, and the next try succeeds."""
    journal = open_journal(empty_sqlite(tmp_path), busy=timedelta(milliseconds=200))
    held = claim(journal)
    writer = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnavailable, match="database is locked"):
        journal.finish(held, record(held))
    writer.execute("ROLLBACK")
    writer.close()
    journal.finish(held, record(held))
    journal.close()


def test_a_journal_that_was_replaced_is_not_written(tmp_path: Path) -> None:
    """A worker that still has the old file open would write where nobody looks."""
    journal = open_journal(empty_sqlite(tmp_path))
    claim(journal)
    (tmp_path / "journal.db").rename(tmp_path / "moved.db")
    with pytest.raises(JournalUnavailable, match="No such file"):
        claim(journal, 10)
    empty_sqlite(tmp_path)
    with pytest.raises(JournalUnavailable, match="another file was put in its place"):
        claim(journal, 10)
    journal.close()


FILL_UP = """
import resource, signal, sys
from tests.contract.journals import ACCOUNT, OPEN, at, fill, send
from ztrade.adapters.journal import open_journal
from ztrade.errors import JournalUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = open_journal(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
number = int(sys.argv[2])
try:
    while True:
        number += 1
        send(journal, f"n{number}", f"o{number}", number)
        journal.book(ACCOUNT, [fill(f"b{number}-{n}", f"o{number}", number, "1") for n in range(10)])
except JournalUnavailable as error:
    print(number, error)
"""


def test_a_full_disk_is_unavailable_and_nothing_is_half_written(tmp_path: Path) -> None:
    """Whatever the file cannot take is not there; everything before is, and it goes on when there is space."""
    address = empty_sqlite(tmp_path)
    journal = open_journal(address)
    cash = Decimal(1_000_000)
    journal.open_account(ACCOUNT, cash, OPEN, [])
    journal.close()
    for size in (300_000, 500_000, 501_000):
        out, _ = start(FILL_UP, address, str(size)).communicate(timeout=60)
        number, _, words = out.partition(" ")
        assert int(number) > size
        assert "disk" in words
        journal = open_journal(address)
        assert list(journal.damage()) == []
        fills = journal.fills()
        assert len(fills) % 10 == 0
        assert journal.account_state(ACCOUNT, OPEN).cash == cash - sum(f.qty * f.price for f in fills)
        assert sum(h.qty for h in journal.holdings()) == len(fills)
        journal.close()
    journal = open_journal(address)
    send(journal, "after", "o-after", 5000)
    journal.book(ACCOUNT, [fill("after", "o-after", 5000)])
    journal.close()

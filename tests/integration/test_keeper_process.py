"""The keeper as a process, with Redis and beat down: slots get their outcome, a halt its way, a dead cycle its end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.served import ZTRADE, shipped
from tests.waiting import wait_for
from ztrade.app import books, trade
from ztrade.bootstrap import Runtime
from ztrade.domain.decision import Action, Decision
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome, Wish
from ztrade.domain.types import Leg
from ztrade.testing.exchange_server import ExchangeUrl, running
from ztrade.testing.scripted_server import Answer, scripted

START = datetime(2022, 8, 22, 14, 0, tzinfo=UTC)
D = Decimal


@dataclass
class Kept:
    """One agent on a running exchange, 30 s of its time a second, and a keeper beside it."""

    folder: Path
    url: ExchangeUrl
    runtime: Runtime

    def command(self, *arguments: str) -> list[str]:
        return [ZTRADE, "--config", str(self.folder / "etc" / "ztrade.toml"), "--state", str(self.folder / "state"),
                *arguments]  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60)

    @contextmanager
    def keeper(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "keeper.log").open("ab") as log:
            made = subprocess.Popen(self.command("keeper"), stdout=log, stderr=subprocess.STDOUT)
        try:
            yield made
        finally:
            made.send_signal(signal.SIGTERM)
            assert made.wait(90) == 0, (self.folder / "keeper.log").read_text()

    def enter(self) -> None:
        """Buy ten shares with a stop, as a cycle of the agent does."""
        desk = self.runtime.desk("spy", owner="test")
        now = desk.clock.now()
        claim = desk.journal.claim(
            "spy", now, CycleKind.EXTRA, owner="test", now=now, wall=desk.clock.wall(), lease=timedelta(minutes=1)
        )
        assert claim is not None
        price = desk.data.quote("SPY").ask
        stop, target = (price * share for share in (D("0.5"), D("1.5")))
        decision = Decision(Action.BUY, D(10), 0.9, 0.9, price, "test", stop=stop.quantize(D("0.01")),
                            target=target.quantize(D("0.01")))  # fmt: skip
        books.catch_up(desk, now)
        trade.send(desk, claim, Leg.ENTRY, trade.entry_request(desk, now, decision), now=now)
        wait_for(lambda: desk.exchange.positions(), 20, "the entry's fill")
        done = CycleRecord(claim.cycle_id, "spy", now, claim.kind, Outcome.ENTERED, "entered: test", now, now)
        desk.journal.finish(claim, done)

    def held(self) -> Decimal:
        return sum((position.qty for position in self.runtime.exchange_for("spy").positions()), D(0))

    def told(self) -> list[str]:
        return [message.title for message in self.runtime.journal.messages()]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Give an exchange in the middle of a morning; neither Redis nor beat nor a worker runs."""
    with running(start=START, speed=30) as url:
        (tmp_path / "state").mkdir()
        config = shipped(tmp_path, url)
        for other in ("aapl", "tsla"):
            (config.path.parent / "agents" / f"{other}.toml").unlink()
        runtime = Runtime(shipped(tmp_path, url))
        yield Kept(tmp_path, url, runtime)
        runtime.close()


def test_slots_missed_while_redis_is_down_get_their_outcome_and_are_told(kept: Kept) -> None:
    """Nobody rang and nobody ran: each slot of that time is missed, with the cause, once."""

    def missed() -> list[str]:
        cycles = kept.runtime.journal.cycles(agent="spy", kind=CycleKind.SLOT)
        return [record.reason for record in cycles if record.outcome is Outcome.MISSED]

    with kept.keeper(), kept.keeper():
        wait_for(lambda: len(missed()) >= 2 and len(kept.told()) >= 2, 60, "two missed slots")
    assert missed()[-1] == "missed: Redis was down"
    assert len(kept.told()) == len(set(kept.told()))
    slots = [record.slot for record in kept.runtime.journal.cycles(agent="spy", kind=CycleKind.SLOT)]
    assert len(slots) == len(set(slots))


def test_a_halt_flattens_though_redis_and_the_workers_are_down(kept: Kept) -> None:
    """From the command line to a flat account, and the status says what stands until it is released."""
    kept.enter()
    with kept.keeper():
        done = kept.run("halt", "spy", "--flatten", "--reason", "smoke in the server room", "--by", "ann")
        assert done.returncode == 0, done.stderr
        assert "the keeper does it" in done.stdout
        wait_for(lambda: not kept.held(), 30, "a flat account")
        wait_for(lambda: "spy is flat" in kept.told(), 20, "the word that it is flat")
    assert not kept.runtime.exchange_for("spy").orders(open_only=True)
    status = json.loads(kept.run("status", "--json").stdout)
    assert status["halts"] == {"spy": "smoke in the server room (by ann)"}
    released = kept.run("release", "spy")
    assert "spy: was halted: smoke in the server room (by ann)" in released.stdout
    assert kept.run("release", "spy").returncode == 1


def test_a_halt_is_obeyed_within_a_second(kept: Kept) -> None:
    """From the person's Enter to the stop and target ended at the exchange, three times: the median."""
    with kept.keeper():
        wait_for(lambda: "keeper_started" in (kept.folder / "keeper.log").read_text(), 30, "the keeper")
        took = sorted(obeyed(kept) for _ in range(3))
    assert took[1] < 1.0, took


def obeyed(kept: Kept) -> float:
    """Return the wall seconds from a halt that orders to flatten to the end of what rests; it is released after."""
    kept.enter()
    exchange, halts = kept.runtime.exchange_for("spy"), kept.runtime.halts
    before = kept.told().count("spy is flat")
    began = time.monotonic()
    halts.halt("spy", "now", Wish(f"w{began:.0f}".replace(".", ""), flatten=True))
    wait_for(lambda: not any(order.legs for order in exchange.orders(open_only=True)), 20, "the end of the legs")
    took = time.monotonic() - began
    wait_for(lambda: kept.told().count("spy is flat") > before, 60, "the word that it is flat")
    kept.run("release", "spy")
    return took


def test_a_stop_cancelled_by_hand_is_found_between_two_cycles(kept: Kept) -> None:
    """The keeper's first look at the books: the position is unprotected, and a person hears of it."""
    kept.enter()
    exchange = kept.runtime.exchange_for("spy")
    (entry,) = [order for order in exchange.orders() if order.legs]
    stop = next(leg for leg in entry.legs if leg.stop_price is not None)
    exchange.cancel(stop.id)
    with kept.keeper():
        wait_for(lambda: "embedded: unprotected SPY" in kept.told(), 40, "the word of it")


def test_an_exchange_that_is_down_is_waited_for(kept: Kept) -> None:
    """Nothing is concluded from silence, and the keeper goes on when it is back."""
    kept.enter()
    kept.url.fault("500", path="/v2/", times=None, status=503)
    with kept.keeper() as process:
        log = kept.folder / "keeper.log"
        wait_for(lambda: "duty_waits" in log.read_text(), 30, "the outage in the log")
        assert process.poll() is None
        kept.url.clear_faults()
    assert kept.runtime.halts.reducing("spy") is None
    assert "embedded: unexplained SPY" not in kept.told()


def test_a_trade_and_a_halt_reach_slack_each_once(kept: Kept) -> None:
    """Bought, halted by whom and why, sold by the keeper with what it made: with two keepers, and no worker."""
    with scripted(lambda _asked: Answer(200, b"ok")) as slack:
        etc = kept.folder / "etc"
        with (etc / "ztrade.toml").open("a") as main:
            main.write('\n[alerts.channels.ops]\nkind = "slack"\nmax_in_10_minutes = 100\n')
        (etc / "credentials.toml").write_text(f'[alerts.ops]\nwebhook = "{slack.url}/services/x"\n')
        (etc / "credentials.toml").chmod(0o600)

        def posted(words: str) -> int:
            return sum(words in str(asked.body) for asked in slack.asked)

        kept.enter()
        with kept.keeper(), kept.keeper():
            wait_for(lambda: posted("spy: bought 10 SPY at "), 60, "the entry")
            assert kept.run("halt", "spy", "--flatten", "--reason", "earnings", "--by", "ann").returncode == 0
            wait_for(lambda: posted("spy: sold 10 SPY at "), 60, "the exit")
            wait_for(lambda: posted("spy is flat"), 60, "the end of it")
        for words in ("bought 10 SPY", "sold 10 SPY", "spy halted by ann", "spy is flat"):
            assert posted(words) == 1
        (exit_,) = (str(asked.body) for asked in slack.asked if "sold 10 SPY" in str(asked.body))
        assert " dollars (dry run)" in exit_.partition("sold")[2]

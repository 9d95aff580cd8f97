"""Orders, what the keeper found, and the journal itself, as the exporter tells them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.app.desks import BUY, LEAVE, Bench
from tests.unit.app.test_reconcile import mismatched
from tests.unit.service.trading_stand import Stand, found
from ztrade.adapters.halts import ALL
from ztrade.adapters.metrics import Counters
from ztrade.config import EMBEDDED
from ztrade.domain.risk import REFUSALS
from ztrade.errors import AccessDenied, ExchangeUnavailable, JournalUnavailable, OutcomeUnknown, ZtradeError
from ztrade.service import names, report


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


# -- orders ------------------------------------------------------------------------------------------------------------
def test_orders_from_the_entry_to_the_exit(stand: Stand) -> None:
    stand.bench.cycle(30, BUY)
    stand.bench.cycle(35)
    told = stand.look()
    assert sum(told["orders_open"].values()) == 2.0, "the stop and the target"
    assert told["fills_total"] == {("spy", "buy"): 1.0, ("spy", "sell"): 0.0}
    assert told["orders_total"]["spy", "filled"] == 1.0
    assert sum(told["slippage_ratio"]["spy",].counts) == 1
    assert told["order_answer_seconds"]["spy",].counts[0] == 1
    stand.bench.cycle(40, LEAVE)
    stand.bench.cycle(45)
    told = stand.look()
    assert set(told["orders_open"].values()) == {0.0}
    assert told["orders_total"]["spy", "filled"] == 2.0
    assert told["orders_total"]["spy", "canceled"] == 2.0


def test_an_order_without_an_answer_ages(stand: Stand) -> None:
    def lost() -> None:
        raise OutcomeUnknown("x", "timed out")

    stand.bench.exchange.before["submit"] = lost
    stand.bench.cycle(30, BUY)
    stand.bench.at(32)
    told = stand.look()
    assert told["unknown_outcomes_total"] == told["orders_unknown"] == {("spy",): 1.0}
    assert told["orders_unknown_age_seconds"] == {("spy",): 120.0}
    assert told["sla_bad_total"]["spy", "order_known"] == 1.0
    stand.bench.cycle(35)
    told = stand.look()
    assert told["orders_unknown"] == told["orders_unknown_age_seconds"] == {("spy",): 0.0}
    assert told["sla_bad_total"]["spy", "order_known"] == told["sla_events_total"]["spy", "order_known"] == 1.0


def test_refusals_and_proposals(tmp_path: Path) -> None:
    stand = Stand(tmp_path, manual=True)
    stand.bench.cycle(30, BUY)
    stand.bench.with_agent(manual=False)
    stand.bench.halts.reduce("spy", "daily loss")
    stand.bench.cycle(45, BUY)
    told = stand.look()
    assert told["proposals_pending"] == {("spy",): 0.0}, "it expired"
    refused = told["refusals_total"]
    assert {labels: count for labels, count in refused.items() if count} == {("spy", "reducing"): 1.0}


def test_what_never_happened_is_nought(stand: Stand) -> None:
    """The first of a counter that was not there before would be no increase to Prometheus."""
    told = stand.look()
    assert told["refusals_total"] == {("spy", rule): 0.0 for rule in REFUSALS}
    assert told["orders_open"] == {("spy", state): 0.0 for state in ("accepted", "new", "held", "partially_filled")}
    assert told["exchange_requests_total"] == {(EMBEDDED, "worker-spy"): 0.0, (EMBEDDED, "keeper"): 0.0}


# -- what the keeper found ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [ExchangeUnavailable("refused"), AccessDenied("wrong keys")])
def test_differences_are_what_the_last_comparison_left(stand: Stand, error: ZtradeError) -> None:
    """0 once it was compared, absent before, and when the exchange is silent."""
    stand.bench.cycle(30, BUY)
    stand.bench.cycle(35)
    assert "reconciliation_differences" not in stand.look()
    stand.keep()
    told = stand.look()
    assert set(told["reconciliation_differences"].values()) == {0.0}
    assert {agent for agent, _ in told["reconciliation_differences"]} == {"spy", ALL}
    stand.journal.book(EMBEDDED, [])
    for order in stand.bench.market.orders(open_only=True):
        stand.bench.market.cancel(order.id)
    stand.keep()
    assert stand.look()["reconciliation_differences"]["spy", "unprotected"] == 1.0

    def silent() -> None:
        raise error

    stand.bench.exchange.before["account"] = silent
    stand.keep()
    assert "reconciliation_differences" not in stand.look()


def test_a_bare_position_is_told_whatever_another_order_is(stand: Stand) -> None:
    """One whose id another order has: the alert on the others' shares must not end with it."""
    stand.bench.cycle(30, BUY)
    stand.bench.cycle(35)
    for order in stand.bench.market.orders(open_only=True):
        stand.bench.market.cancel(order.id)
    other = mismatched(stand.bench, "qqq", "QQQ")
    desks = {"spy": stand.bench.desk, "qqq": other}
    stand.config = replace(stand.config, agents={name: desk.agent for name, desk in desks.items()})
    stand.desk = lambda name, **_: desks[name]  # type: ignore[method-assign]
    stand.keep()
    told = stand.look()
    assert told["reconciliation_differences"]["spy", "unprotected"] == 1.0
    assert [m.title for m in stand.journal.messages() if "unprotected" in m.title]


def test_shares_of_who_trades_here_no_more_are_somebodys_business(stand: Stand) -> None:
    """An agent whose file is gone gets no series of its own, and is not left out."""
    rows = [["gone", "unprotected", 2], ["spy", "unprotected", 1], ["gone", "nonsense", 1]]
    account = {"up": True, "age": 1.0, "skew": None, "differences": rows}
    report.write(stand.config.state_dir, report.cycles(names.KEEPER), {"accounts": {EMBEDDED: account}})
    told = stand.look()["reconciliation_differences"]
    assert (told["spy", "unprotected"], told[ALL, "unprotected"], told[ALL, "unexplained"]) == (1.0, 2.0, 0.0)
    assert {agent for agent, _ in told} == {"spy", ALL}


def test_an_exchange_with_a_network_is_what_the_keeper_says(tmp_path: Path) -> None:
    """Up with our clock's lead, down, and unknown once the keeper asks no more."""
    stand = Stand(tmp_path, dry_run=False)
    stand.bench.desk = replace(stand.bench.desk, account="paper")
    assert "exchange_up" not in stand.look()
    stand.bench.wall_shift = timedelta(seconds=3)
    stand.bench.cycle(30)
    stand.keep()
    told = stand.look()
    assert (told["exchange_up"], told["clock_skew_seconds"]) == ({("paper",): 1.0}, {("paper",): 3.0})
    role = report.cycles(names.KEEPER)
    said = report.read(tmp_path, role)
    assert said is not None
    cases: list[tuple[dict[str, Any], Any]] = [
        ({"accounts": {"paper": {**said.facts["accounts"]["paper"], "age": 200.0}}}, None),
        ({"accounts": {"paper": {"up": False, "age": 1.0, "skew": None, "differences": []}}}, {("paper",): 0.0}),
        ({"accounts": {"paper": {"up": True, "age": 10**400, "skew": None, "differences": []}}}, None),
        ({"accounts": {"paper": {"up": True, "age": 1.0, "skew": 10**400, "differences": []}}}, {("paper",): 1.0}),
        ({"accounts": {"paper": "up", "other": {}}}, None),
        ({"accounts": 7}, None),
        ({}, None),
    ]
    for facts, wanted in cases:
        report.write(tmp_path, role, facts)
        assert stand.look().get("exchange_up") == wanted


def test_a_difference_below_nought_hides_no_other(tmp_path: Path) -> None:
    stand = Stand(tmp_path, dry_run=False)
    account = stand.bench.desk.agent.account
    rows = [["spy", "unexplained", 2], ["spy", "unexplained", -2], ["spy", "unprotected", 10**400]]
    facts = {"accounts": {account: {"up": True, "age": 1.0, "skew": 0.0, "differences": rows}}}
    report.write(tmp_path, report.cycles(names.KEEPER), facts)
    told = stand.look()["reconciliation_differences"]
    assert (told["spy", "unexplained"], told["spy", "unprotected"]) == (2.0, 0.0)


def test_requests_and_errors_of_all_processes(stand: Stand) -> None:
    """By role, and errors of all of them together."""
    for role, count in ((names.worker_role("spy"), 5), (names.KEEPER, 2)):
        counters = Counters()
        counters.count("ztrade_exchange_requests_total", count, {"account": EMBEDDED})
        counters.count("ztrade_exchange_errors_total", 1, {"account": EMBEDDED, "kind": "timeout"})
        counters.count("ztrade_exchange_errors_total", 1, {"account": "gone", "kind": "timeout"})
        report.write(stand.config.state_dir, report.cycles(role), counters.told())
    told = stand.look()
    assert told["exchange_requests_total"] == {(EMBEDDED, "worker-spy"): 5.0, (EMBEDDED, "keeper"): 2.0}
    assert told["exchange_errors_total"][EMBEDDED, "timeout"] == 2.0
    assert told["exchange_errors_total"][EMBEDDED, "denied"] == 0.0
    assert ("gone", "timeout") not in told["exchange_errors_total"]


# -- the journal itself ------------------------------------------------------------------------------------------------
def test_a_journal_that_is_away_is_opened_again(stand: Stand) -> None:
    """And counted on, not twice."""
    stand.bench.cycle(30)
    stand.look()
    stand.broken.add("journal")
    stand.ledger._close()
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            stand.ledger.look()
    assert found(stand.ledger.blind()) == {"journal_up": {(): 0.0}}
    stand.broken.clear()
    stand.bench.cycle(35)
    told = stand.look()
    assert told["journal_up"] == {(): 1.0}
    assert told["slots_total"]["spy", "held"] == 2.0


def test_another_journal_is_counted_anew(stand: Stand) -> None:
    stand.bench.cycle(30)
    stand.bench.cycle(35)
    stand.look()
    stand.bench.journal = Bench().journal
    stand.ledger._close()
    assert stand.look()["slots_total"]["spy", "held"] == 0.0

"""One account, both books, once a minute: what is explained is taken over, what is not stops entries and is told."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, MINUTE, OPEN, Bench
from ztrade.app.desk import Desk
from ztrade.app.reconcile import Reconciled, reconcile
from ztrade.domain.ledger import CycleKind, Intent, IntentState, Outcome
from ztrade.domain.messages import Severity
from ztrade.domain.reconcile import Kind
from ztrade.domain.types import Activity, Leg, OrderRequest, OrderType, Side, TimeInForce
from ztrade.errors import AdoptionMismatch, ExchangeUnavailable, OutcomeUnknown

D = Decimal


def look(bench: Bench) -> Reconciled:
    return reconcile([bench.desk], OPEN, lambda _seconds: None)


def kinds(bench: Bench) -> list[Kind]:
    return [difference.kind for difference in look(bench).differences]


def by_hand(bench: Bench, side: Side, qty: int, symbol: str = "SPY", **more: object) -> str:
    """Trade on the account as a person would; returns the order's id."""
    request = OrderRequest(f"by-hand-{len(bench.orders())}", symbol, side, D(qty), **more)  # type: ignore[arg-type]
    return bench.market.submit(request).id


def stop_of(bench: Bench) -> str:
    (stop,) = [leg.id for order in bench.orders() for leg in order.legs if leg.type is OrderType.STOP]
    return stop


def entered(bench: Bench, minutes: float = 30) -> None:
    assert bench.cycle(minutes, BUY).outcome is Outcome.ENTERED
    bench.at(minutes + 2)


def told(bench: Bench) -> list[tuple[Severity, str]]:
    return [(message.severity, message.title) for message in bench.journal.messages()]


def test_equal_books_say_nothing() -> None:
    """Flat, with a position, and after the exit: fills that came between two cycles are taken over."""
    bench = Bench()
    assert kinds(bench) == []
    entered(bench)
    assert kinds(bench) == []
    assert bench.journal.holdings("embedded")[0].qty > 0
    bench.cycle(40, LEAVE)
    bench.at(42)
    assert kinds(bench) == []
    assert told(bench) == []


def test_shares_bought_by_hand_are_foreign_told_once_and_stop_nobody() -> None:
    """Another symbol, another size: recorded, never traded."""
    bench = Bench()
    entered(bench)
    by_hand(bench, Side.BUY, 7, "QQQ")
    bench.at(34)
    for _ in range(2):
        assert kinds(bench) == [Kind.FOREIGN_POSITION]
    assert bench.journal.foreign("embedded") == {"QQQ": D(7)}
    assert told(bench) == [(Severity.WARNING, "embedded: foreign position QQQ")]
    assert bench.halts.reducing("spy") is None


def test_an_order_that_arrives_after_it_was_taken_for_not_sent_is_the_agents() -> None:
    """Something on the way kept it for minutes: its shares are no one else's, and a person hears of it once."""
    bench = Bench()
    bench.exchange.before["submit"] = _cut
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    bench.wall_shift += timedelta(minutes=5)
    assert bench.cycle(35, HOLD).outcome is Outcome.HELD
    (intent,) = bench.journal.intents(agent="spy")
    assert intent.state is IntentState.NOT_SENT
    bench.market.submit(intent.request)
    bench.at(37)
    for _ in range(2):
        assert kinds(bench) == []
    assert [holding.qty for holding in bench.journal.holdings("embedded")] == [intent.request.qty]
    assert bench.journal.foreign("embedded") == {}
    assert told(bench) == [(Severity.CRITICAL, "spy: an order arrived late")]


def _cut() -> None:
    raise OutcomeUnknown("zt.spy.20220822T140000Z.entry", "no answer")


def test_an_order_placed_by_hand_is_told() -> None:
    """It rests at the exchange under a name that is not ours."""
    bench = Bench()
    bench.at(30)
    by_hand(bench, Side.BUY, 1, "QQQ", type=OrderType.LIMIT, limit_price=D(1), time_in_force=TimeInForce.GTC)
    assert kinds(bench) == [Kind.FOREIGN_ORDER]


def test_a_stop_cancelled_by_hand_is_told_and_the_position_is_unprotected() -> None:
    """Found between two cycles; the next cycle leaves the position."""
    bench = Bench()
    entered(bench)
    bench.market.cancel(stop_of(bench))
    found = look(bench)
    assert [d.kind for d in found.differences] == [Kind.UNPROTECTED]
    assert (Severity.WARNING, "spy: an order was cancelled by hand") in told(bench)
    assert (Severity.CRITICAL, "embedded: unprotected SPY") in told(bench)
    assert bench.cycle(35, HOLD).outcome is Outcome.EXITED


def test_as_many_shares_that_lie_bare_again_are_told_again() -> None:
    """The next position, and the next day: the same numbers are no reason to be silent."""
    bench = Bench()
    bench.with_agent(limits=changed(bench.desk.agent.limits, max_position_value=D(250)))
    for minutes in (30, 90, 24 * 60 + 30):
        entered(bench, minutes)
        bench.market.cancel(bench.market.orders(open_only=True)[0].id)
        for _ in range(2):
            assert kinds(bench) == [Kind.UNPROTECTED]
        assert bench.cycle(minutes + 5, HOLD).outcome is Outcome.EXITED
        bench.at(minutes + 7)
    assert told(bench).count((Severity.CRITICAL, "embedded: unprotected SPY")) == 3
    assert all("1 shares of spy" in m.text for m in bench.journal.messages() if m.severity is Severity.CRITICAL)


def test_a_position_that_stays_bare_is_told_every_day() -> None:
    """A halted agent does not leave it: one message is easily overlooked."""
    bench = Bench()
    entered(bench)
    bench.market.cancel(stop_of(bench))
    for day in range(3):
        bench.at(32 + day * 24 * 60)
        assert kinds(bench) == [Kind.UNPROTECTED]
    assert told(bench).count((Severity.CRITICAL, "embedded: unprotected SPY")) == 3


def test_our_own_exit_is_no_hand() -> None:
    """It ends the stop and the target first."""
    bench = Bench()
    entered(bench)
    bench.cycle(40, LEAVE)
    bench.at(42)
    look(bench)
    assert told(bench) == []


def test_shares_that_vanish_without_a_fill_make_their_agent_reducing() -> None:
    """The exchange holds fewer than the books explain: both sides are told, entries are refused."""
    bench = Bench()
    entered(bench)
    real = bench.market.positions
    wrong = [changed(position, qty=position.qty - 1) for position in real()]
    bench.market.positions = lambda: wrong  # type: ignore[method-assign]
    found = look(bench)
    assert found.differences[0].kind is Kind.UNEXPLAINED
    assert "journal" in (bench.halts.reducing("spy") or "")
    assert (Severity.CRITICAL, "embedded: unexplained SPY") in told(bench)


def test_cash_that_nothing_explains_makes_every_agent_of_the_account_reducing() -> None:
    """Nobody knows whose it was."""
    bench = Bench()
    assert kinds(bench) == []
    real = bench.market.account
    bench.market.account = lambda: changed(real(), cash=real().cash - D("0.02"))  # type: ignore[method-assign]
    other = changed(bench.desk, agent=changed(bench.desk.agent, name="qqq", symbol="QQQ"))
    reconcile([bench.desk, other], OPEN, lambda _seconds: None)
    assert bench.halts.reducing("spy")
    assert bench.halts.reducing("qqq")


def test_a_difference_that_is_gone_at_the_second_look_is_none() -> None:
    """The exchange filled the order between the two reads, and booked it a moment later."""
    bench = Bench()
    entered(bench)
    real = bench.market.account
    answers = iter([changed(real(), cash=D(1))])
    bench.market.account = lambda: next(answers, real())  # type: ignore[method-assign]
    assert kinds(bench) == []
    assert bench.halts.reducing("spy") is None


def test_an_outage_concludes_nothing() -> None:
    """It is raised: no position is never read out of silence."""
    bench = Bench()
    entered(bench)

    def down() -> None:
        raise ExchangeUnavailable("down")

    bench.exchange.before["positions"] = down
    with pytest.raises(ExchangeUnavailable):
        look(bench)
    assert bench.halts.reducing("spy") is None
    assert told(bench) == []


def test_a_split_over_night_stays_protected_and_explained() -> None:
    """Two for one: the shares double, the stop follows, nothing is told."""
    bench = Bench()
    bench.with_agent(limits=changed(bench.desk.agent.limits, stop_loss=D("0.5"), take_profit=D("0.5")))
    entered(bench)
    look(bench)
    held = bench.journal.holdings("embedded")
    bench.at(60 * 7)
    bench.market.engine.split("SPY", D(2), D(1), scale_prices=True)
    bench.market.advance(OPEN + 60 * 24 * MINUTE + 5 * MINUTE)
    assert kinds(bench) == []
    (after,) = bench.journal.holdings("embedded")
    assert (after.qty, after.cost) == (held[0].qty * 2, held[0].cost)
    assert told(bench) == []


def _books_late(bench: Bench, entry: Activity) -> None:
    """Let the account book have this entry from now on, with what it did to the cash."""
    activities, account = bench.market.activities, bench.market.account

    def listed(*, after: datetime | None = None) -> list[Activity]:
        return [*activities(after=after), *([entry] if after is None or entry.at > after else [])]

    bench.market.activities = listed  # type: ignore[method-assign]
    bench.market.account = lambda: changed(account(), cash=account().cash + entry.net_amount)  # type: ignore[method-assign]


def test_a_fee_booked_under_a_date_of_days_ago_is_explained() -> None:
    """Reading goes on a day before the last entry; before cash counts as unexplained, it goes back further."""
    bench = Bench()
    entered(bench)
    look(bench)
    _books_late(bench, Activity("fee", "FEE", OPEN - timedelta(days=5), D("-1.23")))
    assert kinds(bench) == []
    assert bench.halts.reducing("spy") is None


def test_an_entry_dated_ahead_hides_nothing_that_comes_before() -> None:
    """Reading goes on from now, not from there: the exit that follows is booked."""
    bench = Bench()
    entered(bench)
    _books_late(bench, Activity("odd", "FEE", OPEN + timedelta(days=500), D("-1.23")))
    bench.cycle(35, HOLD)
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    bench.at(42)
    assert kinds(bench) == []
    assert not bench.journal.holdings("embedded")


def test_a_cycle_that_died_between_cancel_and_sale_hides_no_bare_position() -> None:
    """It has no outcome before its time is over; nobody is about to sell meanwhile."""
    bench = Bench()
    bench.with_agent(every=timedelta(hours=1))
    entered(bench, 60)

    def die() -> None:
        raise KeyboardInterrupt

    bench.exchange.before["submit"] = die
    with pytest.raises(KeyboardInterrupt):
        bench.cycle(120, LEAVE)
    bench.at(125)
    assert kinds(bench) == []
    bench.desk = changed(bench.desk, gone=lambda owner: owner == "test")
    assert kinds(bench) == [Kind.UNPROTECTED]


def mismatched(bench: Bench, name: str, symbol: str) -> Desk:
    """Return the desk of another agent, one of whose ids another order has."""
    desk = changed(bench.desk, agent=changed(bench.desk.agent, name=name, symbol=symbol))
    now = bench.market.now()
    claim = bench.journal.claim(name, now, CycleKind.EXTRA, owner="test", now=now, wall=now, lease=MINUTE)
    assert claim is not None
    wanted = OrderRequest(f"zt.{name}.x.entry", symbol, Side.BUY, D(5))
    leg, state = Leg.ENTRY, IntentState.PLANNED
    bench.journal.plan(claim, Intent(name, "embedded", claim.cycle_id, leg, wanted, state, now, now, sender="test"))
    bench.market.submit(changed(wanted, qty=D(6)))
    return desk


def test_one_agents_mismatch_does_not_hide_what_the_others_have() -> None:
    """It is handed back beside what was compared and told."""
    bench = Bench()
    entered(bench)
    other = mismatched(bench, "qqq", "QQQ")
    bench.market.cancel(stop_of(bench))
    for desks in ([bench.desk, other], [other, bench.desk]):
        found = reconcile(desks, OPEN, lambda _seconds: None)
        assert isinstance(found.odd, AdoptionMismatch)
        assert "qty 6 instead of 5" in str(found.odd)
        assert (Kind.UNPROTECTED, "spy") in [(d.kind, d.agent) for d in found.differences]
    assert (Severity.CRITICAL, "embedded: unprotected SPY") in told(bench)


def test_shares_that_vanish_are_their_agents_though_it_trades_another_symbol_since() -> None:
    """Whose they are stands in the journal, not in the agent's file."""
    bench = Bench()
    entered(bench)
    bench.cycle(35, HOLD)
    bench.with_agent(symbol="QQQ")
    wrong = [changed(position, qty=position.qty - 1) for position in bench.market.positions()]
    bench.market.positions = lambda: wrong  # type: ignore[method-assign]
    look(bench)
    assert "24 shares" in (bench.halts.reducing("spy") or "")


def test_an_agent_whose_file_is_gone_is_told_of_and_its_stop_still_looked_after() -> None:
    """Its shares are not foreign, and nobody would else read its orders."""
    bench = Bench()
    entered(bench)
    bench.cycle(35, HOLD)
    other = changed(bench.desk, agent=changed(bench.desk.agent, name="qqq", symbol="QQQ"))
    for _ in range(2):
        assert not reconcile([other], OPEN, lambda _seconds: None).differences
    assert told(bench) == [(Severity.WARNING, "spy holds 24 SPY on embedded, where it trades no more")]
    bench.market.cancel(stop_of(bench))
    found = reconcile([other], OPEN, lambda _seconds: None).differences
    assert [(d.kind, d.agent) for d in found] == [(Kind.UNPROTECTED, "spy")]


def test_the_end_of_a_position_whose_agents_file_is_gone_is_booked() -> None:
    """Its target is reached: nothing is left to tell of, and both books are equal."""
    bench = Bench()
    entered(bench)
    bench.cycle(35, HOLD)
    other = changed(bench.desk, agent=changed(bench.desk.agent, name="qqq", symbol="QQQ"))
    bench.market.engine.replace(stop_of(bench), stop_price=bench.market.quote("SPY").bid - D("0.01"))
    bench.at(60 * 6)
    assert not bench.market.positions()
    assert not reconcile([other], OPEN, lambda _seconds: None).differences
    assert not bench.journal.holdings("embedded")
    assert not bench.journal.intents(agent="spy", unfinished=True)

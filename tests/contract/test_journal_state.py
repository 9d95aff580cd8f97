"""What every journal promises about the state that risk and decision read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import (
    ACCOUNT,
    KINDS,
    OPEN,
    AnyJournal,
    at,
    claim,
    fill,
    intent,
    make,
    order,
    see_equity,
    send,
)
from ztrade.domain.ledger import AccountState, AgentState, Holding, IntentState
from ztrade.domain.types import Leg, OrderStatus, Side

S = IntentState


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, with one open account."""
    for found in make(request.param, tmp_path):
        found.open_account(ACCOUNT, Decimal(100_000), OPEN, [])
        yield found


def state(journal: AnyJournal, agent: str = "spy", account: str = ACCOUNT) -> AgentState:
    """Return the agent's state in this session."""
    return journal.agent_state(agent, account, "SPY", OPEN)


def test_an_agent_that_never_did_anything(journal: AnyJournal) -> None:
    """Flat, nothing counted, nothing known."""
    assert state(journal) == AgentState(Holding("spy", "SPY"))


def test_everything_in_one_state(journal: AnyJournal) -> None:
    """Holding, profit, trades, stop, equity, open intents."""
    send(journal, "a", "o1")
    send(journal, "b", "o2", 35)
    journal.book(
        ACCOUNT,
        [fill("f1", "o1", 6), fill("f2", "o1-stop", 30, "10", "392", Side.SELL), fill("f3", "o2", 36, "2")],
    )
    see_equity(journal, "agent:spy@paper", 5, 10_000)
    see_equity(journal, "agent:spy@paper", 40, 9_900)
    found = state(journal)
    assert found.holding == Holding("spy", "SPY", Decimal(2), Decimal(800), at(36), Decimal(-80))
    assert (found.realized_today, found.trades_today, found.last_stop_at) == (Decimal(-80), 2, at(30))
    assert (found.day_open_equity, found.peak_equity) == (Decimal(10_000), Decimal(10_000))
    assert found.open_intents == tuple(journal.intents(unfinished=True))
    assert len(found.open_intents) == 2
    assert not found.pending_proposal


@pytest.mark.parametrize(
    ("became", "counts"),
    [(S.PLANNED, 1), (S.SENT, 1), (S.UNKNOWN, 1), (S.DONE, 1), (S.NOT_SENT, 0), (S.REJECTED, 0)],
)
def test_a_trade_is_an_entry_that_may_have_been_sent(journal: AnyJournal, became: S, counts: int) -> None:
    """Planned and unknown count: fail closed. What the exchange surely does not have does not."""
    held = claim(journal)
    journal.plan(held, intent(held, "a"))
    if became is not S.PLANNED:
        journal.resolve("a", became)
    assert state(journal).trades_today == counts


def test_trades_are_counted_by_session_agent_account_and_leg(journal: AnyJournal) -> None:
    """From the open on, which is included; exits are no trades; nobody else's count."""
    held, other = claim(journal), claim(journal, agent="tsla")
    journal.plan(held, intent(held, "before", minutes=-1))
    journal.plan(held, intent(held, "at", minutes=0))
    journal.plan(held, intent(held, "exit", Leg.EXIT, minutes=3))
    journal.plan(held, intent(held, "elsewhere", minutes=3, account="live"))
    journal.plan(other, intent(other, "other", minutes=3))
    assert state(journal).trades_today == 1
    assert state(journal, account="live").trades_today == 1


def test_realized_counts_from_the_open(journal: AnyJournal) -> None:
    """Yesterday's loss is in the holding's total, not in today's."""
    send(journal, "a", "o1", -600)
    sell = Side.SELL
    journal.book(ACCOUNT, [fill("f1", "o1", -599), fill("f2", "o1-stop", -500, "5", "390", sell)])
    journal.book(ACCOUNT, [fill("f3", "o1-target", 0, "5", "402", sell)])
    found = state(journal)
    assert (found.realized_today, found.holding.realized) == (Decimal(10), Decimal(-40))
    assert found.last_stop_at == at(-500)


def test_a_target_or_an_exit_is_no_stop(journal: AnyJournal) -> None:
    """Only protective legs start the cooldown, and the latest of them counts."""
    send(journal, "a", "o1")
    sell = Side.SELL
    journal.book(ACCOUNT, [fill("f1", "o1", 6), fill("f2", "o1-target", 7, "2", "416", sell)])
    assert state(journal).last_stop_at is None
    journal.book(ACCOUNT, [fill("f4", "o1-stop", 9, "2", "390", sell), fill("f3", "o1-stop", 8, "2", "390", sell)])
    assert state(journal).last_stop_at == at(9)


def test_equity_of_the_day_and_its_peak(journal: AnyJournal) -> None:
    """The last point before the open, whenever it was written, else the first one; the peak of all time; by scope."""
    for minutes, value in ((-600, "12000.5"), (-500, "9000"), (10, "9100"), (5, "9200.01"), (20, "9150")):
        see_equity(journal, "agent:spy@paper", minutes, value)
    see_equity(journal, "account:paper", 1, 77)
    found = state(journal)
    assert (found.day_open_equity, found.peak_equity) == (Decimal(9000), Decimal("12000.5"))
    account = journal.account_state(ACCOUNT, OPEN)
    assert account == AccountState(ACCOUNT, Decimal(100_000), None, Decimal(77), Decimal(77))
    assert journal.agent_state("spy", ACCOUNT, "SPY", at(600)).day_open_equity == Decimal(9150)
    assert journal.agent_state("spy", ACCOUNT, "SPY", at(-700)).day_open_equity == Decimal("12000.5")


def test_peaks_are_compared_as_numbers(journal: AnyJournal) -> None:
    """Ten thousand is more than nine thousand, though its text sorts before it."""
    see_equity(journal, "agent:spy@paper", 5, "9999.99")
    see_equity(journal, "agent:spy@paper", 6, 10000)
    assert state(journal).peak_equity == Decimal(10_000)


def test_the_equity_curve_in_order(journal: AnyJournal) -> None:
    """Oldest first; a second point of one instant replaces the first; negative is possible."""
    for minutes, value in ((10, 3), (5, 1), (10, -4)):
        see_equity(journal, "agent:spy@paper", minutes, value)
    assert list(journal.equity("agent:spy@paper")) == [(at(5), Decimal(1)), (at(10), Decimal(-4))]
    assert list(journal.equity("agent:spy@paper", at(5) + timedelta(microseconds=1))) == [(at(10), Decimal(-4))]
    assert list(journal.equity("agent:nobody")) == []


SPY = "agent:spy@paper"


def with_capital(journal: AnyJournal, capital: int) -> tuple[Decimal | None, Decimal | None]:
    """Return the day's opening and the peak for somebody whose file says this capital."""
    found = journal.agent_state("spy", ACCOUNT, "SPY", OPEN, Decimal(capital))
    return found.day_open_equity, found.peak_equity


def test_a_change_of_capital_is_neither_gain_nor_loss(journal: AnyJournal) -> None:
    """Opening, peak and curve are as if it had been there all along, for each reader by what its own file says."""
    see_equity(journal, SPY, -5, 9_950, 10_000)
    see_equity(journal, SPY, 5, 20_100, 20_000)
    see_equity(journal, SPY, 10, "4899.5", 5_000)
    assert with_capital(journal, 20_000) == (Decimal(19_950), Decimal(20_100))
    assert with_capital(journal, 5_000) == (Decimal(4_950), Decimal(5_100))
    profits = [value - 7 for _, value in journal.equity(SPY, capital=Decimal(7))]
    assert profits == [Decimal(-50), Decimal(100), Decimal("-100.5")]
    assert list(journal.equity(SPY, at(10), Decimal(20_000))) == [(at(10), Decimal("19899.5"))]


def test_a_curve_is_kept_with_the_first_capital_that_it_saw(journal: AnyJournal) -> None:
    """Whoever asks for none gets that; the state says which one the newest point was measured with."""
    assert state(journal).capital is None
    see_equity(journal, SPY, 5, 10_000, 10_000)
    see_equity(journal, SPY, 10, 20_100, 20_000)
    assert [value for _, value in journal.equity(SPY)] == [Decimal(10_000), Decimal(10_100)]
    assert (state(journal).peak_equity, state(journal).capital) == (Decimal(10_100), Decimal(20_000))
    see_equity(journal, SPY, 15, 10_050, 10_000)
    assert (state(journal).peak_equity, state(journal).capital) == (Decimal(10_100), Decimal(10_000))


def test_a_point_that_replaces_another_may_have_another_capital(journal: AnyJournal) -> None:
    """One instant, one point."""
    see_equity(journal, SPY, 5, 10_000, 10_000)
    see_equity(journal, SPY, 5, 20_300, 20_000)
    assert list(journal.equity(SPY, capital=Decimal(10_000))) == [(at(5), Decimal(10_300))]


def test_points_that_name_no_capital_stand_beside_the_first_that_does(journal: AnyJournal) -> None:
    """Of a journal from before nobody knows what they contain: nothing is moved for that."""
    see_equity(journal, SPY, -5, 10_300)
    assert with_capital(journal, 20_000) == (Decimal(10_300), Decimal(10_300))
    see_equity(journal, SPY, 5, 10_000, 10_000)
    assert with_capital(journal, 10_000) == (Decimal(10_300), Decimal(10_300))
    assert with_capital(journal, 20_000) == (Decimal(20_300), Decimal(20_300))


def test_capital_is_each_agents_on_each_account(journal: AnyJournal) -> None:
    """Neither the account's curve nor anybody else's moves with it."""
    for scope in (SPY, "agent:spy@live", "agent:tsla@paper"):
        see_equity(journal, scope, 5, 10_000, 10_000)
    see_equity(journal, "account:paper", 5, 100_000)
    see_equity(journal, SPY, 10, 20_000, 20_000)
    assert state(journal).capital == 20_000
    assert state(journal, account="live").capital == 10_000
    assert state(journal, "tsla").capital == 10_000
    assert journal.account_state(ACCOUNT, OPEN).peak_equity == 100_000
    assert list(journal.equity("account:paper", capital=Decimal(5))) == [(at(5), Decimal(100_000))]


def test_a_peak_that_began_anew_moves_with_the_capital(journal: AnyJournal) -> None:
    """What a person has looked at stays looked at."""
    see_equity(journal, SPY, 5, 12_000, 10_000)
    see_equity(journal, SPY, 10, 19_000, 20_000)
    journal.rebase(SPY)
    assert with_capital(journal, 20_000)[1] == Decimal(19_000)
    see_equity(journal, SPY, 15, 9_500, 10_000)
    assert with_capital(journal, 5_000)[1] == Decimal(4_500)


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_capital_is_a_number(journal: AnyJournal, value: str) -> None:
    """NaN would make every later point none."""
    with pytest.raises(ValueError, match="is no amount"):
        see_equity(journal, SPY, 5, 1, value)
    assert list(journal.equity(SPY)) == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_equity_is_a_number(journal: AnyJournal, value: str) -> None:
    """NaN would disable a limit silently."""
    with pytest.raises(ValueError, match="is no amount"):
        see_equity(journal, "agent:spy@paper", 5, value)
    assert list(journal.equity("agent:spy@paper")) == []


def test_open_intents_are_the_agents_own(journal: AnyJournal) -> None:
    """Oldest first, with their orders; those that ended are gone."""
    held, other = claim(journal), claim(journal, agent="tsla")
    for name, minutes in (("c", 7), ("a", 5), ("b", 6)):
        journal.plan(held, intent(held, name, minutes=minutes))
    journal.plan(other, intent(other, "t"))
    journal.resolve("a", S.SENT, order=order("o1", "a"))
    journal.resolve("b", S.DONE, order=order("o2", "b", status=OrderStatus.FILLED, filled_qty=Decimal(10)))
    journal.plan(held, intent(held, "elsewhere", account="live"))
    found = state(journal).open_intents
    assert [i.request.client_order_id for i in found] == ["a", "c"]
    assert found[0].order == order("o1", "a")

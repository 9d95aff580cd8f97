"""Listings: what the journal holds, for people and for programs."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from tests.unit.app.desks import BUY, HOLD, LEAVE
from tests.unit.cli.stage import Stage, one_error
from ztrade.cli.output import show
from ztrade.errors import ExchangeUnavailable


@pytest.fixture
def traded(stage: Stage) -> Stage:
    """A bench on which spy has entered, held, and left."""
    stage.bench.cycle(30, BUY)
    stage.bench.cycle(35, HOLD)
    stage.bench.cycle(40, LEAVE)
    stage.bench.cycle(45, HOLD)
    return stage


def test_cycles_say_what_each_slot_did_and_why(traded: Stage) -> None:
    """One line per slot, newest last, with its reason."""
    lines = traded.run("cycles").stdout.splitlines()
    assert lines[0].split() == ["slot", "agent", "kind", "outcome", "reason"]
    assert [line.split()[4] for line in lines[1:]] == ["entered", "held", "exited", "held"]
    assert lines[1].startswith("2022-08-22 14:00:00Z  spy")
    assert lines[1].count("entered") == 1


def test_cycles_can_be_narrowed(traded: Stage) -> None:
    """By agent in either spelling, by time, by number."""
    slots = [cycle["slot"] for cycle in traded.json("cycles")]
    assert slots == ["2022-08-22T14:00:00Z", "2022-08-22T14:05:00Z", "2022-08-22T14:10:00Z", "2022-08-22T14:15:00Z"]
    assert len(traded.json("cycles", "--agent", "agent_spy", "--limit", "2")) == 2
    assert [c["slot"] for c in traded.json("cycles", "--since", "2022-08-22T10:10-04:00")] == slots[2:]
    assert traded.json("cycles", "--until", "2022-08-21") == []
    assert len(traded.json("cycles", "--since", "2022-08-22", "--until", "2022-08-22")) == 4
    assert traded.json("cycles", "--agent", "tsla") == []


def test_orders_have_exact_numbers_and_their_agents(traded: Stage) -> None:
    """Legs are orders of their own; decimals are text."""
    orders = traded.json("orders")
    assert {order["agent"] for order in orders} == {"spy"}
    assert [order["type"] for order in orders if order["side"] == "buy"] == ["market"]
    assert {"stop", "limit"} <= {order["type"] for order in orders}
    assert all(isinstance(order["qty"], str) for order in orders)
    assert "market" in traded.run("orders").stdout


def test_positions_stand_beside_the_exchange(stage: Stage) -> None:
    """Where both say the same, exit code 0."""
    stage.bench.cycle(30, BUY)
    stage.bench.cycle(35, HOLD)
    result = stage.run("positions")
    assert result.exit_code == 0, result.output
    (row,) = stage.json("positions")
    assert row["symbol"] == "SPY"
    assert row["qty"] == row["exchange_qty"] != "0"
    assert row["same"] is True


def test_positions_that_differ_are_said(stage: Stage) -> None:
    """A position that only the exchange has is exit code 1 with both numbers."""
    stage.bench.cycle(30, BUY)
    stage.bench.at(34)  # filled there, not yet taken over here
    result = stage.run("positions")
    assert result.exit_code == 1
    assert "0 in the journal" in result.stdout


def test_a_silent_exchange_is_not_an_empty_one(stage: Stage) -> None:
    """An outage is said, and is exit code 1 even where the journal holds nothing."""

    def refuse() -> None:
        raise ExchangeUnavailable("connection refused")

    stage.bench.exchange.before["positions"] = refuse
    result = stage.run("positions")
    assert result.exit_code == 1
    assert "the exchange does not say: connection refused" in result.stdout


@pytest.mark.parametrize("command", ["cycles", "orders", "positions"])
def test_an_unknown_agent_is_refused_with_the_known_ones(stage: Stage, command: str) -> None:
    """Exit code 2, and the names that exist."""
    line = one_error(stage.run(command, "--agent", "gme"), 2)
    assert "known agents: aapl, spy, tsla" in line


@pytest.mark.parametrize("command", ["cycles", "orders", "proposals"])
def test_a_journal_that_is_down_is_an_error_not_an_empty_list(stage: Stage, command: str) -> None:
    """Exit code 1 with the reason."""
    stage.broken.add("journal")
    assert "the database is locked" in one_error(stage.run(command), 1)


@pytest.mark.parametrize(
    ("command", "said"), [("cycles", "no cycles"), ("orders", "no orders"), ("positions", "no po")]
)
def test_nothing_there_is_said_in_words(stage: Stage, command: str, said: str) -> None:
    """An empty listing is a sentence for people and an empty list for programs."""
    assert said in stage.run(command).stdout
    assert stage.json(command) == []


def test_reasons_cannot_redraw_the_terminal() -> None:
    """Control characters of a message from outside are blanks."""

    @click.command()
    def listing() -> None:
        show([{"reason": "\x1b[2Jgone\nnext"}], ("reason",), as_json=False, empty="")

    output = CliRunner().invoke(listing).output
    assert "\x1b" not in output
    assert len(output.splitlines()) == 2

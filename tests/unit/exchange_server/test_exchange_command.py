"""``ztrade exchange``: what its options mean, and that nothing starts where one is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ztrade.adapters.calendar.nyse import NyseCalendar
from ztrade.cli.context import App
from ztrade.cli.exchange import Edge, Money, exchange, made_up
from ztrade.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "needs one source of prices"),
        (["--synthetic", "1", "--bars", "x"], "2 are given"),
        (["--feed", "alpaca"], "--symbols: is needed with --feed"),
        (["--feed", "alpaca", "--symbols", "SPY", "--news", "x"], "--news: does not go with --feed"),
        (["--feed", "alpaca", "--symbols", "SPY", "--speed", "60"], "--speed: goes with --bars and --synthetic only"),
        (["--feed", "alpaca", "--symbols", "SPY", "--start", "2024-05-14"], "--start: goes with"),
        (["--bars", "x", "--days", "3"], "--days: goes with --synthetic only"),
        (["--synthetic", "1", "--account", "live"], "--account: goes with --feed only"),
        (["--bars", "/nowhere/at/all"], "does not exist"),
        (["--synthetic", "1", "--start", "2024-05-11"], "2024-05-11 is no day of trading"),
        (["--synthetic", "1", "--start", "2024-05-14", "--until", "2024-05-13"], "--until"),
        (["--synthetic", "1", "--until", "2034-05-15"], "can be made up"),
        (["--synthetic", "1", "--key-id", "a"], "each key id needs one --secret-key"),
        (["--synthetic", "1", "--symbols", "spy,?"], "'?' is no symbol"),
    ],
)
def test_wrong_options_stop_it_with_one_reason(arguments: list[str], words: str) -> None:
    """Each is one ConfigError that names the option; nothing listens."""
    result = CliRunner().invoke(exchange, [*arguments, "--port", "0"], obj=App())
    assert isinstance(result.exception, ConfigError)
    assert words in str(result.exception)
    assert result.output == ""


@pytest.mark.parametrize(
    "arguments", [["--cash", "-5"], ["--cash", "1.001"], ["--speed", "0"], ["--start", "noon"], ["--port", "70000"]]
)
def test_values_that_cannot_be_read_are_usage_errors(arguments: list[str]) -> None:
    """Click says which option and why."""
    result = CliRunner().invoke(exchange, ["--synthetic", "1", *arguments], obj=App())
    assert result.exit_code == 2
    assert f"'{arguments[0]}'" in result.output


def test_taken_port_leaves_no_state_locked(tmp_path: Path) -> None:
    """Where listening fails, the state file can be used by the next server."""
    from ztrade.exchange.server.store import Store
    from ztrade.testing.exchange_server import running

    state = tmp_path / "state.db"
    arguments = ["--synthetic", "1", "--days", "1", "--state", str(state), "--port"]
    with running() as url:
        result = CliRunner().invoke(exchange, [*arguments, url.rpartition(":")[2]], obj=App())
    assert "cannot listen" in str(result.exception)
    Store(state, "synthetic 1 from 2024-05-14, symbols all").close()


def test_made_up_market_reaches_from_start_to_until() -> None:
    """Days are counted by the calendar: a holiday and a weekend are left out; history lies before."""
    start, until = datetime(2024, 5, 23, 13, 30, tzinfo=UTC), datetime(2024, 5, 28, 20, tzinfo=UTC)
    bars = made_up(7, NyseCalendar(), start, until, symbols=("SPY",)).bars("SPY")
    inside = sum(start.timestamp() <= second for second in bars.start)
    assert bars.end_at(len(bars) - 1) == until
    # Thursday, Friday, and the Tuesday after Memorial Day
    assert inside == 3 * 78
    assert len(bars) > inside


def test_edges_and_money_are_read() -> None:
    """A day stays a day, an instant becomes UTC, dollars are exact."""
    assert Edge().convert("2024-05-14", None, None).isoformat() == "2024-05-14"
    assert Edge().convert("2024-05-14T09:30:00-04:00", None, None) == datetime(2024, 5, 14, 13, 30, tzinfo=UTC)
    assert Money().convert("1234.5", None, None) == Decimal("1234.5")
    with pytest.raises(click.BadParameter):
        Edge().convert("2024-05-14T09:30:00", None, None)

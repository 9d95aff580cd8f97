"""``ztrade resolve``: a person decides on an order that is not at the exchange as it was meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, HOLD, MINUTE, OPEN, Bench, failing
from tests.unit.cli.stage import Stage, one_error
from ztrade.adapters.process import owner_name
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import Intent, IntentState, Outcome
from ztrade.errors import ExchangeUnavailable, JournalUnavailable, OutcomeUnknown

NAME = entry_id("spy", OPEN + 30 * MINUTE)
LOST = failing(OutcomeUnknown(NAME, "timed out"))


def mismatched(stage: Stage) -> None:
    """Let a split change an unanswered entry, and the agent halt itself, by its flag file too."""
    stage.bench.exchange.after_submit = LOST
    assert stage.bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    stage.bench.exchange.after_submit = None
    stage.bench.market.engine.split("SPY", Decimal(2), Decimal(1), scale_prices=True)
    assert stage.bench.cycle(35, HOLD).outcome is Outcome.HALTED
    stage.run("halt", "spy", "--reason", stage.bench.halts.reasons.pop("spy"))


def never_left(bench: Bench, host: str) -> None:
    """Plan an entry in a process of that host, which leaves nothing at the exchange."""
    here = owner_name("spy")
    name, _, rest = here.rpartition("#")
    sender = here if host == "here" else f"{name.split()[0]} {host}#0000.{rest.partition('.')[2]}"
    bench.desk = replace(bench.desk, owner=sender)
    bench.exchange.before["submit"] = LOST
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    bench.exchange.before.clear()
    bench.wall_shift += timedelta(minutes=2)


def intent(stage: Stage) -> Intent:
    found = stage.bench.journal.intent(NAME)
    assert found is not None
    return found


def test_without_a_decision_it_shows_both_sides_and_changes_nothing(stage: Stage) -> None:
    """What was meant, what the exchange has, and what can be said of them; exit 1, for somebody must decide."""
    mismatched(stage)
    before = intent(stage)
    result = stage.run("resolve", NAME)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"{NAME} of spy on embedded is unknown: timed out"
    assert lines[1] == "meant:    buy 24 SPY market, bracket"
    assert lines[2].startswith("exchange: buy 48 SPY market, bracket with 2 legs, ")
    assert [line.partition(":")[0] for line in lines[3:]] == ["--as-it-is", "--not-ours", "--not-sent"]
    assert lines[5].startswith(f"--not-sent: no: the exchange has order {NAME}")
    assert intent(stage) == before
    stage.run("release", "spy")
    assert stage.run("resolve", NAME).stdout.splitlines()[-1] == "first: ztrade halt spy"


def test_a_decision_is_kept_told_and_lets_the_agent_trade_on(stage: Stage) -> None:
    """By whom and why; said again it changes nothing, and the opposite is refused."""
    mismatched(stage)
    decide = ("resolve", NAME, "--as-it-is", "--by", "ann", "--reason", "the  split\n")
    result = stage.run(*decide)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == "spy trades on after: ztrade release spy"
    assert intent(stage).reason == "settled by hand, as it is: the split (by ann)"
    assert "spy: an order was taken over by hand as it is" in [one["title"] for one in stage.json("alerts", "list")]
    again = stage.run(*decide)
    assert (again.exit_code, "nothing was changed" in again.stdout) == (0, True)
    assert "by ann" in one_error(stage.run("resolve", NAME, "--not-ours", "--reason", "no"), 1)
    shown = stage.run("resolve", NAME)
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (0, "nothing to decide")
    stage.run("release", "spy")
    assert stage.bench.cycle(40, HOLD).outcome is Outcome.HELD


def test_a_decision_is_refused_while_the_agent_may_trade(stage: Stage) -> None:
    """One line says what to do first."""
    mismatched(stage)
    stage.run("release", "spy")
    line = one_error(stage.run("resolve", NAME, "--not-ours", "--reason", "not mine"), 1)
    assert "spy is not halted, and may trade meanwhile: ztrade halt spy first" in line
    assert intent(stage).state is IntentState.UNKNOWN


def test_the_halt_of_all_agents_will_do(stage: Stage) -> None:
    """It stops this one too."""
    mismatched(stage)
    stage.run("release", "spy")
    stage.run("halt")
    assert stage.run("resolve", NAME, "--not-ours", "--reason", "not mine").exit_code == 0
    assert intent(stage).state is IntentState.NOT_SENT


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--as-it-is", "--not-ours", "--reason", "x"], "--as-it-is and --not-ours: only one of them can be"),
        (["--not-sent"], "a decision needs --reason TEXT"),
        (["--not-sent", "--reason", " \n"], "a decision needs --reason TEXT"),
        (["--reason", "x"], "--reason belongs to a decision"),
    ],
)
def test_a_wrong_combination_of_options_is_bad_usage(stage: Stage, flags: list[str], words: str) -> None:
    """Exit code 2, and nothing was looked at."""
    assert words in one_error(stage.run("resolve", NAME, *flags), 2)


def test_what_others_say_does_not_redraw_the_terminal(stage: Stage) -> None:
    """Why an order is in doubt may be a server's words, and a flag's text anybody's; this is read before deciding."""
    mismatched(stage)
    stage.bench.journal.resolve(NAME, IntentState.UNKNOWN, reason="\x1b]0;all is fine\x07\rnothing to decide")
    said = [stage.run("resolve", NAME).stdout]
    stage.run("halt", "spy", "--reason", "\x1b]0;fine\x07")
    said.append(stage.run("release", "spy").stdout)
    assert ["all is fine" in said[0], "fine" in said[1]] == [True, True]
    assert not {"\x1b", "\x07", "\r"} & {*"".join(said)}


def test_an_order_that_is_not_there_is_said(stage: Stage) -> None:
    """The id is in the message."""
    assert "no order 'zt.spy.x'" in one_error(stage.run("resolve", "zt.spy.x"), 1)


def test_an_order_whose_agent_s_file_is_gone_is_said(stage: Stage) -> None:
    """Nobody would trade on with what is decided."""
    mismatched(stage)
    (stage.path.parent / "agents" / "spy.toml").unlink()
    line = one_error(stage.run("resolve", NAME, "--not-ours", "--reason", "gone"), 2)
    assert "agent 'spy': there is no such agent; fix: known agents: aapl, tsla" in line


def test_an_order_whose_sender_s_host_is_gone_is_declared_not_sent(stage: Stage) -> None:
    """Nobody needs to wait until its name counts for nothing."""
    never_left(stage.bench, "elsewhere")
    stage.run("halt", "spy")
    assert stage.run("resolve", NAME).stdout.splitlines()[-1] == "--not-sent: it counts as not sent"
    assert stage.run("resolve", NAME, "--not-sent", "--reason", "its disk burnt").exit_code == 0
    assert intent(stage).state is IntentState.NOT_SENT


def test_an_order_whose_sender_lives_here_is_not(stage: Stage) -> None:
    """A frozen process would send it when it wakes up."""
    never_left(stage.bench, "here")
    stage.run("halt", "spy")
    line = one_error(stage.run("resolve", NAME, "--not-sent", "--reason", "I think"), 1)
    assert "may still live on this host" in line
    assert intent(stage).state is IntentState.UNKNOWN


def test_an_outage_and_a_journal_that_cannot_be_written_change_nothing(stage: Stage) -> None:
    """One line each."""
    mismatched(stage)
    before = intent(stage)
    decide = ("resolve", NAME, "--as-it-is", "--reason", "x")
    stage.bench.exchange.before["order_by_client_id"] = failing(ExchangeUnavailable("no route"))
    assert "no route" in one_error(stage.run(*decide), 1)
    stage.bench.exchange.before.clear()
    stage.bench.journal.resolve = lambda *_given, **_more: failing(JournalUnavailable("disk full"))()  # type: ignore[method-assign]
    assert "disk full" in one_error(stage.run(*decide), 1)
    assert intent(stage) == before

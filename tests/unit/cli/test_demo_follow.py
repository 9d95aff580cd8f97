"""Following a run: when it is over, when it is stuck, what is shown."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.unit.app.desks import AGENT, BUY, CALENDAR, HOLD, LEAVE, OPEN, Bench
from ztrade.app.settle import settle
from ztrade.cli.demo import closing
from ztrade.cli.demo.follow import Followed, Follower
from ztrade.cli.demo.plan import Plan, Prices, make_plan
from ztrade.cli.demo.progress import Look, Progress
from ztrade.cli.demo.view import LiveView, PlainView, screen
from ztrade.domain.agent import SessionKind
from ztrade.domain.ledger import Outcome
from ztrade.errors import ExchangeUnavailable
from ztrade.service.states import ProgramStatus

MONDAY, TUESDAY = date(2022, 8, 22), date(2022, 8, 23)
FIVE = timedelta(minutes=5)


def a_plan(first: date = MONDAY, last: date = MONDAY) -> Plan:
    return make_plan({"spy": AGENT}, Prices("Made up", ("--synthetic", "7")), (first, last), "max", CALENDAR)


class Run:
    """A bench whose next slots run whenever somebody looks; ``until`` is the last slot that runs."""

    def __init__(self, plan: Plan, until: int = 10_000, say: Callable[[int], Any] = lambda _n: HOLD) -> None:
        self.plan, self.bench, self._until, self._say = plan, Bench(), until, say
        self._slots = [slot for slot, _ in plan.slots()]
        self._next = 0
        self.programs: Sequence[ProgramStatus] = ()
        self.wall = 0.0
        self.advanced: list[datetime] = []
        self.deaf = self.running = False
        self.per_look = 2

    def clock(self) -> Any:
        """Run some slots and tell the time."""
        if self.deaf:
            raise ExchangeUnavailable("connection refused")
        for _ in range(self.per_look):
            self._run_one()
        now = self.bench.market.now()
        return SimpleNamespace(now=now, stands=not self.running, finished=False)

    def _run_one(self) -> None:
        if self._next >= min(len(self._slots), self._until):
            return
        slot = self._slots[self._next]
        self.bench.cycle((slot - OPEN).total_seconds() / 60, self._say(self._next))
        self._next += 1
        for session in self.plan.sessions:
            if slot == session.close - FIVE:
                self.bench.market.advance(session.close + timedelta(minutes=1))
                settle(self.bench.desk, session.close)

    def sleep(self, seconds: float) -> None:
        self.wall += seconds * 50

    def follow(self, show: Callable[[str], None] = lambda _line: None) -> Followed:
        follower = Follower(
            Progress(self.plan, self.bench.journal),
            self.plan,
            self.clock,
            lambda: self.programs,
            self.advanced.append,
            tick=lambda: self.wall,
            sleep=self.sleep,
        )
        with PlainView(show) as view:
            return follower.follow(view)


def test_a_run_is_over_when_every_slot_has_its_outcome_and_the_day_is_settled() -> None:
    """77 slots, 77 lines and one for the settlement, in order."""
    lines: list[str] = []
    followed = Run(a_plan()).follow(lines.append)
    assert followed.trouble == []
    assert (followed.look.done, followed.look.total) == (77, 77)
    assert len(lines) == 78
    assert lines[0].startswith("Mon 22 Aug 09:35  spy    held")
    assert lines[-1].split()[5] == "settled"


def test_slots_without_an_outcome_end_in_trouble_not_in_waiting_for_ever() -> None:
    """While an outcome is owed, patience ends some time after the longest claim."""
    run = Run(a_plan(), until=10)
    followed = run.follow()
    assert followed.look.done == 10
    assert "67 slots without an outcome" in followed.trouble[0]
    assert run.wall >= 360


def test_an_exchange_that_does_not_answer_ends_in_trouble() -> None:
    """An outage is not progress."""
    run = Run(a_plan())
    run.deaf = True
    assert "77 slots" in run.follow().trouble[0]


def test_a_running_clock_between_slots_is_no_stall() -> None:
    """At real speed minutes pass without any outcome."""
    run = Run(a_plan(), until=10)
    run.running = True
    looks = 0

    def give_up() -> Any:
        nonlocal looks
        looks += 1
        run.running = looks < 100
        return run.clock()

    follower = Follower(
        Progress(run.plan, run.bench.journal), run.plan, give_up, lambda: (), run.advanced.append,
        tick=lambda: run.wall, sleep=run.sleep,
    )  # fmt: skip
    follower.follow(PlainView(lambda _line: None))
    assert looks > 100


def test_a_night_is_not_skipped_before_late_trading_had_its_slots() -> None:
    """Settled at 16:01, but slots until 19:30 and from 04:30 on: all of them get their outcome before the morning."""
    agent = replace(AGENT, every=timedelta(minutes=30), sessions=tuple(SessionKind))
    plan = make_plan({"spy": agent}, Prices("Made up", ("--synthetic", "7")), (MONDAY, TUESDAY), "max", CALENDAR)
    progress = Progress(plan, Run(plan).bench.journal)
    monday = plan.sessions[0]
    assert not progress.over(monday)
    progress._open = [entry for entry in progress._open if not plan.start <= entry[0] <= monday.close]
    assert not progress.over(monday)
    progress._open = [entry for entry in progress._open if entry[0] > plan.end_of(monday)]
    assert progress.over(monday)
    assert plan.begin_of(plan.sessions[1]) == datetime(2022, 8, 23, 8, 29, tzinfo=UTC)


def test_a_program_that_was_given_up_ends_the_run() -> None:
    """Supervisor's last word is passed on."""
    run = Run(a_plan(), until=10)
    run.programs = [ProgramStatus("worker-spy", "FATAL", False, detail="error: no such agent")]
    assert run.follow().trouble == ["worker-spy kept dying (FATAL): error: no such agent"]


def test_a_program_that_starts_again_does_not_end_the_run() -> None:
    """A killed worker comes back; that is what supervisor is for."""
    run = Run(a_plan())
    run.programs = [ProgramStatus("worker-spy", "BACKOFF", False), ProgramStatus("beat", "STARTING", False)]
    assert run.follow().trouble == []


def test_closed_hours_between_days_are_skipped() -> None:
    """Once a day is settled, time goes on to the minute before the next open."""
    run = Run(a_plan(MONDAY, TUESDAY))
    run.per_look = 1
    followed = run.follow()
    assert followed.look.total == 154
    assert datetime.fromisoformat("2022-08-23T13:29:00+00:00") in run.advanced


def test_each_outcome_is_shown_once() -> None:
    """A look has only what the look before did not have."""
    run = Run(a_plan(), until=4)
    progress = Progress(run.plan, run.bench.journal)
    run.clock()
    assert [len(progress.look(None).fresh) for _ in range(2)] == [2, 0]
    run.clock()
    assert len(progress.look(None).fresh) == 2


def a_look() -> Look:
    run = Run(a_plan(), until=8, say=lambda n: BUY if n == 5 else HOLD)
    progress = Progress(run.plan, run.bench.journal)
    for _ in range(4):
        run.clock()
    return progress.look(run.bench.market.now())


def test_the_live_table_shows_what_a_person_wants_to_see() -> None:
    """Time, progress, outcome, position, profit, next slot, and why."""
    out = io.StringIO()
    Console(file=out, width=80).print(screen("speed max", "Flower http://127.0.0.1:5555", a_look(), 80))
    words = out.getvalue()
    assert all("…" not in line or line.rstrip().endswith("…") for line in words.splitlines())
    for word in ("Mon 22 Aug 10:10", "8 of 77 slots", "speed max", "spy", "held", "SPY at", "10:15", "5555"):
        assert word in words
    assert "\x1b" not in words


@pytest.mark.parametrize("width", [80, 200])
def test_the_reason_can_be_read_at_the_usual_widths(width: int) -> None:
    """Where the table leaves no room for it, it has a line of its own."""
    out = io.StringIO()
    Console(file=out, width=width).print(screen("speed max", "footer", a_look(), width))
    assert "holding 24 SPY: score 0.00 not under -0.30 (technical +0.00 x 1.00)" in out.getvalue()


@pytest.mark.parametrize("width", [20, 60, 200])
def test_the_live_table_fits_any_terminal(width: int) -> None:
    """Narrow windows cut the reason, they do not break."""
    out = io.StringIO()
    Console(file=out, width=width).print(screen("speed max", "footer", a_look(), width))
    assert max(map(len, out.getvalue().splitlines())) <= width


def test_the_terminal_is_given_back_after_an_error() -> None:
    """The live view ends with its block."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with pytest.raises(RuntimeError, match="boom"):
        _draw_and_fail(LiveView("speed max", "footer", console))
    assert console._live_stack == []


def _draw_and_fail(view: LiveView) -> None:
    with view:
        view.show(a_look())
        raise RuntimeError("boom")


@pytest.fixture(scope="module")
def closed() -> closing.Closing:
    """A finished day with an entry and an exit."""
    run = Run(a_plan(), say=lambda n: BUY if n == 20 else LEAVE if n == 40 else HOLD)
    run.follow()
    return closing.collect(run.plan, run.bench.journal, run.bench.market, run.bench.market)


def test_the_books_of_a_finished_day_agree(closed: closing.Closing) -> None:
    """Orders, fills, positions, cash and equity, to the cent."""
    assert closed.differences == []
    assert closed.missed == []
    assert closed.journal.cash == closed.exchange.cash


def test_the_json_record_has_both_sides_with_exact_numbers(closed: closing.Closing) -> None:
    """The keys are those that are documented."""
    import json

    from ztrade.cli.output import to_json

    record = json.loads(to_json(closing.record(closed, [])))
    assert record["books_agree"] is True
    assert [slot["outcome"] for slot in record["journal"]["slots"]].count("entered") == 1
    assert len(record["journal"]["slots"]) == 77
    assert set(record["journal"]) == {"slots", "orders", "fills", "positions", "cash", "equity"}
    assert set(record["exchange"]) == {"orders", "fills", "positions", "cash", "equity"}
    assert record["journal"]["cash"] == record["exchange"]["cash"]
    assert all(isinstance(fill["price"], str) for fill in record["journal"]["fills"])


def test_the_report_of_a_run_names_its_troubles(closed: closing.Closing) -> None:
    """What went wrong is at the top of the page."""
    page = closing.report(closed, ["worker-spy kept dying"])
    assert "worker-spy kept dying" in page
    assert "Monday 22 August 2022" in page


def test_a_day_is_fine_only_where_everything_is(closed: closing.Closing) -> None:
    """Books that differ by a cent, or a program that kept dying, are exit code 1, and the file says so."""
    from dataclasses import replace

    assert closing.is_fine(closed, [])
    assert not closing.is_fine(closed, ["worker-spy kept dying"])
    apart = replace(closed, differences=["cash: 1.00 here, 1.01 there"])
    assert not closing.is_fine(apart, [])
    assert closing.record(apart, [])["books_agree"] is False


def test_a_missed_slot_is_missed_whether_it_was_written_down_or_not(closed: closing.Closing) -> None:
    """An outcome MISSED and no record at all are the same failure."""
    from dataclasses import replace

    first, second, *rest = closed.cycles
    broken = replace(closed, cycles=[replace(first, outcome=Outcome.MISSED), *rest])
    assert not closing.is_fine(broken, [])
    assert broken.missed == ["spy 2022-08-22 13:35Z", "spy 2022-08-22 13:40Z"]
    assert broken.missed_words == ["missed: spy: 2 slots, the first 2022-08-22 13:35Z"]
    _ = second

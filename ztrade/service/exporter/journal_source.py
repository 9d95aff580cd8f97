"""The journal: whether it can be read, what was counted in it, and what it says of money."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from ztrade.app.tally import Tally
from ztrade.config import Config
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import ProposalState
from ztrade.errors import ZtradeError
from ztrade.ports import Calendar, Journal
from ztrade.service.exporter import counted, money
from ztrade.service.exporter.hours import FRESH, Hours, Paces
from ztrade.service.exporter.source import Value

#: wall seconds between two looks at money and limits: they move with cycles, and cost most of a look
SELDOM = 15.0


class JournalSource:
    """Implements :class:`ztrade.service.exporter.source.Source`.

    Args:
        open_journal: opens the journal as it is, without making or changing one; called again after each failure, so
            that one that was put back, restored or upgraded is found.
    """

    name, every = "journal", 5.0

    def __init__(
        self,
        config: Config,
        paces: Paces,
        calendar: Calendar,
        open_journal: Callable[[], Journal],
        wall: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._paces, self._hours = config, paces, Hours(calendar)
        self._open, self._wall, self._monotonic = open_journal, wall, monotonic
        self._session_of = calendar.session
        self._journal: Journal | None = None
        self._tally = self._new_tally()
        self._money: tuple[float, Sequence[Value]] = (-SELDOM, ())
        #: exchange time at which an agent of which the journal knows nothing was first looked at
        self._began: dict[str, datetime] = {}

    def look(self) -> Iterator[Value]:
        """Return what the journal holds. Raises ZtradeError."""
        try:
            found = list(self._look())
        except ZtradeError:
            self._close()
            raise
        return iter(found)

    def blind(self) -> Iterator[Value]:
        """Say that the journal is down."""
        yield "ztrade_journal_up", (), 0.0

    def _look(self) -> Iterator[Value]:
        if self._journal is None:
            self._journal = self._open()
        journal, wall = self._journal, self._wall()
        while not self._tally.look(journal.tallies):
            self._tally = self._new_tally()
        yield "ztrade_journal_up", (), 1.0
        for name, one in self._tally.agents.items():
            yield from counted.of_agent(name, one)
        yield from counted.of_fills(self._tally)
        yield from counted.unanswered(self._tally, wall)
        yield from counted.objectives(self._tally, self._config.objectives, wall)
        yield from counted.open_orders(journal, self._config.agents)
        yield from self._proposals(journal)
        channels = self._config.main.alerts.channels
        health = journal.outbox.health()
        yield from counted.messages(self._tally, channels, {name: one.failures for name, one in health.items()})
        for agent in self._config.agents.values():
            yield from self._silence(agent)
        yield from self._of_money(journal)

    def _proposals(self, journal: Journal) -> Iterator[Value]:
        waiting = [proposal.agent for proposal in journal.proposals(state=ProposalState.PENDING)]
        for name in self._config.agents:
            yield "ztrade_proposals_pending", (name,), float(waiting.count(name))

    def _silence(self, agent: Agent) -> Iterator[Value]:
        """Yield how long the agent has not answered, and what its last cycle knew; by its exchange's clock."""
        one, pace = self._tally.agents[agent.name], self._paces.of(agent.dry_run)
        details = one.last.details if one.last is not None else {}
        score = details.get("sentiment")
        if isinstance(score, int | float):
            yield "ztrade_sentiment_score", (agent.name,), float(score)
        if pace is None:
            return
        # an exchange whose beginning is known owes every slot since; an agent that joins others begins now
        alone = all(other.last is None for other in self._tally.agents.values())
        began = self._began.setdefault(agent.name, (pace.start if alone else None) or pace.now)
        # a clock that was set back knows nothing of later slots; but a reading of one is older than the journal's, and
        # a cycle may follow a running exchange ahead of it by up to half an interval
        newest = pace.now + timedelta(seconds=FRESH * pace.speed) + agent.every / 2
        good = one.good if one.good is not None and one.good <= newest else None
        since = good or (before(one.first) if one.first is not None else began)
        yield "ztrade_agent_slots_without_success", (agent.name,), float(
            self._hours.without_success(agent, pace, since)
        )  # fmt: skip
        if good is not None:
            age = (pace.now - good).total_seconds()
            yield "ztrade_agent_last_success_age_seconds", (agent.name,), max(age, 0.0)
        stamp = details.get("news_at")
        if isinstance(stamp, str):
            with suppress(ValueError):
                age = (pace.now - datetime.fromisoformat(stamp)).total_seconds()
                yield "ztrade_news_age_seconds", (agent.name,), max(age, 0.0)

    def _of_money(self, journal: Journal) -> Sequence[Value]:
        at, values = self._money
        if self._monotonic() - at >= SELDOM:
            values = tuple(self._count_money(journal))
            self._money = (self._monotonic(), values)
        return values

    def _count_money(self, journal: Journal) -> Iterator[Value]:
        accounts: set[str] = set()
        for agent in self._config.agents.values():
            # money stays what the last cycle recorded, also while the exchange is silent
            pace = self._paces.last(agent.dry_run)
            session = self._hours.last_session(pace.now) if pace is not None else None
            if pace is None or session is None:
                continue
            book = money.book_of(agent, journal, self._config)
            yield from money.of_agent(book, session, pace.now)
            if book.account not in accounts:
                accounts.add(book.account)
                yield from money.of_account(journal, book.account, session, pace.now)

    def _new_tally(self) -> Tally:
        return Tally(self._config.agents, self._config.objectives, self._session_of)

    def _close(self) -> None:
        close = getattr(self._journal, "close", None)
        self._journal, self._money = None, (-SELDOM, ())
        if close is not None:
            with suppress(ZtradeError, OSError):
                close()


def before(slot: datetime) -> datetime:
    """Return the instant just before a slot."""
    return slot.replace(microsecond=0) - slot.resolution

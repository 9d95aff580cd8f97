"""The exchange behind the HTTP server: the engine, its clock and its state file, kept in step."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar, cast, runtime_checkable

from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.records import Changes, ClockView
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.core.settings import Settings as EngineSettings
from ztrade.exchange.server.clock import VenueClock
from ztrade.exchange.server.store import StateUnavailable, Store
from ztrade.exchange.tape import Tape
from ztrade.ports import Calendar

log = logging.getLogger(__name__)

T = TypeVar("T")

#: what an account may be configured to, as Alpaca names it
CONFIGURATION: Mapping[str, object] = {
    "disable_overnight_trading": False,
    "fractional_trading": True,
    "max_margin_multiplier": "4",
    "max_options_trading_level": 0,
    "no_shorting": False,
    "ptp_no_exception_entry": False,
    "suspend_trade": False,
    "trade_confirm_email": "all",
}


@runtime_checkable
class HasHistory(Protocol):
    """A tape whose own bars are too small to show; it keeps those that a client asks for beside them."""

    def history(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """Return the complete bars that begin in [start, end); KeyError for an unknown symbol."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a venue is made from. ``sessions`` cover the tape and a good while after it."""

    tape: Tape
    sessions: Sequence[Session]
    calendar: Calendar
    cash: Decimal
    engine: EngineSettings = field(default_factory=EngineSettings)


class Venue:
    """One account at the embedded exchange.

    Everything that changes it goes through :meth:`act` or :meth:`tick`: change, write, and only then answer. Where the
    write fails, the engine goes back to what the state file holds and the caller gets StateUnavailable.

    Raises:
        StateUnavailable: the state cannot be read.
        ValueError: the state is not one of an engine.
    """

    def __init__(self, plan: Plan, clock: VenueClock, store: Store | None) -> None:
        self.plan, self.clock = plan, clock
        self.skew = timedelta(0)
        #: why the state cannot be written at present; empty while it can
        self.trouble = ""
        self._store = store
        self._engine: Engine | None = self._load()
        self.configuration: dict[str, object] = dict(CONFIGURATION)
        if store is not None:
            self.configuration.update(cast("Mapping[str, object]", store.note("configuration") or {}))
        self._written_at: datetime | None = None
        self.clock.resume_at(self._left_at())
        self.tick()

    def _left_at(self) -> datetime:
        """Return where the clock stood when the state was written last: the engine's own note may be older."""
        left = None if self._store is None else self._store.note("clock")
        return self.engine.now if left is None else max(self.engine.now, datetime.fromisoformat(str(left)))

    def _load(self) -> Engine:
        state = None if self._store is None else self._store.load()
        plan = self.plan
        if state is None:
            return Engine(plan.tape, plan.sessions, now=self.clock.now(), cash=plan.cash, settings=plan.engine)
        return Engine.restore(plan.tape, plan.sessions, state, settings=plan.engine)

    @property
    def engine(self) -> Engine:
        """The engine as the state file has it."""
        if self._engine is None:
            self._engine = self._load()
        return self._engine

    @property
    def now(self) -> datetime:
        return self.engine.now

    def tick(self) -> None:
        """Bring the engine to the clock's time and write what happened.

        Raises:
            StateUnavailable: the state cannot be written; the engine stays where the state file is.
        """
        now = self.clock.now()
        if now > self.engine.now:
            self.engine.advance(now)
        self._commit({})

    def check(self) -> None:
        """Try to write again where that failed last. Raises StateUnavailable."""
        if self.trouble:
            self._commit({}, always=True)

    def advance(self, to: datetime) -> None:
        """Step the clock. Raises ClockRefused, StateUnavailable."""
        before = self.clock.now()
        self.clock.advance(to)
        try:
            self.tick()
        except StateUnavailable:
            self.clock.resume_at(before)
            raise

    def act(self, command: Callable[[Engine], T]) -> T:
        """Run a command on the engine and return its result once that is written.

        Raises:
            Refusal: the engine refused it.
            StateUnavailable: nothing happened.
        """
        try:
            result = command(self.engine)
        except Refusal:
            self._commit({})
            raise
        except Exception:
            self._forget()
            raise
        self._commit({})
        return result

    def _forget(self) -> None:
        """Drop an engine that may be half-changed; the next question reads it from the state file again."""
        if self._store is not None:
            self._engine = None

    def configure(self, changes: Mapping[str, object]) -> None:
        """Write changes of the account's configuration. Raises StateUnavailable: nothing changed."""
        configuration = {**self.configuration, **changes}
        self._commit({"configuration": configuration})
        self.configuration = configuration

    def _commit(self, notes: Mapping[str, object], *, always: bool = False) -> None:
        changes, now = self.engine.drain_changes(), self.engine.now
        if self._store is None or not (always or changes or notes or now != self._written_at):
            return
        try:
            self._store.write(changes, notes, now.isoformat())
            self._written_at = now
        except StateUnavailable as error:
            self._forget()
            self._complain(str(error), changes)
            raise
        if self.trouble:
            log.warning("exchange.state_writable_again: %s", self.trouble)
            self.trouble = ""

    def _complain(self, reason: str, lost: Changes) -> None:
        if not self.trouble:
            log.error(
                "exchange.state_not_written: %s; taken back: %d orders, %d activities; answers are 500 until it can be",
                reason,
                len(lost.orders),
                len(lost.activities),
            )
        self.trouble = reason

    def clock_view(self) -> ClockView:
        return self.engine.clock()

    def session(self, day: date) -> Session | None:
        """Return the session of a New York day with its early close on demand, None on a day without one."""
        sessions = self.engine.sessions()
        row = bisect_left(sessions, day, key=lambda session: session.day)
        return sessions[row] if row < len(sessions) and sessions[row].day == day else None

    def bars(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """Return the bars that a client may see. Raises Refusal or KeyError for an unknown symbol."""
        if isinstance(self.plan.tape, HasHistory):
            return self.plan.tape.history(symbol, start, end)
        return self.engine.bars(symbol, start, end)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

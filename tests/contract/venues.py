"""The exchanges that the contract is held against: in memory, in process, served, and Alpaca paper with keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ztrade.adapters.alpaca import (
    DATA_URL,
    PAPER_URL,
    AlpacaExchange,
    AlpacaMarketData,
    AlpacaNews,
    AlpacaSettings,
    Gateway,
)
from ztrade.adapters.calendar import NyseCalendar
from ztrade.domain.types import NewsItem
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.inprocess import InProcess
from ztrade.ports import Exchange, MarketData, News
from ztrade.testing.exchange import FIRST_DAY, LAST_DAY, memory_exchange
from ztrade.testing.exchange_server import running
from ztrade.testing.tapes import wave_tape

CALENDAR = NyseCalendar()
#: Monday, half an hour after the open
BEGIN = datetime(2022, 8, 15, 14, tzinfo=UTC)
STORIES = (
    NewsItem("1", BEGIN - timedelta(hours=3), "Old & wise", "It's <fine>", "wire", ("SPY",), "https://example.com/1"),
    NewsItem("2", BEGIN - timedelta(hours=1), "Apple alone", "", "wire", ("AAPL",)),
    NewsItem("3", BEGIN, "Just now", "", "wire", ("AAPL", "SPY")),
    NewsItem("4", BEGIN + timedelta(minutes=1), "A minute later", "", "wire", ("SPY",)),
)


@dataclass
class Venue:
    """One exchange behind the ports; ``step`` moves its clock forward by a duration, None where nobody can."""

    exchange: Exchange
    data: MarketData
    news: News
    step: Callable[[timedelta], None] | None = None


def paper_keys() -> tuple[str, str] | None:
    """Return the keys of a paper account for tests, None where the environment has none."""
    pair = os.environ.get("ZTRADE_TEST_PAPER_KEY_ID", ""), os.environ.get("ZTRADE_TEST_PAPER_SECRET", "")
    return pair if all(pair) else None


@contextmanager
def _memory() -> Iterator[Venue]:
    made = memory_exchange(wave_tape(CALENDAR, stories=STORIES), now=BEGIN, calendar=CALENDAR)
    yield Venue(made, made, made, lambda by: made.advance(made.now() + by))


@contextmanager
def _in_process() -> Iterator[Venue]:
    tape = wave_tape(CALENDAR, stories=STORIES)
    engine = Engine(tape, CALENDAR.sessions(FIRST_DAY, LAST_DAY), now=BEGIN, cash=memory_exchange().account().cash)
    made = InProcess(engine)
    yield Venue(made, made, made, lambda by: made.advance(made.now() + by))


@contextmanager
def _served() -> Iterator[Venue]:
    with ExitStack() as stack:
        url = stack.enter_context(running(wave_tape(CALENDAR, stories=STORIES), start=BEGIN, calendar=CALENDAR))
        gateway = Gateway(AlpacaSettings("embedded", "key", "secret", str(url), str(url), feed=None))
        stack.callback(gateway.close)

        def step(by: timedelta) -> None:
            url.advance(datetime.fromisoformat(url.clock()["now"]) + by)

        yield Venue(AlpacaExchange(gateway), AlpacaMarketData(gateway, CALENDAR), AlpacaNews(gateway), step)


@contextmanager
def _paper() -> Iterator[Venue]:
    keys = paper_keys()
    assert keys is not None
    gateway = Gateway(AlpacaSettings("paper", *keys, PAPER_URL, DATA_URL))
    yield Venue(AlpacaExchange(gateway), AlpacaMarketData(gateway, CALENDAR), AlpacaNews(gateway))
    gateway.close()


#: exchanges whose clock a test moves
STEPPED = {"memory": _memory, "in process": _in_process, "served": _served}
#: every exchange there is here
ALL = {**STEPPED, "paper": _paper} if paper_keys() else STEPPED

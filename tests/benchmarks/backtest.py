"""A year of one agent, beside the loop that people write first: pandas and TA-Lib at every slot, and nothing else.

The baseline takes the bars of the same slots, resamples the last 390 of them with pandas and computes the same
indicators: no news, no risk, no orders, no books. It runs on every twentieth slot and is multiplied, for it is slow.
CPU time is compared, because the machine may be shared.
"""

from __future__ import annotations

import logging
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tests.benchmarks.figures import Figure
from tests.benchmarks.places import SHIPPED
from ztrade.adapters.calendar import NyseCalendar
from ztrade.bootstrap import run_backtest
from ztrade.config import load_config
from ztrade.domain.ledger import CycleKind
from ztrade.domain.schedule import slots
from ztrade.domain.types import Bars
from ztrade.exchange.bars import load_directory, synthetic
from ztrade.exchange.tape import Tape
from ztrade.service.programs import ztrade_command
from ztrade.strategies.ta import talib

if TYPE_CHECKING:
    import pandas as pd

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "bars" / "2022-5min" / "SPY_5m.csv"
YEAR = (date(2024, 1, 2), date(2024, 12, 31))
RECORDED_YEAR = (date(2022, 3, 1), date(2023, 2, 28))
#: bars that a cycle of the shipped spy agent looks at
WINDOW = 390
EVERY = 20
AIM = "<= 10 s"


def measure() -> Iterator[object]:
    """Yield the figures of a made-up and of a recorded year."""
    calendar = NyseCalendar()
    history = YEAR[0] - timedelta(days=60)
    tape = synthetic(7, history, len(calendar.sessions(history, YEAR[1])), ["SPY"], calendar)
    yield from _year("synthetic", tape, *YEAR, calendar)
    if RECORDED.exists():
        yield from _year("recorded", _recorded(calendar), *RECORDED_YEAR, calendar)
    else:
        yield f"  recorded: left out, there is no {RECORDED.name} in ../shared/data"


def _recorded(calendar: NyseCalendar) -> Tape:
    with tempfile.TemporaryDirectory() as folder:
        command = ztrade_command("bars", "import", str(RECORDED), "--out", folder, "--tz", "America/Los_Angeles")
        # 1: imported, with the faults that these files have
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        return load_directory(Path(folder), calendar=calendar)


def _year(name: str, tape: Tape, first: date, last: date, calendar: NyseCalendar) -> Iterator[object]:
    # as the command does: lines below the level cost next to nothing
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    wall, begin = time.monotonic(), time.process_time()
    done = run_backtest(load_config(SHIPPED), tape, first, last, agents=["spy"])
    spent, waited = time.process_time() - begin, time.monotonic() - wall
    structlog.reset_defaults()
    cycles = [record for record in done.records if record.kind is CycleKind.SLOT]
    bare = _bare_loop(tape.bars("SPY"), first, last, calendar)
    what = f"{name} year of spy, {len(cycles):,} slots, CPU"
    yield Figure(what, spent, bare, "a bare pandas + TA-Lib loop", "s", AIM)
    outcomes = ", ".join(f"{kind} {count:,}" for kind, count in Counter(str(c.outcome) for c in cycles).most_common())
    yield f"    {waited:.1f} s by the wall clock, {spent / len(cycles) * 1e6:,.0f} us CPU a slot; {outcomes}"


def _bare_loop(bars: Bars, first: date, last: date, calendar: NyseCalendar) -> float:
    """Return the CPU seconds that the bare loop would take for every slot."""
    import pandas as pd  # after the backtest, which runs without it

    columns = {name: list(getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.to_datetime(list(bars.start), unit="s", utc=True))
    every = [slot for day in calendar.sessions(first, last) for slot in slots(day, timedelta(minutes=5))]
    begin = time.process_time()
    for slot in every[::EVERY]:
        end = int(frame.index.searchsorted(pd.Timestamp(slot)))
        _indicators(frame.iloc[max(0, end - WINDOW) : end])
    return (time.process_time() - begin) * len(every) / len(every[::EVERY])


def _indicators(window: pd.DataFrame) -> None:
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    bars = window.resample("15min").agg(how).dropna()
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    talib.RSI(close, timeperiod=14)
    talib.SMA(close, timeperiod=50)
    talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    talib.ATR(high, low, close, timeperiod=14)
    talib.BBANDS(close, timeperiod=20)
    bars["volume"].rolling(20).mean()

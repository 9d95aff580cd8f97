"""The baseline: a Celery application as its first-steps page writes it. Nothing of ztrade is in here.

``celery -A`` passes nothing on, so it reads the environment: ``PLAIN_BROKER`` and ``PLAIN_RESULTS`` are URLs,
``PLAIN_EVERY`` the seconds between two runs, ``PLAIN_STARTS`` the file to which each run appends a line.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from celery import Celery

AGENTS = ("spy", "tsla", "aapl")

app = Celery("plain", broker=os.environ.get("PLAIN_BROKER", "memory://"), backend=os.environ.get("PLAIN_RESULTS"))
app.conf.worker_prefetch_multiplier = 1
# one queue and one worker per agent, as in ztrade, so that no agent waits for another
app.conf.beat_schedule = {
    agent: {
        "task": "plain.start",
        "schedule": timedelta(seconds=float(os.environ.get("PLAIN_EVERY", "60"))),
        "args": (agent,),
        "options": {"queue": f"plain.{agent}", "ignore_result": True},
    }
    for agent in AGENTS
}


@app.task(name="plain.start")  # type: ignore[untyped-decorator]
def start(agent: str) -> None:
    """Write down when it began."""
    with Path(os.environ["PLAIN_STARTS"]).open("a", encoding="ascii") as starts:
        starts.write(f"{agent} {time.time()!r}\n")


@app.task(name="plain.trade")  # type: ignore[untyped-decorator]
def trade() -> str:
    """Import what a trading task needs inside of the task, as the older application did."""
    import pandas as pd
    import talib
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.trading.client import TradingClient

    talib.RSI(pd.Series([float(number) for number in range(60)]), timeperiod=14)
    return f"{TradingClient.__name__} and {StockHistoricalDataClient.__name__} imported"

"""A week of three agents, traded in this process, and what the exporter would have told of it, every five minutes.

Slots, money and orders are what the exporter's own sources find in the week's journal, at exchange time; in closed
hours they look every half hour. Of the machine (workers, Redis, disks) nothing is simulated: all is well there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, product
from pathlib import Path
from typing import Any

from ztrade import opinions
from ztrade.adapters.calendar import NyseCalendar
from ztrade.adapters.halts import ALL
from ztrade.adapters.journal import open_journal
from ztrade.app.backtest import backtest
from ztrade.bootstrap import backtest_desk
from ztrade.config import Config, load_config
from ztrade.domain.reconcile import Kind as Difference
from ztrade.exchange.bars.market import synthetic
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.inprocess import InProcess
from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.exchange_source import ExchangeSource
from ztrade.service.exporter.hours import Paces
from ztrade.service.exporter.journal_source import JournalSource
from ztrade.service.exporter.local_source import LocalSource
from ztrade.service.exporter.source import Source, Value

SHIPPED = Path(__file__).parents[2] / "deploy" / "config" / "ztrade.toml"
STEP, DAY = timedelta(minutes=5), timedelta(days=1)
#: Thanksgiving is the Thursday, and the Friday closes at 13:00; from a Monday to the next, in the middle between slots
FIRST, LAST = date(2022, 11, 21), date(2022, 11, 28)
START, END = datetime(2022, 11, 21, 0, 3, tzinfo=UTC), datetime(2022, 11, 28, 0, 3, tzinfo=UTC)
SECONDS_OF_DAY = 86_400
#: steps between two looks in closed hours
SELDOM = 6

#: name and labels, as Prometheus writes them
Series = str
#: a value for each step, None where the series was absent
Recorded = Mapping[Series, Sequence[float | None]]


class Week:
    """One week's recording."""

    def __init__(self, folder: Path, seed: int) -> None:
        calendar = NyseCalendar()
        covered = calendar.sessions(FIRST - 60 * DAY, LAST + 7 * DAY)
        self._config: Config = load_config(SHIPPED).with_state(folder)
        tape = synthetic(
            seed, FIRST, 6, [agent.symbol for agent in self._config.agents.values()], calendar, history_days=40
        )
        self._exchange = InProcess(Engine(tape, covered, now=START, cash=Decimal(100_000), settings=Settings()))
        self._journal = open_journal(f"sqlite:///{folder / 'journal.db'}")
        scorer = opinions.plain_scorer(self._config)
        self._desks = [
            backtest_desk(self._config, agent, self._exchange, self._journal, calendar, scorer)
            for agent in self._config.agents.values()
        ]
        paces = Paces(self, self._monotonic)  # type: ignore[arg-type]
        self._sources: Sequence[Source] = (
            ExchangeSource(self._config, paces, calendar),
            JournalSource(self._config, paces, calendar, lambda: self._journal, self._exchange.wall, self._monotonic),
            LocalSource(self._config),
        )
        self._sessions = calendar.sessions(FIRST, LAST - DAY)
        self._seen: Sequence[Value] = ()
        self._series: dict[Series, list[float | None]] = {}
        self.steps = 0

    def clock(self, _dry_run: bool) -> InProcess:
        """Stand for the runtime."""
        return self._exchange

    def _monotonic(self) -> float:
        return (self._exchange.now() - START).total_seconds()

    def record(self) -> Recorded:
        """Trade the week, and return what was told."""
        for _ in backtest(self._desks, self._sessions, self._to):
            pass
        self._to(END)
        return self._series

    @property
    def entries(self) -> int:
        """How many fills the week had."""
        return len(self._journal.fills())

    def _to(self, at: datetime) -> None:
        """Let time pass, and look at each step."""
        while (look := START + self.steps * STEP) <= at and look < END:
            self._exchange.advance(look)
            if self.steps % SELDOM == 0 or self._near_a_session(look):
                self._seen = [value for source in self._sources for value in source.look()]
            self._tell()
        self._exchange.advance(at)

    def _near_a_session(self, at: datetime) -> bool:
        around = 2 * STEP
        return any(session.open - around <= at <= session.close + around for session in self._sessions)

    def _tell(self) -> None:
        for name, labels, value in self._seen:
            if isinstance(value, float):
                self._put(series(name, labels), value)
        for name, labels, value in self._machine():
            self._put(series(name, labels), value)
        self.steps += 1

    def _put(self, name: Series, value: float) -> None:
        values = self._series.setdefault(name, [])
        values.extend([None] * (self.steps - len(values)))
        values.append(value)

    def _machine(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        """Yield what a machine tells on which all is well; its backup is of 02:30."""
        for name, value in WELL.items():
            kind = METRICS[name].labels
            for labels in [(agent,) for agent in self._config.agents] if kind == ("agent",) else [()]:
                yield name, labels, value
        for source in ("events", "redis", "reports", "units", "files", "config", "halts", "exchange", "journal"):
            yield "ztrade_exporter_source_up", (source,), 1.0
            yield "ztrade_exporter_source_age_seconds", (source,), 2.5
        for queue in [f"agent.{agent}" for agent in self._config.agents] + ["maintenance"]:
            yield "ztrade_queue_oldest_message_age_seconds", (queue,), 0.0
        yield "ztrade_backup_age_seconds", (), ((START + self.steps * STEP).timestamp() - 2.5 * 3600) % SECONDS_OF_DAY
        yield "ztrade_exchange_up", ("embedded",), 1.0
        for agent, what in product([*self._config.agents, ALL], map(str, Difference)):
            yield "ztrade_reconciliation_differences", (agent, what), 0.0


#: per agent where the catalogue says so
WELL: Mapping[str, float] = {
    "ztrade_worker_up": 1, "ztrade_worker_consuming": 1, "ztrade_worker_start_timestamp_seconds": 1.6e9,
    "ztrade_beat_up": 1, "ztrade_beat_last_tick_age_seconds": 1, "ztrade_keeper_up": 1,
    "ztrade_redis_up": 1, "ztrade_redis_safe": 1, "ztrade_redis_memory_bytes": 2e6,
    "ztrade_redis_memory_limit_bytes": 2.56e8, "ztrade_journal_current": 1, "ztrade_config_valid": 1,
    "ztrade_disk_free_bytes": 7e10, "ztrade_disk_size_bytes": 2.5e11, "ztrade_exporter_events_lost_total": 0,
}  # fmt: skip


def series(name: str, labels: Sequence[str]) -> Series:
    """Return a series as Prometheus has it after a scrape."""
    own = [f'{key}="{value}"' for key, value in zip(METRICS[name].labels, labels, strict=True)]
    return f"{name}{{{','.join([*own, *TARGET])}}}"


TARGET = ('instance="ztrade"', 'job="ztrade"')


def notation(values: Sequence[float | None]) -> str:
    """Return values in promtool's notation, what repeats written once."""
    parts = []
    for value, group in groupby(values):
        again = len(list(group)) - 1
        parts.append(f"_x{again + 1}" if value is None else f"{value:g}+0x{again}" if again else f"{value:g}")
    return " ".join(parts)


def rule_test(recorded: Recorded, rules: Sequence[Path], steps: int) -> dict[str, Any]:
    """Return promtool's test that not one alert fires in all that time."""
    told = 'count_over_time(ALERTS{alertstate="firing",severity!="none"}[8d])'
    up = {"series": f"up{{{','.join(TARGET)}}}", "values": f"1+0x{steps - 1}"}
    found = [{"series": name, "values": notation(values)} for name, values in sorted(recorded.items())]
    return {
        "rule_files": [str(path) for path in rules],
        "evaluation_interval": "5m",
        "tests": [
            {
                "interval": "5m",
                "input_series": [up, *found],
                "promql_expr_test": [{"expr": told, "eval_time": f"{5 * (steps - 1)}m", "exp_samples": []}],
            }
        ],
    }

"""What workers, beat and the keeper tell of themselves; and who of them is there at all, by the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ztrade.config import Config
from ztrade.service import names, report
from ztrade.service.exporter.presence import Presence
from ztrade.service.exporter.source import Value
from ztrade.service.pulse import SILENCE
from ztrade.service.report import Report
from ztrade.service.worker_facts import CAUSES, UNKNOWN

#: wall seconds since a worker last asked for a message, after which it takes none: it asks every second, and tells
#: of it every two
DEAF = 10.0


class ReportsSource:
    """Implements :class:`ztrade.service.exporter.source.Source`.

    A worker on another machine leaves no report here: that it is there, and waits for messages, is what Redis knows.

    Args:
        presence: who is connected to Redis.
        running: how many tasks each agent's worker runs, by its events.
    """

    name, every = "reports", 2.0

    def __init__(
        self,
        config: Config,
        presence: Presence,
        running: Callable[[], Mapping[str, int]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._presence, self._running, self._monotonic = config, presence, running, monotonic

    def look(self) -> Iterator[Value]:
        """Return what was reported. Every configured agent has its values, one that was never seen, too."""
        running = self._running()
        for agent in sorted(self._config.agents):
            yield from self._worker(agent, running.get(agent, 0) > 0)
        yield from self._service(names.BEAT, "ztrade_beat_up")
        yield from self._beat()
        yield from self._service(names.KEEPER, "ztrade_keeper_up")

    def blind(self) -> Iterator[Value]:
        """Say nothing: what cannot be read is unknown."""
        return iter(())

    def _read(self, role: str) -> Report | None:
        return report.read(self._config.state_dir, role, self._monotonic)

    # -- workers -------------------------------------------------------------------------------------------------------
    def _worker(self, agent: str, runs: bool) -> Iterator[Value]:
        role = names.worker_role(agent)
        told, here = self._read(role), self._presence.here(role)
        up = bool(here) or (told is not None and told.fresh)
        if told is not None or here is not None:
            yield "ztrade_worker_up", (agent,), float(up)
        facts: Mapping[str, Any] = told.facts if told is not None and told.fresh else {}
        yield from self._taking(agent, facts, up, runs)
        yield from _counted(agent, {} if told is None else told.facts)
        if facts:
            yield from _of_process(agent, facts)

    def _taking(self, agent: str, facts: Mapping[str, Any], up: bool, runs: bool) -> Iterator[Value]:
        """Yield whether the worker takes messages: by what it says, by Redis, or because it is busy with one."""
        now = self._monotonic()
        busy = up and (facts.get("running") is True or runs)
        asked = [at for at in (report.count(facts.get("asked")), self._presence.waited(agent)) if at is not None]
        if busy or asked:
            age = 0.0 if busy else max(now - max(asked), 0.0)
            yield "ztrade_worker_last_ask_age_seconds", (agent,), age
            # a process that stands has not judged itself
            yield "ztrade_worker_consuming", (agent,), float(up and age <= DEAF and facts.get("healthy") is not False)
        elif self._presence.here(names.worker_role(agent)) is not None:
            yield "ztrade_worker_consuming", (agent,), 0.0

    # -- beat and keeper -----------------------------------------------------------------------------------------------
    def _service(self, role: str, metric: str) -> Iterator[Value]:
        told = self._read(role)
        if told is None:
            yield metric, (), float(self._presence.here(role) is True)
            return
        turned = report.count(told.facts.get("turned"))
        yield metric, (), float(told.fresh and turned is not None and self._monotonic() - turned <= SILENCE)

    def _beat(self) -> Iterator[Value]:
        told = self._read(names.BEAT)
        for metric, fact in (
            ("ztrade_beat_last_tick_age_seconds", "turned"), ("ztrade_beat_last_publish_age_seconds", "published"),
        ):  # fmt: skip
            at = None if told is None else report.count(told.facts.get(fact))
            if at is not None:
                yield metric, (), max(self._monotonic() - at, 0.0)


def _of_process(agent: str, facts: Mapping[str, Any]) -> Iterator[Value]:
    """Yield what is true of a process for as long as it lives."""
    started = report.count(facts.get("started"))
    if started is not None:
        yield "ztrade_worker_start_timestamp_seconds", (agent,), started
    yield "ztrade_worker_watchdog_healthy", (agent,), float(facts.get("healthy") is True)
    for process in ("main", "child"):
        size = report.count(_mapping(facts, "memory").get(process))
        if size is not None:
            yield "ztrade_worker_memory_bytes", (agent, process), size


def _counted(agent: str, facts: Mapping[str, Any]) -> Iterator[Value]:
    """Yield what a process has counted, after its end too."""
    yield "ztrade_worker_broker_reconnects_total", (agent,), report.count(facts.get("reconnects")) or 0.0
    deaths, again, refused = (_mapping(facts, name) for name in ("deaths", "redelivered", "rejected"))
    for cause in CAUSES:
        yield "ztrade_worker_child_deaths_total", (agent, cause), report.count(deaths.get(cause)) or 0.0
    for task in (*names.TASKS, UNKNOWN):
        if task in names.SCHEDULED or task in again:
            yield "ztrade_tasks_redelivered_total", (task, agent), report.count(again.get(task)) or 0.0
    yield "ztrade_tasks_rejected_total", (UNKNOWN, agent), report.count(refused.get(UNKNOWN)) or 0.0


def _mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}

"""Celery's beat with our schedule: slots of the exchange's calendar on the exchange's clock, and no file to corrupt."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import Celery, signals
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import BaseSchedule, schedstate

from ztrade.config import Config, supervision
from ztrade.domain.agent import Agent
from ztrade.errors import TemporaryError
from ztrade.service import broker, logs, names, report
from ztrade.service.app import context_of, create_app, tasks_of
from ztrade.service.bell import CeleryBell
from ztrade.service.conductor import LONGEST_SLEEP, Bell, Conductor
from ztrade.service.context import Build, Runtime, build_runtime
from ztrade.service.joined import Joined
from ztrade.service.pulse import Pulse
from ztrade.service.watchdog import Pace, patience, watch

log = structlog.get_logger("ztrade.beat")


class SlotSchedule(BaseSchedule):
    """What an entry shows of itself; when it is due is the conductor's business."""

    def __init__(self, agent: Agent, app: Celery | None = None) -> None:
        super().__init__(app=app)
        self.agent = agent

    def is_due(self, last_run_at: datetime) -> Any:  # noqa: ARG002 Celery's signature
        """Never by interval: slots come from the exchange's calendar."""
        return schedstate(is_due=False, next=LONGEST_SLEEP)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:  # noqa: ARG002
        """Return the entry's own distance; nothing is decided from it."""
        return self.agent.every

    def __repr__(self) -> str:
        return f"<slots of {self.agent.name}: every {self.agent.every} in {', '.join(self.agent.sessions)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SlotSchedule) and other.agent == self.agent

    __hash__ = BaseSchedule.__hash__


def conductors(config: Config, runtime: Runtime, bell: Bell) -> list[Conductor]:
    """Return one conductor per clock: the embedded exchange's for dry runs, the machine's for the others."""
    agents: Sequence[Agent] = tuple(config.agents.values())
    groups = [[agent for agent in agents if agent.dry_run is dry] for dry in (True, False)]
    return [
        Conductor(
            group,
            clock=runtime.clock(group[0].dry_run),
            calendar=runtime.calendar,
            journal=runtime.journal,
            bell=bell,
            monotonic=time.monotonic,
            joined=Joined(config.state_dir),
        )
        for group in groups
        if group
    ]


class TestRinger:
    """Sends the test task to every worker every so often: for development."""

    __test__ = False

    def __init__(self, app: Celery, agents: Sequence[str], every: timedelta) -> None:
        self._app, self._agents, self._every = app, agents, every.total_seconds()
        self._next = time.monotonic()

    def step(self) -> float:
        """Send what is due and return the seconds until the next time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            self._send()
        return self._next - time.monotonic()

    def _send(self) -> None:
        for agent in self._agents:
            try:
                tasks_of(self._app).test_task.apply_async(
                    queue=names.control_queue(agent), expires=self._every, retry=False, ignore_result=True
                )
            except TemporaryError as error:
                log.warning("publish_failed", agent=agent, task=names.TEST_TASK, reason=str(error))


class SlotScheduler(Scheduler):
    """Celery's scheduler interface over our conductors; ``schedule`` shows one entry per agent."""

    def setup_schedule(self) -> None:
        """Make the entries and the conductors."""
        context = context_of(self.app)
        config = context.config
        self.max_interval = LONGEST_SLEEP
        self._pulse = Pulse(config.state_dir)
        self.data = {names.entry_name(name): self._entry(agent) for name, agent in sorted(config.agents.items())}
        self._steppers: list[Conductor | TestRinger] = [
            *conductors(config, context.runtime, CeleryBell(self.app, config))
        ]
        if config.main.beat.test_task:
            self._steppers.append(TestRinger(self.app, sorted(config.agents), config.main.beat.test_task))
        log.info("beat_started", entries=sorted(self.data))

    def _entry(self, agent: Agent) -> ScheduleEntry:
        return ScheduleEntry(
            name=names.entry_name(agent.name),
            task=names.TRADING_CYCLE,
            schedule=SlotSchedule(agent, self.app),
            kwargs={"agent_id": agent.name, "dry_run": agent.dry_run, "manual": agent.manual},
            app=self.app,
        )

    def tick(self, *_: Any, **__: Any) -> float:
        """Do what is due and return the seconds until the next look."""
        wait = min((stepper.step() for stepper in self._steppers), default=LONGEST_SLEEP)
        self._pulse.tick()
        context_of(self.app).tick(self._status())
        return wait

    def _status(self) -> str:
        waits = [one.trouble for one in self._steppers if isinstance(one, Conductor) and one.trouble]
        return f"waits: {waits[0]}" if waits else "sends what is due"

    def close(self) -> None:
        """Release what publishing used."""
        super().close()
        context_of(self.app).close()


class Published:
    """When beat last sent a slot or a settlement, its predecessor included: the message of an hourly agent is rare."""

    def __init__(self, config: Config) -> None:
        before = report.read(config.state_dir, names.BEAT)
        self._at = None if before is None else before.facts.get("published")

    def listen(self) -> None:
        """Hear of every message that goes out from now on."""
        signals.after_task_publish.connect(self._sent, weak=False)

    def _sent(self, sender: str = "", **_: Any) -> None:
        if sender in names.SCHEDULED:
            self._at = time.monotonic()

    def facts(self) -> Mapping[str, Any]:
        """Return the instant, on the monotonic clock."""
        return {"published": self._at}


def run_beat(config: Config, build: Build = build_runtime) -> None:
    """Run beat until SIGTERM; a second beat is harmless."""
    level = config.main.log.level
    logs.start(config, "beat")
    app = create_app(config, build)
    context_of(app).role = names.BEAT
    told = supervision()
    pace = Pace(patience(told), excuse=lambda: broker.silence(config.redis_url))
    published = Published(config)
    published.listen()
    turns = report.Turns(published.facts)

    def tick(status: str) -> None:
        pace.tick(status)
        turns.tick(status)

    context_of(app).tick = tick
    watch(told, pace.judge)
    report.Reporter(config, names.BEAT, turns).start()
    app.Beat(loglevel=level, quiet=True, socket_timeout=0).run()

"""What the tasks of one process work with: the configuration, and the runtime made of it when first needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from ztrade import ports
from ztrade.adapters.metrics import Counters
from ztrade.config import Config, load_config
from ztrade.domain.ledger import CycleRecord
from ztrade.errors import ZtradeError

log = structlog.get_logger("ztrade.recover")


class Runtime(Protocol):
    """The part of :class:`ztrade.bootstrap.Runtime` that services use."""

    @property
    def config(self) -> Config: ...

    @property
    def journal(self) -> ports.Journal: ...

    @property
    def calendar(self) -> ports.Calendar: ...

    @property
    def metrics(self) -> Counters: ...

    def clock(self, dry_run: bool) -> ports.Clock: ...

    def run_cycle(
        self, agent: str, *, dry_run: bool, manual: bool, slot: datetime | None, owner: str
    ) -> CycleRecord | None: ...

    def recover(self, agent: str, *, owner: str) -> None: ...

    def settle(self, agent: str, *, dry_run: bool, session_close: datetime, owner: str) -> CycleRecord | None: ...

    def preload(self) -> None: ...

    def close(self) -> None: ...


#: makes a runtime of a configuration
Build = Callable[[Config], Runtime]


def build_runtime(config: Config) -> Runtime:
    """Return the real runtime; imported here because it brings the database and the exchange's client along."""
    from ztrade import bootstrap

    made: Runtime = bootstrap.runtime(config)
    return made


class Context:
    """Configuration and runtime of one process, made when first asked for.

    Args:
        config: None reads the file that ``ZTRADE_CONFIG`` names when the first task is sent or run.
        build: how a runtime is made.
    """

    def __init__(self, config: Config | None = None, build: Build = build_runtime) -> None:
        self._config, self._build = config, build
        self._runtime: tuple[int, Runtime] | None = None
        self._recovered: set[tuple[int, str]] = set()
        self.role = "client"
        #: what beat's loop says each time it comes round, to whom it may concern
        self.tick: Callable[[str], None] = lambda _status: None

    @property
    def config(self) -> Config:
        """The configuration. Raises ConfigError when it is read now and wrong."""
        if self._config is None:
            self._config = load_config()
        return self._config

    @property
    def runtime(self) -> Runtime:
        """This process's runtime; database connections and sockets do not survive a fork, so a child makes its own."""
        pid = os.getpid()
        if self._runtime is None or self._runtime[0] != pid:
            self._runtime = (pid, self._build(self.config))
        return self._runtime[1]

    def recover_once(self, agent: str, owner: str) -> None:
        """Resolve what a predecessor left, before this process's first cycle of the agent.

        Not at the process's start: Celery ends a child that is not ready within seconds, and an exchange that hangs
        takes longer. Where it cannot be done now the cycle says why by itself, and the next one tries again.
        """
        key = (os.getpid(), agent)
        if key in self._recovered:
            return
        try:
            self.runtime.recover(agent, owner=owner)
        except ZtradeError as error:
            log.warning("recovery_waits", agent=agent, reason=str(error))
        else:
            self._recovered.add(key)

    def close(self) -> None:
        """Close the runtime of this process; one inherited from the parent is the parent's to close."""
        if self._runtime is not None and self._runtime[0] == os.getpid():
            self._runtime[1].close()
        self._runtime = None

"""What every command starts from: where the configuration is, and how to reach journal, runtime and stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ztrade.bootstrap import Runtime
    from ztrade.config import Config
    from ztrade.ports import Calendar, Journal
    from ztrade.service.stack import ProgramStatus


def _load(path: Path | None) -> Config:
    from ztrade.config import load_config

    return load_config(path)


def _runtime(config: Config) -> Runtime:
    from ztrade.bootstrap import Runtime

    return Runtime(config)


def _journal(config: Config) -> Journal:
    from ztrade.adapters.journal import open_journal

    journal: Journal = open_journal(config.journal_url, create=False)
    return journal


def _calendar() -> Calendar:
    from ztrade.adapters.calendar import NyseCalendar

    return NyseCalendar()


def _programs(config: Config) -> Sequence[ProgramStatus]:
    from ztrade.service.stack import Stack

    return Stack.of(config).status()


def _quiet() -> None:
    """Send warnings and worse to stderr: stdout belongs to the answer. A service that has its logs keeps them."""
    import structlog

    from ztrade.service import logs

    if not structlog.is_configured():
        logs.configure("warning", fd=2)


@dataclass(frozen=True, slots=True)
class App:
    """Made by the root command and handed to all others; the callables are the seams for tests."""

    config_path: Path | None = None
    state: Path | None = None
    load: Callable[[Path | None], Config] = _load
    make_runtime: Callable[[Config], Runtime] = _runtime
    open_journal: Callable[[Config], Journal] = _journal
    programs: Callable[[Config], Sequence[ProgramStatus]] = _programs
    calendar: Callable[[], Calendar] = _calendar
    quiet: Callable[[], None] = _quiet

    def config(self) -> Config:
        """Read the configuration.

        Raises:
            ConfigError: something in it is wrong.
        """
        config = self.load(self.config_path)
        return config.with_state(self.state) if self.state else config

    @contextmanager
    def runtime(self, config: Config) -> Iterator[Runtime]:
        """Give the composed runtime, and close it afterwards."""
        self.quiet()
        runtime = self.make_runtime(config)
        try:
            yield runtime
        finally:
            runtime.close()

    @contextmanager
    def journal(self, config: Config) -> Iterator[Journal]:
        """Give the journal as it is, without making one.

        Raises:
            ConfigError: there is none, or it is none.
            JournalUnavailable: it cannot be read.
        """
        journal = self.open_journal(config)
        try:
            yield journal
        finally:
            close = getattr(journal, "close", None)
            if close is not None:
                close()


pass_app = click.make_pass_decorator(App)

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
    from ztrade.service.doorbell import Doorbell, Taken
    from ztrade.service.states import ProgramStatus
    from ztrade.service.units import Unit


def _load(path: Path | None) -> Config:
    from ztrade.config import load_config

    return load_config(path)


def _load_to_look(path: Path | None) -> Config:
    from ztrade.config import load_to_look

    return load_to_look(path)


def _load_main(path: Path | None) -> Config:
    from ztrade.config import load_main

    return load_main(path)


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


def _calendar_kept(config: Config) -> Calendar:
    from ztrade.adapters.calendar import NyseCalendar

    return NyseCalendar(kept=config.state_dir / "run")


def _doorbell(config: Config) -> Doorbell:
    from ztrade.service.doorbell import look

    return look(config.redis_url, config.agents)


def _programs(config: Config, taken: Taken) -> Sequence[ProgramStatus]:
    from ztrade.service.stack import Stack

    return Stack.of(config).status(taken)


def _units(config: Config) -> Sequence[Unit]:
    """Return systemd's units, where it is they that run this configuration, and no stack of a person's own."""
    from ztrade.service import units

    if not units.runs_here() or _stack_runs(config):
        return ()
    return units.look(config.agents)


def _state_elsewhere(state: Path) -> bool:
    from ztrade.service import units

    return units.state_elsewhere(state)


def _units_state(config: Path) -> Path | None:
    from ztrade.service import units

    return units.state_of(config)


def _stack_runs(config: Config) -> bool:
    from ztrade.service.supervisor import Supervisor, lock_file

    try:
        return lock_file(config.state_dir).exists() and Supervisor(config.state_dir).held()
    except PermissionError:
        return False  # somebody else's state, and so no stack of this person's own


def _quiet() -> None:
    """Send warnings and worse to stderr: stdout belongs to the answer. A service that has its logs keeps them."""
    from ztrade.lean import without

    # structlog would colour tracebacks with it, and nobody sees one here
    with without("rich"):
        import structlog

    if not structlog.is_configured():
        from ztrade.service import logs

        logs.configure("warning", fd=2)


@dataclass(frozen=True, slots=True)
class App:
    """Made by the root command and handed to all others; the callables are the seams for tests."""

    config_path: Path | None = None
    state: Path | None = None
    load: Callable[[Path | None], Config] = _load
    load_main: Callable[[Path | None], Config] = _load_main
    load_to_look: Callable[[Path | None], Config] = _load_to_look
    make_runtime: Callable[[Config], Runtime] = _runtime
    open_journal: Callable[[Config], Journal] = _journal
    programs: Callable[[Config, Taken], Sequence[ProgramStatus]] = _programs
    units: Callable[[Config], Sequence[Unit]] = _units
    state_elsewhere: Callable[[Path], bool] = _state_elsewhere
    units_state: Callable[[Path], Path | None] = _units_state
    calendar: Callable[[], Calendar] = _calendar
    calendar_kept: Callable[[Config], Calendar] = _calendar_kept
    doorbell: Callable[[Config], Doorbell] = _doorbell
    quiet: Callable[[], None] = _quiet

    def config(self) -> Config:
        """Read the configuration.

        Raises:
            ConfigError: something in it is wrong.
        """
        return self._here(self.load(self.config_path))

    def main_file(self) -> Config:
        """Read the main file alone: what needs no agents goes on where one of their files is wrong.

        Raises:
            ConfigError: something in it is wrong.
        """
        return self._here(self.load_main(self.config_path))

    def config_to_look(self) -> Config:
        """Read what is right of the files, for looking alone; what is wrong is among the ``warnings``.

        Raises:
            ConfigError: the main file is wrong.
        """
        return self._here(self.load_to_look(self.config_path))

    def _here(self, config: Config) -> Config:
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

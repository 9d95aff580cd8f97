"""Which programs still run on files that were changed since: each reads its configuration once, when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ztrade.config import MAIN, Config
from ztrade.service import names
from ztrade.service.report import DIGESTS, Report

#: who reads every agent's file
_ALL = (names.BEAT, names.KEEPER, names.EXPORTER)


def roles(*configs: Config) -> list[str]:
    """Return who reports, by the files as they were and as they are."""
    agents = sorted({agent for config in configs for agent in config.agents})
    return [*_ALL, *map(names.worker_role, agents)]


def changed(now: Config, read: Mapping[str, Any], role: str) -> list[str]:
    """Return the files that say something else than what a program read: agents' names, and the main file's.

    A worker has only its own agent's file, and the main one.
    """
    files = sorted({*now.digests, *read})
    if role not in _ALL:
        files = [name for name in files if name == MAIN or names.worker_role(name) == role]
    return [name or now.path.name for name in files if now.digests.get(name) != read.get(name)]


def of_report(told: Report | None) -> Mapping[str, Any] | None:
    """Return what the program that reports has read; None for one that is gone, or does not tell."""
    found = told.facts.get(DIGESTS) if told is not None and told.fresh else None
    return found if isinstance(found, dict) else None


def outdated(now: Config, reports: Mapping[str, Report | None]) -> Iterator[tuple[str, list[str]]]:
    """Yield each program that tells what it read, and which of it has changed since."""
    for role, told in reports.items():
        read = of_report(told)
        if read is not None:
            yield role, changed(now, read, role)

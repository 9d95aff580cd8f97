"""The journal in a database: SQLite by default, PostgreSQL by URL. ``ztrade.testing.journal`` is its twin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ztrade.adapters.journal.store import SqlJournal


def open_journal(
    url: str,
    *,
    create: bool = True,
    busy: timedelta = timedelta(seconds=10),
    observe: Callable[[float], None] | None = None,
) -> SqlJournal:
    """Open the journal at ``url``, bringing its tables up to this version of ztrade.

    ``sqlite:////var/lib/ztrade/journal.db`` (four slashes: an absolute path) or ``postgresql://user@host/name``.
    No connection is left open, so a process may open the journal, fork, and use it on both sides.

    Args:
        create: make the SQLite file and its tables where there are none; False for commands that only look.
        busy: how long a write waits for another process' (wall time) before it is unavailable.
        observe: hears how many wall seconds each transaction that wrote took.

    Raises:
        ConfigError: the URL, the directory, the permissions or the driver are wrong.
        DataError: what is there is no journal, is damaged, or was written by a newer ztrade.
        JournalUnavailable: the server does not answer, or the disk is full.
    """
    # here, not above: the twin uses this package's rules, and a backtest needs no SQLAlchemy
    from ztrade.adapters.journal.store import SqlJournal
    from ztrade.adapters.journal.upgrade import prepare

    database = prepare(url, create=create, busy=busy)
    if observe is not None:
        database.observe = observe
    return SqlJournal(database)


def revision(url: str) -> str | None:
    """Return the revision of the tables at ``url``; None where there is no journal yet. Nothing is made or changed.

    Raises:
        ConfigError: the URL is wrong.
        DataError: what is there is no journal, or was written by a newer ztrade.
        JournalUnavailable: it cannot be read.
    """
    from ztrade.adapters.journal.upgrade import revision as look

    return look(url)

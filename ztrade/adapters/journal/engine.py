"""One database: connections per process, transactions, and failures in our own words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError

from ztrade.errors import ConfigError, JournalUnavailable

#: "ztrade", so that nobody else's advisory lock is meant
_PG_LOCK = 0x7A7472616465
#: a server whose machine is gone is noticed after half a minute, not after the quarter of an hour of the kernel's own
_LOST = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}


class Database:
    """A SQLite file or a PostgreSQL database.

    Connections are made lazily and belong to the process that made them: one that a fork inherited is neither used
    nor closed (SQLite: closing it in the child would drop the parent's locks).
    """

    def __init__(self, url: sa.URL, busy: timedelta) -> None:
        self.url, self._busy = url, busy.total_seconds()
        #: hears how many wall seconds each transaction that wrote took, waiting for others included
        self.observe: Callable[[float], None] = lambda _seconds: None
        self.path = Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None
        self._engine: sa.Engine | None = None
        self._pid = 0
        self._inherited: list[sa.Engine] = []
        self._inode: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @property
    def engine(self) -> sa.Engine:
        """This process' engine."""
        if self._engine is None or self._pid != os.getpid():
            if self._engine is not None:
                self._inherited.append(self._engine)
            self._engine, self._pid = self._make(), os.getpid()
        return self._engine

    def close(self) -> None:
        """Close this process' connections; the next use opens new ones."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
            self._engine = None

    def pin(self) -> None:
        """Remember which file this is: one that is put in its place later is not our journal."""
        if self.path is not None:
            self._inode = self.path.stat().st_ino

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """One writing transaction; nobody else writes between its first read and its commit.

        Args:
            durable: the disk has it before this returns. False for what may be lost with the machine's power (never
                with the process) as long as nothing durable follows it: the next durable commit carries it along.

        Raises:
            JournalUnavailable: it could not be committed; nothing of it was written.
        """
        begin = "BEGIN IMMEDIATE" if self.path else f"SELECT pg_advisory_xact_lock({_PG_LOCK})"
        began = time.perf_counter()
        with self._transaction(begin, "FULL" if durable else "NORMAL") as connection:
            yield connection
        self.observe(time.perf_counter() - began)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent look, while others write.

        Raises:
            JournalUnavailable: the database did not answer.
        """
        begin = "BEGIN" if self.path else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with self._transaction(begin) as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str, synchronous: str | None = None) -> Iterator[sa.Connection]:
        with self.failures():
            self._check_file()
            with self.engine.connect() as connection, connection.begin():
                if self.path is not None and synchronous is not None:
                    _synchronize(connection, synchronous)
                connection.exec_driver_sql(begin)
                yield connection

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn the driver's errors into ours.

        Raises:
            JournalUnavailable: locked, full, read-only, damaged, gone.
            ValueError: a value that may not be stored (a naive instant, not a number).
        """
        try:
            yield
        except (DBAPIError, sqlite3.Error, sa.exc.TimeoutError) as error:
            cause = getattr(error, "orig", None) or error
            raise JournalUnavailable(f"journal {self}: {cause}{_advice(cause)}") from error
        except StatementError as error:
            if isinstance(error.orig, ValueError | TypeError):
                raise error.orig from error
            raise

    def _check_file(self) -> None:
        if self.path is None or self._inode is None:
            return
        try:
            same = self.path.stat().st_ino == self._inode
        except OSError as error:
            raise JournalUnavailable(f"journal {self}: {error.strerror}") from error
        if not same:
            raise JournalUnavailable(f"journal {self}: another file was put in its place; restart to use that one")

    def _make(self) -> sa.Engine:
        if self.path is None:
            return _postgres(self.url, self._busy)
        uri = f"file:{quote(str(self.path))}?mode=rw"
        return sa.create_engine("sqlite://", creator=lambda: _sqlite(uri, self._busy), poolclass=sa.pool.QueuePool)


def _sqlite(uri: str, busy: float) -> sqlite3.Connection:
    # isolation_level None: the driver begins nothing by itself, so BEGIN IMMEDIATE is ours to say
    connection = sqlite3.connect(uri, uri=True, timeout=busy, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _synchronize(connection: sa.Connection, level: str) -> None:
    """Say how far the next commit goes; possible only before BEGIN, and kept by the connection."""
    if connection.info.get("synchronous") != level:
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
        connection.info["synchronous"] = level


def _postgres(url: sa.URL, busy: float) -> sa.Engine:
    waits = {"connect_timeout": 10, "options": f"-c lock_timeout={int(busy * 1000)}", **_LOST}
    try:
        # whatever the server's default is: a writer that has waited for others must see what they wrote
        return sa.create_engine(url, pool_pre_ping=True, connect_args=waits, isolation_level="READ COMMITTED")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "journal URL",
            f"{url.drivername} needs the Python module {error.name}, which is not installed",
            fix="pip install 'ztrade[postgres]', or use sqlite:///PATH",
        ) from error


def _advice(cause: BaseException) -> str:
    text = str(cause).lower()
    if "malformed" in text or "not a database" in text:
        return " (damaged: stop everything and restore a backup)"
    if "is full" in text or "no space" in text:
        return " (free some space)"
    return ""

"""The account's state in SQLite: what was acknowledged is on the disk, and comes back as it was after ``kill -9``."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ztrade.errors import ConfigError
from ztrade.exchange.core.records import Changes

LAYOUT = "1"
#: marks the file as ours in SQLite's header ("ztex")
OURS = 0x7A746578

_TABLES = """
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activities (number INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class StateUnavailable(Exception):
    """The state cannot be read or written now (disk full, read-only, I/O error); nothing was changed."""


class Store:
    """The state file of one server; a second server on the same file is refused.

    Args:
        path: the SQLite file; made where it is not there.
        origin: what the prices come from; a state that was made on other prices is refused, because its orders and
            positions would mean nothing.

    Raises:
        ConfigError: the file is in use by another server, cannot be used, or belongs to other prices.
    """

    def __init__(self, path: Path, origin: str) -> None:
        self._path = path
        self._lock = _lock(path)
        try:
            self._db = _open(path)
            self._check_notes(origin)
        except sqlite3.Error as error:
            self.close()
            raise ConfigError(f"--state {path}", f"cannot be used: {error}", fix="name another file") from error
        except ConfigError:
            self.close()
            raise

    def _check_notes(self, origin: str) -> None:
        notes = dict(self._db.execute("SELECT name, value FROM notes WHERE name IN ('layout', 'origin')"))
        if notes.get("layout", LAYOUT) != LAYOUT:
            raise ConfigError(f"--state {self._path}", f"has layout {notes['layout']}, this version reads {LAYOUT}")
        if notes.get("origin", origin) != origin:
            raise ConfigError(
                f"--state {self._path}",
                f"was made on other prices: {notes['origin']}",
                f"this run has {origin}",
                "use the same prices as before, or another state (file, or --state directory of the stack)",
            )
        fresh = [("layout", LAYOUT), ("origin", origin)]
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO notes VALUES (?, ?)", fresh)

    def load(self) -> dict[str, object] | None:
        """Return the engine's state as its ``restore`` takes it, None where nothing was ever written.

        Raises:
            StateUnavailable: the file cannot be read.
        """
        try:
            meta = self.note("meta")
            if meta is None:
                return None
            orders = {name: json.loads(state) for name, state in self._db.execute("SELECT id, state FROM orders")}
            rows = self._db.execute("SELECT state FROM activities ORDER BY number")
            return {"orders": orders, "activities": [json.loads(state) for (state,) in rows], "meta": meta}
        except sqlite3.Error as error:
            raise StateUnavailable(str(error)) from error

    def note(self, name: str) -> object:
        """Return one of the small things that are kept under a name, None where it is not there."""
        try:
            row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            raise StateUnavailable(str(error)) from error
        return None if row is None else json.loads(row[0])

    def write(self, changes: Changes, notes: Mapping[str, object], clock: str) -> None:
        """Write everything, and where the clock stands, in one transaction; it is on the disk when this returns.

        A change of the clock alone is not waited for: it outlives the process, not a power failure.

        Raises:
            StateUnavailable: nothing of it was written.
        """
        kept = {**notes, "clock": clock}
        if changes.meta is not None:
            kept["meta"] = changes.meta
        weighty = bool(changes.orders or changes.activities or notes)
        try:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if weighty else 'NORMAL'}")
            with self._db:
                self._insert(changes, kept)
        except sqlite3.Error as error:
            raise StateUnavailable(str(error)) from error

    def _insert(self, changes: Changes, notes: Mapping[str, object]) -> None:
        orders = ((name, json.dumps(state)) for name, state in changes.orders.items())
        self._db.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", orders)
        activities = ((json.dumps(state),) for state in changes.activities)
        self._db.executemany("INSERT INTO activities (state) VALUES (?)", activities)
        values = ((name, json.dumps(value)) for name, value in notes.items())
        self._db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", values)

    def close(self) -> None:
        """Close the file and let another server have it."""
        database = getattr(self, "_db", None)
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()
        os.close(self._lock)


def _lock(path: Path) -> int:
    name = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"--state {path}", f"cannot be used: {error.strerror}", fix="name another file") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigError(
            f"--state {path}", "another exchange is running on it", fix="stop that one first, or name another file"
        ) from None
    return lock


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=5.0, isolation_level="IMMEDIATE")
    try:
        _check_owner(database, path)
        database.execute(f"PRAGMA application_id = {OURS}")
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_TABLES)
    except (sqlite3.Error, ConfigError):
        database.close()
        raise
    return database


def _check_owner(database: sqlite3.Connection, path: Path) -> None:
    """Refuse the database of another program (the journal, say) before anything is written to it."""
    (owner,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and owner != OURS:
        raise ConfigError(f"--state {path}", "is the database of another program", fix="name another file")

"""Opening: what is at the URL, may we use it, and which version of the tables is it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from ztrade.adapters.journal.engine import Database
from ztrade.adapters.journal.sharing import share
from ztrade.errors import ConfigError, DataError, JournalUnavailable

#: the newest migration in ``migrations/versions``; a test compares the two
HEAD = "0006"
MIGRATIONS = Path(__file__).parent / "migrations"
_SCHEMES = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}


def prepare(url: str, *, create: bool, busy: timedelta) -> Database:
    """Return the database at ``url`` with this version's tables; see :func:`ztrade.adapters.journal.open_journal`."""
    database = Database(_parse(url), busy)
    try:
        if database.path is not None:
            _check_place(database.path, create=create)
        _bring_up(database, create=create)
        database.pin()
    finally:
        database.close()
    return database


def revision(url: str) -> str | None:
    """Look at the tables' revision; see :func:`ztrade.adapters.journal.revision`."""
    database = Database(_parse(url), timedelta(seconds=10))
    if database.path is not None and not database.path.exists():
        return None
    try:
        return _version(database)
    finally:
        database.close()


def _parse(url: str) -> sa.URL:
    fix = "sqlite:////absolute/path/journal.db or postgresql://user@host/name"
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError("journal URL", f"{url.split('@')[-1]!r} is no database URL", fix=fix) from None
    scheme = _SCHEMES.get(parsed.drivername)
    if scheme is None:
        raise ConfigError("journal URL", f"{parsed.drivername!r} is not supported", fix=fix)
    if scheme != "sqlite":
        return parsed.set(drivername=scheme)
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        why = "several processes share the journal, and it outlives them: it must be a plain file"
        raise ConfigError("journal URL", f"{url!r} names no file", why=why, fix=fix)
    return parsed


def _check_place(path: Path, *, create: bool) -> None:
    try:
        _check(path, create=create)
    except PermissionError as error:
        # a folder on the way that this user may not enter
        raise JournalUnavailable(f"journal {path}: {error.strerror}{_ENTER}") from None


def _check(path: Path, *, create: bool) -> None:
    where, directory = f"journal {path}", path.parent
    if not directory.is_dir():
        raise ConfigError(where, f"the directory {directory} does not exist", fix=f"mkdir -p {directory}")
    if path.is_dir():
        raise ConfigError(where, "is a directory", fix="name a file in it, such as journal.db")
    if not path.exists() and not create:
        raise ConfigError(where, "does not exist", fix="start ztrade once, or mend the URL")
    # SQLite keeps its write-ahead log beside the file
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(
            where,
            f"the directory {directory} is not writable",
            fix=f"let uid {os.getuid()} write there (owner, mode, mount)",
        )
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise ConfigError(
            where, "is not readable and writable", fix=f"let uid {os.getuid()} write there (owner, mode, mount)"
        )


#: the usual mistake: a person who is not in the group of the operators, or has not logged in since
_ENTER = "; fix: become a member of the group that it belongs to, and log in again"
_RESTORE = "restore a backup, or move the file away to begin a new journal"


def _bring_up(database: Database, *, create: bool) -> None:
    """Create or migrate the tables; openers at the same time wait for each other."""
    try:
        with _one_at_a_time(database):
            # look before touching: what is there may be somebody else's
            found = _version(database) if database.path is None or database.path.exists() else None
            if found != HEAD and not create:
                what = "its tables are missing or older than this ztrade"
                raise ConfigError(f"journal {database}", what, fix="start ztrade once")
            _use_write_ahead_log(database)
            if found != HEAD:
                _migrate(database)
    except JournalUnavailable as error:
        # what SQLite says, and not a look at the header: closing the file would drop this process' locks on it
        text = str(error).lower()
        if "not a database" in text:
            raise DataError(f"journal {database}", "is not a SQLite database", fix=_RESTORE) from error
        if "malformed" in text:
            said = getattr(error.__cause__, "orig", None) or error.__cause__
            raise DataError(f"journal {database}", f"is damaged: {said}", fix=_RESTORE) from error
        raise


@contextmanager
def _one_at_a_time(database: Database) -> Iterator[None]:
    """Hold a lock file beside SQLite's: turning on its write-ahead log does not wait for others by itself."""
    if database.path is None:
        yield
        return
    lock = _open(database, Path(f"{database.path}.lock"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open(database: Database, path: Path) -> int:
    try:
        new = not path.exists()
        # never through a link: root looks in here, too, and others may put one there
        found = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        if new:
            share(found, path.parent)
        return found
    except OSError as error:
        fix = _ENTER if isinstance(error, PermissionError) else ""
        raise JournalUnavailable(f"journal {database}: {error.filename}: {error.strerror}{fix}") from error


def _use_write_ahead_log(database: Database) -> None:
    """Switch the file over, making it where there is none; it keeps the mode.

    The files beside it get its permissions. The group's are the umask's to decide: under systemd operators share it.
    """
    if database.path is None:
        return
    if not database.path.exists():
        # never one that is there: closing it would drop the locks of every connection that this process has to it
        os.close(_open(database, database.path))
    with database.failures():
        connection = sqlite3.connect(database.path, timeout=10)
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        finally:
            connection.close()
    if mode != "wal":
        why = f"SQLite answers {mode!r} for journal_mode"
        raise ConfigError(f"journal {database}", "the file system cannot hold it", why=why, fix="use a local disk")


def _version(database: Database) -> str | None:
    """Return the revision of the tables, None where there are none.

    Raises:
        DataError: the tables are not ours, or newer than this code.
    """
    with database.read() as connection:
        names = set(sa.inspect(connection).get_table_names())
        if not names:
            return None
        found = (
            connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
            if ("alembic_version" in names and "cycles" in names)
            else []
        )
    if len(found) != 1:
        some = ", ".join(sorted(names)[:5])
        raise DataError(f"journal {database}", f"is a database of something else (tables {some})", fix="mend the URL")
    if found[0] not in known_revisions():
        raise DataError(
            f"journal {database}",
            f"has revision {found[0]}, this ztrade knows up to {HEAD}",
            why="a newer version of ztrade wrote it",
            fix="install that version again, or restore the backup made before the upgrade",
        )
    return str(found[0])


def known_revisions() -> set[str]:
    """Return the revisions that this code can read or bring up to date."""
    return {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def _migrate(database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    # one transaction for all of it: a process killed in the middle leaves the old tables
    with database.write() as connection:
        if _revision_now(connection) != HEAD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _revision_now(connection: sa.Connection) -> str | None:
    """Return the revision as seen under the write lock: on PostgreSQL another opener may have been faster."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()

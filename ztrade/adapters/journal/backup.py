"""Copies of a journal in a file: made while it is written to, checked before they count, put back with nobody on it."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from ztrade.adapters.journal.sharing import share
from ztrade.adapters.journal.upgrade import prepare, revision
from ztrade.errors import ConfigError, DataError, JournalUnavailable

_BUSY = timedelta(seconds=10)


def journal_file(url: str) -> Path:
    """Return the file of a journal.

    Raises:
        ConfigError: it is in no file.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise ConfigError(
            "journal.url", "is a database server, which ztrade does not copy",
            why="the server's own tools know what is consistent", fix="pg_dump, pg_restore",
        )  # fmt: skip
    return Path(parsed.database).absolute()


def copy(url: str, target: Path) -> None:
    """Copy the journal at ``url`` into ``target``, whole as of one instant, while others write to it.

    Raises:
        ConfigError: there is no journal, or it is in no file.
        DataError: the copy is damaged, and was not kept.
        JournalUnavailable: reading or writing fails.
    """
    source = journal_file(url)
    if not source.exists():
        raise ConfigError(f"journal {source}", "does not exist", fix="start ztrade once, or mend the URL")
    with _new_file(target) as fresh, _failures(target):
        _pages(source, fresh)
        check(fresh)


def _pages(source: Path, target: Path) -> None:
    """Copy by SQLite's own means, into one file without a log beside it, wherever it is carried."""
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")


def check(file: Path) -> str:
    """Return the revision of a copy's tables after reading all of it.

    Raises:
        ConfigError: there is no such file.
        DataError: it is damaged, no journal, or of a newer ztrade.
        JournalUnavailable: it cannot be read.
    """
    if not file.is_file():
        raise ConfigError(str(file), "is not there", fix="name a file that `ztrade backup` wrote")
    found = _revision(file)
    with _failures(file), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        wrong = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    if wrong:
        raise DataError(str(file), f"is damaged: {wrong[0]}", fix="take another backup")
    return found


def _revision(file: Path) -> str:
    try:
        found = revision(f"sqlite:///{file.absolute()}")
    except JournalUnavailable as error:
        what = "is damaged" if "malformed" in str(error) else "is no journal"
        raise DataError(str(file), what, fix="take another backup") from error
    if found is None:
        raise DataError(str(file), "is empty", fix="take another backup")
    return found


def put_back(file: Path, url: str) -> Path | None:
    """Make the copy the journal at ``url``, which nobody may have open; returns where the old one was put, if any.

    The old journal is kept beside the new one. A process killed in between leaves one of the two, whole.

    Raises:
        ConfigError, DataError, JournalUnavailable: as :func:`check`, and nothing was changed.
    """
    check(file)
    journal = journal_file(url)
    restored = journal.with_name(f"{journal.name}.restored")
    with _new_file(restored) as fresh, _failures(journal):
        _pages(file, fresh)
    aside = _set_aside(journal)
    restored.replace(journal)
    # an older copy is brought up to this version now, and not by whichever service is first
    prepare(url, create=True, busy=_BUSY)
    return aside


def _set_aside(journal: Path) -> Path | None:
    if not journal.exists():
        return None
    # a damaged one is kept as it is: that is what restoring is for
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    aside = _free_name(journal.with_name(f"{journal.name}.before-restore"))
    # second names, so that at no instant there is none: whoever looked then would begin a new journal
    os.link(journal, aside)
    _take_log(journal, aside)
    return aside


def _take_log(journal: Path, aside: Path) -> None:
    """Let what is in the old journal's log go with it: SQLite would read it into the new file."""
    log = journal.with_name(f"{journal.name}-wal")
    if log.exists():
        log.replace(aside.with_name(f"{aside.name}-wal"))
    journal.with_name(f"{journal.name}-shm").unlink(missing_ok=True)


def _free_name(path: Path) -> Path:
    number = 1
    while path.with_name(f"{path.name}-{number}").exists():
        number += 1
    return path.with_name(f"{path.name}-{number}")


def users(file: Path) -> list[int]:
    """Return the processes that have the file open, as far as this user may see them."""
    wanted = {str(file), f"{file}-wal"}
    return sorted({int(link.parts[2]) for link in Path("/proc").glob("[0-9]*/fd/*") if _target(link) in wanted})


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """Give a name that becomes ``target``, on disk, once the block has ended well."""
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        # made by us alone: what is there under its name would be written through, if it were a link
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660))
        yield fresh
        handle = os.open(fresh, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(handle)
            share(handle, fresh.parent)
        finally:
            os.close(handle)
        fresh.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise JournalUnavailable(f"{target}: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def _failures(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "malformed" in str(error) or "not a database" in str(error):
            raise DataError(str(file), f"is damaged: {error}", fix="take another backup") from error
        raise JournalUnavailable(f"{file}: {error}") from error

"""Opening a journal: what is there, may it be used, is it ours, which version is it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.contract.journals import ACCOUNT, OPEN, claim, empty_sqlite, record, see_equity
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.tables import metadata
from ztrade.adapters.journal.upgrade import HEAD, MIGRATIONS, known_revisions
from ztrade.errors import ConfigError, DataError, JournalUnavailable


def url(path: Path) -> str:
    """Return the URL of a file."""
    return f"sqlite:///{path}"


# -- the place ---------------------------------------------------------------------------------------------------------
def test_a_new_journal_is_made_and_opened_again(tmp_path: Path) -> None:
    """What was written is there after closing; write-ahead logging and full durability are on."""
    path = tmp_path / "journal.db"
    first = open_journal(url(path))
    held = claim(first)
    first.finish(held, record(held))
    first.close()
    second = open_journal(url(path), create=False)
    assert [row.cycle_id for row in second.cycles()] == [held.cycle_id]
    second.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_opening_leaves_no_connection_behind(tmp_path: Path) -> None:
    """A parent may open and fork: no descriptor of the database is inherited."""
    path = tmp_path / "journal.db"
    journal = open_journal(url(path))
    held = [str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir()]
    assert not [name for name in held if name.startswith(str(tmp_path))]
    assert list(journal.cycles()) == []
    journal.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no database URL"),
        ("journal.db", "no database URL"),
        ("mysql://host/name", "'mysql' is not supported"),
        ("redis://localhost", "'redis' is not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////tmp/x.db?mode=ro", "names no file"),
    ],
)
def test_a_wrong_url_is_refused(text: str, says: str) -> None:
    """The message says what is wrong and what would be right."""
    with pytest.raises(ConfigError, match=says) as caught:
        open_journal(text)
    assert "sqlite:////absolute/path/journal.db" in str(caught.value)


def test_a_password_is_never_shown() -> None:
    """Neither for a wrong scheme nor for a URL that cannot be read."""
    for text in ("mysql://ada:secret@host/name", "postgresql://ada:secret@host:port/name"):
        with pytest.raises(ConfigError) as caught:
            open_journal(text)
        assert "secret" not in str(caught.value)


def test_a_missing_driver_is_named() -> None:
    """PostgreSQL is optional: the message says what to install."""
    without = """
import sys
sys.modules["psycopg"] = None  # as where it is not installed
from ztrade.adapters.journal import open_journal
open_journal("postgresql://ada@localhost/journal")
"""
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)
    assert "module psycopg, which is not installed" in done.stderr
    assert "pip install 'ztrade[postgres]'" in done.stderr


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    """It is not made: a mistyped path must not become a second journal."""
    with pytest.raises(ConfigError, match=r"the directory .*/nowhere does not exist"):
        open_journal(url(tmp_path / "nowhere" / "journal.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_no_journal(tmp_path: Path) -> None:
    """The URL must name a file."""
    with pytest.raises(ConfigError, match="is a directory"):
        open_journal(url(tmp_path))


def test_looking_does_not_create(tmp_path: Path) -> None:
    """A command that only looks leaves nothing behind."""
    with pytest.raises(ConfigError, match="does not exist"):
        open_journal(url(tmp_path / "journal.db"), create=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    """As SQLite does; but not for a command that only looks."""
    path = tmp_path / "journal.db"
    path.touch()
    with pytest.raises(ConfigError, match="tables are missing"):
        open_journal(url(path), create=False)
    open_journal(url(path)).close()


def as_nobody(call: Callable[[], object]) -> str:
    """Run in a child without root's rights; return the error's name and words, or what the call returned."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        try:
            said = repr(call())
        except Exception as error:  # noqa: BLE001 - the child must say it, whatever it is
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """Return a directory that another user reaches."""
    directory = Path("/tmp") / f"ztrade-journal-{os.getpid()}"
    directory.mkdir(mode=0o755)
    yield directory
    shutil.rmtree(directory)


def test_a_directory_that_cannot_be_written_is_named(open_to_all: Path) -> None:
    """SQLite needs it for its write-ahead log, even to read."""
    address = empty_sqlite(open_to_all)
    open_to_all.chmod(0o555)
    said = as_nobody(lambda: open_journal(address))
    assert said.startswith("ConfigError")
    assert "is not writable" in said


def test_a_file_that_cannot_be_written_is_named(open_to_all: Path) -> None:
    """Said before anything is tried."""
    address = empty_sqlite(open_to_all)
    (open_to_all / "journal.db").chmod(0o444)
    open_to_all.chmod(0o777)
    said = as_nobody(lambda: open_journal(address))
    assert said.startswith("ConfigError")
    assert "is not readable and writable" in said


# -- the content -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["journal.db.lock", "journal.db"])
def test_a_link_leads_nobody_to_make_a_file_elsewhere(tmp_path: Path, name: str) -> None:
    """Operators write in the folder, and root looks in there: root would make them a file wherever the link leads."""
    elsewhere, state = tmp_path / "elsewhere", tmp_path / "state"
    elsewhere.mkdir()
    state.mkdir()
    state.chmod(0o2770)
    (state / name).symlink_to(elsewhere / "made-by-root")
    with pytest.raises(JournalUnavailable, match="symbolic links"):
        open_journal(url(state / "journal.db"))
    assert list(elsewhere.iterdir()) == []


def test_what_is_not_a_database_is_left_alone(tmp_path: Path) -> None:
    """Somebody's file is not overwritten."""
    path = tmp_path / "journal.db"
    path.write_text("symbol,timestamp,open\n")
    with pytest.raises(DataError, match="is not a SQLite database"):
        open_journal(url(path))
    assert path.read_text() == "symbol,timestamp,open\n"


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    """The header is right, the rest is rubbish: restore a backup."""
    empty_sqlite(tmp_path)
    path = tmp_path / "journal.db"
    body = path.read_bytes()
    path.write_bytes(body[:100] + b"\x5a" * (len(body) - 100))
    with pytest.raises(DataError, match=r"damaged.*restore a backup"):
        open_journal(url(path))


def test_a_truncated_database_is_named(tmp_path: Path) -> None:
    """Half a file is no journal."""
    empty_sqlite(tmp_path)
    path = tmp_path / "journal.db"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="damaged"):
        open_journal(url(path))


def test_damage_inside_is_found_by_asking(tmp_path: Path) -> None:
    """A page in the middle: opening is quick and does not read it, ``damage()`` does, and use says so."""
    journal = open_journal(empty_sqlite(tmp_path))
    for minutes in range(300):
        held = claim(journal, minutes)
        journal.finish(held, record(held, details={"words": "x" * 500}))
    assert list(journal.damage()) == []
    journal.close()
    path = tmp_path / "journal.db"
    body = bytearray(path.read_bytes())
    middle = len(body) // 2 // 4096 * 4096
    body[middle : middle + 8192] = b"\x5a" * 8192
    path.write_bytes(body)
    journal = open_journal(url(path))
    assert _complaints(journal.damage)
    with pytest.raises(JournalUnavailable, match="damaged: stop everything and restore a backup"):
        journal.cycles()
    journal.close()


def _complaints(call: Callable[[], object]) -> object:
    try:
        return call()
    except JournalUnavailable as error:
        return str(error)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    """Its tables are named; none of ours is added."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (name)")
    connection.close()
    with pytest.raises(DataError, match=r"a database of something else .tables songs"):
        open_journal(url(path))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_somebody_elses_alembic_is_left_alone(tmp_path: Path) -> None:
    """A version table alone does not make a journal."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('0001')")
    connection.close()
    with pytest.raises(DataError, match="a database of something else"):
        open_journal(url(path))


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_journal_is_not_touched(tmp_path: Path, create: bool) -> None:
    """Both revisions are named: an older ztrade must not write what it does not understand."""
    address = empty_sqlite(tmp_path)
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match=f"has revision 0999, this ztrade knows up to {HEAD}"):
        open_journal(address, create=create)


def test_a_word_from_a_newer_version_is_an_error_in_words(tmp_path: Path) -> None:
    """Reading says which word, and which are known; an order's new status is merely 'other'."""
    journal = open_journal(empty_sqlite(tmp_path))
    held = claim(journal)
    journal.finish(held, record(held))
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute("UPDATE cycles SET outcome = 'delegated'")
    connection.commit()
    connection.close()
    with pytest.raises(
        DataError, match=r"Outcome 'delegated' is not known to this version of ztrade; why: it knows held"
    ):
        journal.cycles()
    journal.close()


# -- migrations --------------------------------------------------------------------------------------------------------
def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    """Tables, columns, types, indexes and constraints: a change in one place only is found here."""
    address = empty_sqlite(tmp_path)
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        ours = {str(check.name) for table in metadata.tables.values() for check in table.constraints if check.name}
        theirs = connection.exec_driver_sql("SELECT group_concat(sql) FROM sqlite_master").scalar_one()
        assert [name for name in ours if name not in theirs] == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_opening_expects() -> None:
    """Opening compares without Alembic, which takes long to import."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == HEAD
    assert {script.revision for script in scripts.walk_revisions()} == known_revisions()


def test_a_migration_that_dies_leaves_nothing(tmp_path: Path) -> None:
    """All of it is one transaction: the next opener begins anew."""
    path = tmp_path / "journal.db"
    child = os.fork()
    if child == 0:
        import alembic.op

        def die(*_: object, **__: object) -> None:
            os.kill(os.getpid(), 9)

        alembic.op.create_index = die  # the first table is there, its index is not
        open_journal(url(path))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == 9
    journal = open_journal(url(path))
    journal.open_account(ACCOUNT, Decimal(1), OPEN, [])
    assert journal.account_state(ACCOUNT, OPEN).cash == 1
    journal.close()


_BACK_TO_0005 = "DROP TABLE capitals; UPDATE alembic_version SET version_num = '0005';"
_BACK_TO_0004 = f"""{_BACK_TO_0005}
DROP INDEX ix_cycles_ended; DROP INDEX ix_fills_agent_side;
ALTER TABLE cycles DROP COLUMN ended; ALTER TABLE intents DROP COLUMN answered;
UPDATE alembic_version SET version_num = '0004';
"""


def test_cycles_of_an_older_journal_are_numbered_and_counting_goes_on_from_there(tmp_path: Path) -> None:
    """In the order in which they ended; one that runs is numbered when it ends."""
    journal = open_journal(empty_sqlite(tmp_path))
    running, late = claim(journal, 5), claim(journal, 10)
    for held in (late, claim(journal, 15)):
        journal.finish(held, record(held))
    journal.close()
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.executescript(_BACK_TO_0004)
    connection.close()
    journal = open_journal(url(tmp_path / "journal.db"))
    journal.finish(running, record(running))
    found = [(number, one.slot) for number, one in journal.tallies.cycles(0, 10)]
    assert found == [(1, late.slot), (2, late.slot + timedelta(minutes=5)), (3, running.slot)]
    journal.close()


def test_equity_of_an_older_journal_is_kept_as_it_is(tmp_path: Path) -> None:
    """Nobody knows which capital it contains: the one that comes first is taken for it, and nothing is moved."""
    journal = open_journal(empty_sqlite(tmp_path))
    see_equity(journal, "agent:spy@paper", -5, 10_300)
    journal.close()
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.executescript(_BACK_TO_0005)
    connection.close()
    journal = open_journal(url(tmp_path / "journal.db"))
    before = journal.agent_state("spy", "paper", "SPY", OPEN, Decimal(20_000))
    assert (before.peak_equity, before.capital) == (Decimal(10_300), None)
    see_equity(journal, "agent:spy@paper", 5, 20_100, 20_000)
    assert [value for _, value in journal.equity("agent:spy@paper", capital=Decimal(20_000))] == [10_300, 20_100]
    journal.close()

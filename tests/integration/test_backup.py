"""Backup while others write, restore with nobody there: every copy is whole, nothing is ever lost by trying."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.contract.journals import claim, record
from tests.integration.celery_stage import write_config
from ztrade.adapters.halts import FileHalts
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.backup import check, copy, put_back, users
from ztrade.cli.main import cli
from ztrade.config import Config
from ztrade.errors import ConfigError, DataError
from ztrade.service.supervisor import Supervisor


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with a journal of one cycle."""
    made = write_config(tmp_path)
    made.state_dir.mkdir()
    write_cycles(made, 0, 1)
    return made


def write_cycles(config: Config, first: int, count: int) -> None:
    """Put finished cycles into the journal, one slot each."""
    journal = open_journal(config.journal_url)
    for number in range(first, first + count):
        held = claim(journal, minutes=5 * (number + 1))
        journal.finish(held, record(held))
    journal.close()


def cycles(config: Config) -> int:
    """Return how many cycles the journal has."""
    journal = open_journal(config.journal_url, create=False)
    found = len(journal.cycles(limit=100_000))
    journal.close()
    return found


def run(config: Config, *arguments: str) -> Result:
    """Run a command on the configuration."""
    return CliRunner().invoke(cli, ["--config", str(config.path), *arguments])


def backup(config: Config, *arguments: str) -> Path:
    """Make a copy with the command and return it."""
    done = run(config, "backup", *arguments)
    assert done.exit_code == 0, done.output
    return Path(done.stdout.strip())


def write_on(config: Config, stop: Event) -> None:
    number = 1
    while not stop.is_set():
        write_cycles(config, number, 1)
        number += 1


@pytest.fixture
def writer(config: Config) -> Iterator[None]:
    """A process that writes cycles all the time."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=write_on, args=(config, stop))
    process.start()
    try:
        while cycles(config) < 3:
            assert process.is_alive()
        yield
    finally:
        stop.set()
        process.join(20)


def test_a_copy_made_under_a_writer_is_whole(config: Config, writer: None, tmp_path: Path) -> None:
    """Each is the journal of one instant: checked, and never with fewer cycles than were there before it began."""
    for number in range(5):
        before = cycles(config)
        copy(config.journal_url, tmp_path / f"{number}.db")
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as found:
            done, open_ = found.execute(
                "SELECT count(*) FILTER (WHERE outcome IS NOT NULL), count(*) FROM cycles"
            ).fetchone()
        assert before <= open_ <= cycles(config)
        assert done in (open_, open_ - 1), "the writer has one open at most"
        assert not list(tmp_path.glob(f"{number}.db-*")), "one file is all there is to carry"


def test_the_command_names_the_copy_and_keeps_the_newest(config: Config) -> None:
    """The oldest go first, and only what looks like ours goes."""
    place = config.state_dir / "backups"
    place.mkdir()
    for day in range(1, 6):
        (place / f"journal-2022080{day}T000000Z.db").touch()
    (place / "mine.txt").touch()
    (place / ".journal-20220806T000000Z.db.77").touch()
    os.utime(place / ".journal-20220806T000000Z.db.77", (0, 0))
    made = backup(config, "--keep", "3")
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["journal-20220804T000000Z.db", "journal-20220805T000000Z.db", made.name, "mine.txt"]
    )
    assert made.stat().st_mode & 0o007 == 0, "strangers do not read what was traded"


def test_a_copy_that_is_being_made_is_left_alone(config: Config) -> None:
    """The timer's, while a person makes one of their own: it must not lose its file under its hands."""
    place = config.state_dir / "backups"
    place.mkdir()
    others = place / ".journal-20220806T000000Z.db.77"
    others.touch()
    backup(config)
    assert others.exists()


def test_a_mistake_in_an_agents_file_loses_no_backup(config: Config) -> None:
    """The journal is copied by what the main file says."""
    (config.path.parent / "agents" / "spy.toml").write_text("capital = lots")
    assert backup(config).exists()


def test_root_s_files_are_the_services_in_a_shared_folder(config: Config) -> None:
    """A restore by root, whose umask is 022, must not leave a journal that no service may write."""
    config.state_dir.chmod(0o2770)
    made = backup(config)
    before = os.umask(0o022)
    try:
        assert run(config, "restore", str(made)).exit_code == 0
    finally:
        os.umask(before)
    assert (config.state_dir / "journal.db").stat().st_mode & 0o777 == 0o660
    for name in ("journal.db", "journal.db.lock"):
        (config.state_dir / name).unlink(missing_ok=name.endswith("lock"))
    before = os.umask(0o022)
    try:
        open_journal(config.journal_url).close()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in config.state_dir.glob("journal.db*")}
    assert modes["journal.db"] == modes["journal.db.lock"] == 0o660


def test_restored_it_is_the_copy_and_the_old_one_is_kept(config: Config) -> None:
    """And everybody is halted: what was traded since is at the exchange, and not in here."""
    made = backup(config)
    write_cycles(config, 1, 4)
    done = run(config, "restore", str(made))
    assert done.exit_code == 0, done.output
    assert cycles(config) == 1
    assert "restored" in (FileHalts(config.state_dir).reason("spy") or "")
    aside = config.state_dir / "journal.db.before-restore-1"
    assert str(aside) in done.output
    run(config, "restore", str(aside))
    assert cycles(config) == 5


def test_a_restore_under_a_running_stack_is_refused(config: Config) -> None:
    """Its processes would go on writing to the file that was taken away."""
    made = backup(config)
    write_cycles(config, 1, 1)
    (config.state_dir / "run").mkdir()
    with Supervisor(config.state_dir).lock():
        refused = run(config, "restore", str(made))
    assert (refused.exit_code, cycles(config)) == (2, 2)
    assert "is in use: the stack of supervisord" in refused.stderr


def test_a_restore_under_an_open_journal_is_refused(config: Config) -> None:
    """Whoever has it open, started in whatever way, is seen by its number."""
    made = backup(config)
    with closing(sqlite3.connect(config.state_dir / "journal.db")) as connection:
        connection.execute("SELECT count(*) FROM cycles").fetchone()
        assert users(config.state_dir / "journal.db")
        refused = run(config, "restore", str(made))
    assert refused.exit_code == 2
    assert "is in use: process " in refused.stderr
    assert not FileHalts(config.state_dir).active()


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    file.write_bytes(content)


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.commit()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged, "is damaged"),
        (newer, "has revision 0999"),
        (lambda file: file.write_text("no database"), "is no journal"),
        (lambda file: file.write_bytes(b""), "is empty"),
        (Path.unlink, "is not there"),
    ],
    ids=["damaged", "newer", "nonsense", "empty", "missing"],
)  # fmt: skip
def test_what_is_no_good_copy_is_refused_and_nothing_changes(config: Config, spoil: object, said: str) -> None:
    """One line, exit code 1 or 2, the journal as it was, nobody halted."""
    made = backup(config)
    write_cycles(config, 1, 1)
    assert callable(spoil)
    spoil(made)
    refused = run(config, "restore", str(made))
    assert refused.exit_code in (1, 2)
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert cycles(config) == 2
    assert not FileHalts(config.state_dir).active()


@pytest.mark.parametrize("text", ["no database", "damage"], ids=["nonsense", "damaged"])
def test_a_damaged_journal_is_what_restoring_is_for(config: Config, text: str) -> None:
    """It is kept as it is, with its log, and the copy takes its place."""
    made = backup(config)
    write_cycles(config, 1, 200)
    journal = config.state_dir / "journal.db"
    damaged(journal) if text == "damage" else journal.write_text(text * 1000)
    before = journal.read_bytes()
    done = run(config, "restore", str(made))
    assert done.exit_code == 0, done.output
    assert cycles(config) == 1
    assert journal.with_name("journal.db.before-restore-1").read_bytes() == before


def test_a_copy_that_cannot_be_written_leaves_nothing(config: Config, tmp_path: Path) -> None:
    """A folder that is a file, in one line."""
    (tmp_path / "file").touch()
    refused = run(config, "backup", "--to", str(tmp_path / "file" / "there"))
    assert refused.exit_code == 2
    assert "cannot be made" in refused.stderr


def test_a_damaged_journal_gives_no_copy(config: Config, tmp_path: Path) -> None:
    """Fourteen copies of damage would push out the last good one."""
    write_cycles(config, 1, 200)
    with closing(sqlite3.connect(config.state_dir / "journal.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged(config.state_dir / "journal.db")
    with pytest.raises((DataError, ConfigError)):
        copy(config.journal_url, tmp_path / "copy.db")
    assert not list(tmp_path.glob("*copy*"))


def test_a_first_journal_is_put_where_none_was(config: Config, tmp_path: Path) -> None:
    """A new machine has nothing to set aside."""
    made = backup(config, "--to", str(tmp_path / "carried"))
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert put_back(made, f"sqlite:///{fresh}/journal.db") is None
    assert check(fresh / "journal.db") == check(made)


def test_a_server_s_journal_is_the_server_s_to_copy(tmp_path: Path) -> None:
    """PostgreSQL has tools that know what is consistent."""
    with pytest.raises(ConfigError, match="pg_dump"):
        copy("postgresql://user@host/name", tmp_path / "copy.db")

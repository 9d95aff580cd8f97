"""The exporter over a real journal: older, newer, locked, damaged, gone and back, it says so and goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.journals import at, claim, empty_sqlite, record
from tests.integration.celery_stage import minutes, write_config
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.store import SqlJournal
from ztrade.domain.ledger import Outcome
from ztrade.service.exporter.hours import Paces
from ztrade.service.exporter.journal_source import JournalSource
from ztrade.service.exporter.server import opened
from ztrade.service.exporter.source import Board
from ztrade.testing.calendar import PlainCalendar
from ztrade.testing.runtime import FileClock, FileRuntime


class Stand:
    """An exporter's source over the journal of a configuration, and a board that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.config = write_config(folder, "redis://127.0.0.1:1")
        self.config.state_dir.mkdir(exist_ok=True)
        self.path = self.config.state_dir / "journal.db"
        FileClock(self.config.state_dir / "clock.json").write(minutes(7), minutes(600), 1.0)
        self.source = self._source()
        self.board = Board([self.source])

    def _source(self) -> JournalSource:
        paces = Paces(FileRuntime(self.config))
        return JournalSource(self.config, paces, PlainCalendar(), opened(self.config), lambda: at(60))

    def again(self) -> None:
        """Restart the exporter."""
        self.source = self._source()
        self.board = Board([self.source])

    def journal(self) -> SqlJournal:
        """Make the journal, or open it as another process does."""
        if not self.path.exists():
            empty_sqlite(self.config.state_dir)
        return open_journal(f"sqlite:///{self.path}")

    def held(self) -> float | None:
        """Look, and return how many slots were held; None where the source is down."""
        self.board.look(self.source)
        told = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.board.text().decode())
            for sample in family.samples
        }
        up = told["ztrade_exporter_source_up", "journal"]
        assert told["ztrade_journal_up",] == up
        assert ("ztrade_slots_total", "spy", "held") in told if up else True
        return told.get(("ztrade_slots_total", "spy", "held"))


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


@pytest.fixture
def journal(stand: Stand) -> Iterator[SqlJournal]:
    made = stand.journal()
    yield made
    made.close()


def hold(journal: SqlJournal, minutes: float) -> None:
    held = claim(journal, minutes)
    journal.finish(held, record(held, Outcome.HELD))


def test_counts_are_exact_over_restarts_of_the_exporter(stand: Stand, journal: SqlJournal) -> None:
    for number in range(1, 6):
        hold(journal, 5 * number)
        assert stand.held() == number
    stand.again()
    assert stand.held() == 5


def test_no_journal_is_made(stand: Stand) -> None:
    """It comes with the first process that needs one."""
    assert stand.held() is None
    assert not stand.path.exists()
    stand.journal().close()
    assert stand.held() == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = '0999'",
        "UPDATE alembic_version SET version_num = '0004'",
        "DROP TABLE alembic_version",
    ],
    ids=["newer", "older", "another's"],
)
def test_a_journal_of_another_version_is_down_and_left_alone(stand: Stand, change: str) -> None:
    stand.journal().close()
    connection = sqlite3.connect(stand.path)
    connection.execute(change)
    connection.commit()
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    for _ in range(2):
        assert stand.held() is None
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == tables
    connection.close()


def test_a_word_of_a_newer_version_is_down(stand: Stand, journal: SqlJournal) -> None:
    """An upgrade under a running exporter: the other sources go on."""
    hold(journal, 5)
    connection = sqlite3.connect(stand.path)
    connection.execute("UPDATE cycles SET outcome = 'delegated'")
    connection.commit()
    connection.close()
    assert stand.held() is None


def test_a_locked_journal_is_read_all_the_same(stand: Stand, journal: SqlJournal) -> None:
    """Readers do not wait for a writer."""
    hold(journal, 5)
    assert stand.held() == 1
    writer = sqlite3.connect(stand.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert stand.held() == 1
    writer.execute("ROLLBACK")
    writer.close()


def test_a_damaged_journal_is_down_until_it_is_restored(stand: Stand) -> None:
    """The restored copy is another file, and has less in it."""
    journal = stand.journal()
    hold(journal, 5)
    journal.close()
    copy = stand.path.read_bytes()
    journal = stand.journal()
    hold(journal, 10)
    journal.close()
    assert stand.held() == 2
    stand.path.unlink()
    assert stand.held() is None
    stand.path.write_bytes(b"not a database, and long enough to be one" * 200)
    assert stand.held() is None
    restored = stand.path.with_suffix(".new")
    restored.write_bytes(copy)
    for left in ("-wal", "-shm"):
        Path(f"{stand.path}{left}").unlink(missing_ok=True)
    restored.replace(stand.path)
    assert stand.held() == 1

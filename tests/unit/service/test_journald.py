"""The journal's native protocol, read back by a twin of journald."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.service.journald import JournalSocket, encode, entry, field_name, is_journal, message
from ztrade.service.log_lines import JournalHandler
from ztrade.testing.journald import Journald, decoded

EVENT = {
    "event": "cycle_done", "level": "info", "agent": "spy", "slot": "2022-08-22T14:35:00+00:00", "outcome": "held",
    "reason": "held: score 0.12 under 0.30", "orders": [], "cycle_id": "c1", "task_id": "t1", "open": True,
}  # fmt: skip
CODE = ("act.py", 7, "act")


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    with Journald(tmp_path / "socket") as journal:
        yield journal


@contextmanager
def handler(journald: Journald, fd: int = 1) -> Iterator[JournalHandler]:
    made = JournalHandler(fd, logging.Formatter(), "ztrade-beat", JournalSocket(str(journald.path), patience=0.05))
    yield made
    made.close()


def record(text: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("a", level, "act.py", 7, text, (), None, "act")


def test_a_line_has_words_for_a_person_and_fields_for_questions() -> None:
    """What `journalctl` prints, and what `journalctl ZT_AGENT=spy` finds."""
    fields = dict(entry(EVENT, "ztrade-keeper", CODE))
    assert fields["MESSAGE"] == (
        "cycle_done: held: score 0.12 under 0.30"
        " (agent=spy, slot=2022-08-22T14:35:00+00:00, outcome=held, orders=none, open=true)"
    )
    assert (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]) == ("6", "ztrade-keeper")
    assert (fields["CODE_FILE"], fields["CODE_LINE"], fields["CODE_FUNC"]) == ("act.py", "7", "act")
    found = {name: fields[f"ZT_{name}"] for name in ("EVENT", "AGENT", "SLOT", "CYCLE_ID", "TASK_ID", "OPEN")}
    assert found == {
        "EVENT": "cycle_done", "AGENT": "spy", "SLOT": "2022-08-22T14:35:00+00:00", "CYCLE_ID": "c1", "TASK_ID": "t1",
        "OPEN": "true",
    }  # fmt: skip


def test_a_workers_own_lines_do_not_repeat_its_name() -> None:
    """The identifier in front of each line says it."""
    assert "agent=" not in dict(entry(EVENT, "ztrade-worker-spy", CODE))["MESSAGE"]
    assert "agent=spy" in dict(entry(EVENT, "ztrade-worker-tsla", CODE))["MESSAGE"]


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", "7"), ("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2")]
)
def test_priorities_are_syslogs(level: str, priority: str) -> None:
    """So that `journalctl -p err` shows errors and worse."""
    assert dict(entry({"event": "x", "level": level}, "i", CODE))["PRIORITY"] == priority


def test_a_librarys_sentence_is_no_event_name() -> None:
    """ZT_EVENT holds fixed names only: one value per sentence would be no index."""
    assert "ZT_EVENT" not in dict(entry({"event": "lost 3 of 4 connections"}, "i", CODE))


def test_a_traceback_follows_its_line() -> None:
    """In the message, where `journalctl` shows it, and not a second time in a field."""
    event = {"event": "cycle_crashed", "exception": "Traceback\n  ZeroDivisionError", "order_id": "o"}
    assert message(event) == "cycle_crashed (order_id=o)\nTraceback\n  ZeroDivisionError"
    assert "ZT_EXCEPTION" not in dict(entry(event, "i", CODE))


keys = st.text(min_size=1, max_size=80)


@given(keys)
def test_every_key_becomes_a_name_that_the_journal_takes(key: str) -> None:
    """It drops entries with others: capitals, digits and _, at most 64, in ASCII."""
    name = field_name(key)
    assert name.isascii()
    assert len(name) <= 64
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    assert name.startswith("ZT_")


@given(st.dictionaries(st.from_regex(r"ZT_[A-Z]{1,8}", fullmatch=True), st.text()))
def test_any_text_comes_back_as_it_was(fields: dict[str, str]) -> None:
    """Line breaks, equal signs, nothing at all; what UTF-8 lacks is escaped."""
    shown = {name: value.encode("utf-8", "backslashreplace").decode() for name, value in fields.items()}
    assert decoded(encode(fields.items())) == shown


def test_only_the_descriptor_that_systemd_connected_is_the_journal(tmp_path: Path) -> None:
    """A child that inherits the variable, with its output in a file, writes to the file."""
    with (tmp_path / "x").open("w") as file:
        status = os.fstat(file.fileno())
        assert is_journal(file.fileno(), f"{status.st_dev}:{status.st_ino}")
        assert not is_journal(file.fileno(), f"{status.st_dev}:{status.st_ino + 1}")
    for nonsense in ("", "8", "8:", "a:b", "8:9:10"):
        assert not is_journal(1, nonsense)


def test_the_programs_lines_go_to_the_journal_with_their_priority_where_stdout_is_its(tmp_path: Path) -> None:
    """The whole way: the variable, the check, the fallback of a machine whose journal's socket is not there."""
    body = (
        "import os, structlog\n"
        "status = os.fstat(1)\n"
        "os.environ['JOURNAL_STREAM'] = f'{status.st_dev}:{status.st_ino}'\n"
        "from ztrade.service import journald, logs\n"
        f"journald.SOCKET = {str(tmp_path / 'nobody')!r}\n"
        "logs.JournalSocket = lambda: journald.JournalSocket(journald.SOCKET)\n"
        "logs.configure(place=logs.Place('worker-spy'))\n"
        "structlog.get_logger().error('went_wrong', agent='spy')\n"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("<3>{")
    assert json.loads(done.stdout[3:])["agent"] == "spy"


def test_lines_arrive(journald: Journald) -> None:
    """One entry per line, from this process and from a forked child."""
    with handler(journald) as made:
        made.emit(record('{"event": "first", "level": "error"}'))
        child = os.fork()
        if child == 0:
            made.emit(record('{"event": "second", "level": "info"}'))
            os._exit(0)
        os.waitpid(child, 0)
    assert [(one["MESSAGE"], one["PRIORITY"]) for one in journald.entries(2)] == [("first", "3"), ("second", "6")]


def test_a_line_of_megabytes_arrives_through_memory(journald: Journald) -> None:
    """No datagram holds it."""
    with handler(journald) as made:
        made.emit(record(json.dumps({"event": "big", "text": "x" * 3_000_000})))
    (found,) = journald.entries(1)
    assert len(found["ZT_TEXT"]) == 3_000_000


@pytest.mark.parametrize("reused", [False, True])
def test_a_closed_descriptor_does_not_cost_the_log(journald: Journald, reused: bool) -> None:
    """A library that closes everything it did not open: the next line opens a socket again, and leaves others alone."""
    with handler(journald) as made:
        made.emit(record('{"event": "first"}'))
        assert made._journal._socket is not None
        number = made._journal._socket.fileno()
        os.close(number)
        stranger = os.open(os.devnull, os.O_RDONLY) if reused else -1
        assert (stranger == number) is reused
        made.emit(record('{"event": "second"}'))
    assert [one["MESSAGE"] for one in journald.entries(2)] == ["first", "second"]
    if reused:
        os.close(stranger)


def test_what_the_journal_refuses_goes_to_stdout_with_its_priority(tmp_path: Path, journald: Journald) -> None:
    """Nobody listens any more: no exception, and systemd reads the number in front of the line."""
    journald.close()
    with (tmp_path / "out").open("wb") as out, handler(journald, out.fileno()) as made:
        made.emit(record('{"event": "lost"}'))
    assert (tmp_path / "out").read_text() == '<3>{"event": "lost"}\n'


def test_a_journal_that_hangs_holds_a_program_up_once(tmp_path: Path, journald: Journald) -> None:
    """Its queue is full and nobody reads: one wait, then none, and every line is on stdout or in the queue."""
    with (tmp_path / "out").open("wb") as out, handler(journald, out.fileno()) as made:
        for number in range(600):
            made.emit(record(json.dumps({"event": f"line {number}"})))
        refused = (tmp_path / "out").read_text().splitlines()
        assert refused
        sender = made._journal._socket
        assert sender is not None
        assert sender.gettimeout() == 0
        assert len(journald.entries(600 - len(refused))) + len(refused) == 600
        made.emit(record('{"event": "again"}'))
        assert journald.entries(1)[0]["MESSAGE"] == "again"
        assert sender.gettimeout() == 0.05


def test_what_is_no_json_is_written_all_the_same(tmp_path: Path, journald: Journald) -> None:
    """A formatter of somebody else's: the line is worth more than its fields."""
    with (tmp_path / "out").open("wb") as out, handler(journald, out.fileno()) as made:
        made.emit(record("plain words", logging.INFO))
    assert (tmp_path / "out").read_text() == "<6>plain words\n"


def test_the_twin_is_a_datagram_socket(journald: Journald) -> None:
    """As journald's is: a stream would be another protocol."""
    assert journald.path.is_socket()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream, pytest.raises(OSError):
        stream.connect(str(journald.path))

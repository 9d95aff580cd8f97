"""Questions to what may be down: one that hangs costs a moment, and no other answer."""

from __future__ import annotations

import threading
import time

import pytest

from ztrade.cli.asking import Asker
from ztrade.errors import TemporaryError


def test_what_hangs_is_named_and_waited_for_once() -> None:
    """Two that hang cost as much as one."""
    asker, never = Asker(patience=3.0), threading.Event()
    began = time.monotonic()
    hanging = [asker.ask(name, never.wait) for name in ("Redis", "journal")]
    fine = asker.ask("exchange", lambda: 7)
    assert fine.get() == 7
    assert [one.get() for one in hanging] == [None, None]
    assert time.monotonic() - began < 5.7
    assert asker.problems == ["Redis: does not answer within 3 s", "journal: does not answer within 3 s"]
    never.set()


def test_an_outage_is_a_line_and_a_mistake_is_raised() -> None:
    """A bug of ours must not look like a journal that is down."""

    def down() -> None:
        raise TemporaryError("the database is locked")

    asker = Asker()
    assert asker.ask("journal", down).get() is None
    assert asker.problems == ["journal: the database is locked"]
    with pytest.raises(ZeroDivisionError):
        asker.ask("journal", lambda: 1 / 0).get()


def test_a_late_question_is_given_a_moment() -> None:
    """The time of the others is over, and this one depends on their answers."""
    asker = Asker(patience=0.2)
    time.sleep(0.25)
    assert asker.ask("calendar", lambda: 3).get() == 3

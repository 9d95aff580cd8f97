"""Every reason of a missed slot names a part, and nobody writes one in words of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import ztrade
from ztrade.domain.missed import CAUSES, Cause, Why, cause_of, missed

PACKAGE = Path(ztrade.__file__).parent
#: where slots are closed
SOURCES = [path for part in ("domain", "app", "service") for path in sorted((PACKAGE / part).rglob("*.py"))]


@pytest.mark.parametrize("why", Why)
def test_every_reason_has_its_cause_whatever_follows(why: Why) -> None:
    assert cause_of(missed(why)) is cause_of(missed(f"{why}: and so on")) is CAUSES[why]


def test_words_of_another_version_are_other() -> None:
    assert cause_of("missed: the dog ate it") is Cause.OTHER


def test_no_reason_is_the_beginning_of_another() -> None:
    assert not [(one, two) for one in Why for two in Why if one is not two and two.startswith(one)]


def test_nobody_writes_such_a_reason_in_words_of_its_own() -> None:
    """The words are taken from one place, or counting by cause would miss some."""
    writers = [path.name for path in SOURCES if '"missed: ' in path.read_text(encoding="utf-8")]
    assert writers == ["missed.py"]

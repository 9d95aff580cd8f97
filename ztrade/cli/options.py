"""Kinds of arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from ztrade.domain.durations import parse_duration

NEW_YORK = ZoneInfo("America/New_York")


class Day(click.ParamType[date]):
    """A New York day, ``2022-08-22``."""

    name = "DAY"
    #: years in which there was, and will be, an exchange; arithmetic on them stays inside what datetime can hold
    first, last = 1792, 2200

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
        except ValueError:
            self.fail(f"{value!r} is not a day; write it like 2022-08-22", param, ctx)
        if not self.first <= day.year <= self.last:
            self.fail(f"{value!r} is no day of an exchange; name one from {self.first} to {self.last}", param, ctx)
        return day


class Days(click.ParamType[tuple[date, date]]):
    """One New York day, or the first and the last of several: ``2022-08-22..2022-08-26``."""

    name = "DAY[..DAY]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[date, date]:
        if isinstance(value, tuple):
            return value
        first, dots, last = value.partition("..")
        begin = Day().convert(first, param, ctx)
        end = Day().convert(last, param, ctx) if dots else begin
        if end < begin:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return begin, end


class Instant(click.ParamType[datetime]):
    """An instant with its time zone, or a whole New York day (its first instant, or its last).

    Args:
        end: a day means its last instant.
        days: days are accepted.
    """

    name = "INSTANT"

    def __init__(self, *, end: bool = False, days: bool = True) -> None:
        self._end, self._days = end, days

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        if self._days and len(value) == 10:
            return self._edge(Day().convert(value, param, ctx))
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an instant; write it like 2022-08-22T14:35Z", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no time zone; write it like {value}Z or {value}-04:00", param, ctx)
        try:
            return instant.astimezone(UTC)
        except OverflowError:
            self.fail(f"{value!r} is too far away", param, ctx)

    def _edge(self, day: date) -> datetime:
        begin = datetime.combine(day, time(0), NEW_YORK)
        if self._end:
            begin = datetime.combine(day + timedelta(days=1), time(0), NEW_YORK) - timedelta(microseconds=1)
        return begin.astimezone(UTC)


class Ago(click.ParamType[datetime]):
    """A wall instant: a duration back from now (``30m``, ``2h``), or what :class:`Instant` takes.

    Args:
        now: the wall clock.
    """

    name = "AGO|INSTANT"

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return self._now() - parse_duration(str(value).removesuffix("ago").strip())
        except ValueError:
            return Instant().convert(value, param, ctx)


class Speed(click.ParamType[str]):
    """``max``, or exchange seconds per wall second."""

    name = "N|max"
    highest = 1000.0

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value).lower() == "max":  # the help shows it in capitals
            return "max"
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0.1 <= speed <= self.highest:
            self.fail(f"{value!r} is not a speed; write max, or a number from 0.1 to {self.highest:g}", param, ctx)
        return f"{speed:g}"


class PathName(click.ParamType[Path]):
    """A file or folder by name; whether it is there is said by what reads it, in the same words everywhere."""

    name = "PATH"
    longest, longest_part = 4095, 255

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        text = str(value)
        if not text:
            self.fail("an empty text names no path", param, ctx)
        if len(text.encode()) > self.longest or any(len(part.encode()) > self.longest_part for part in text.split("/")):
            self.fail(f"{text[:40]}... is longer than a path can be", param, ctx)
        try:
            return Path(text).expanduser()
        except RuntimeError:
            self.fail(f"{text!r} is in a home directory that does not exist", param, ctx)


PATH = PathName()
since_option = click.option("--since", type=Instant(), help="From this instant or New York day on.")
until_option = click.option("--until", type=Instant(end=True), help="Up to this instant or New York day, included.")
agent_option = click.option("--agent", metavar="AGENT", help="Only this agent.")

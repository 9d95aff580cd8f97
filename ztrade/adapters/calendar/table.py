"""All sessions as three columns of numbers, computed by a process that ends.

exchange_calendars computes with pandas, and pandas stays: 35 MB for as long as the process lives, though nothing else
in a worker needs it. So a short-lived child computes, and hands over 30 thousand numbers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from array import array
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Sessions in order as columns: ordinal day, and open and close in epoch seconds."""

    days: array[int]
    opens: array[int]
    closes: array[int]


def load(first: date, last: date, python: str = sys.executable, kept: Path | None = None) -> Table:
    """Return the sessions from ``first`` to ``last``; takes about a second.

    Args:
        first: the first New York day.
        last: the last one.
        python: the interpreter of the child; where it cannot do it, this process computes by itself.
        kept: a directory that may have the answer, and is given it.
    """
    path = None if kept is None else kept / f"calendar-{first}-{last}-{version('exchange_calendars')}"
    found = None if path is None else _read(path)
    if found is None:
        found = None if "pandas" in sys.modules else _elsewhere(first, last, python)
        found = found or compute(first, last)
        if path is not None:
            _keep(found, path)
    return found


def _read(path: Path) -> Table | None:
    with suppress(OSError):
        return _table(path.read_bytes())
    return None


def _keep(table: Table, path: Path) -> None:
    """Write it whole or not at all; where it cannot be written, the next process computes again."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        # never into what is there: it might be somebody's link to a file of whoever looks, root included
        with fresh.open("xb") as file:
            file.write(_bytes(table))
        fresh.replace(path)


def _bytes(table: Table) -> bytes:
    return b"".join(column.tobytes() for column in (table.days, table.opens, table.closes))


def _table(data: bytes) -> Table | None:
    numbers = array("q")
    rows, rest = divmod(len(data), 3 * numbers.itemsize)
    if rest or not rows:
        return None
    numbers.frombytes(data)
    return Table(numbers[:rows], numbers[rows : 2 * rows], numbers[2 * rows :])


def compute(first: date, last: date) -> Table:
    """Compute the sessions in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from exchange_calendars.exchange_calendar_xnys import XNYSExchangeCalendar

        schedule = XNYSExchangeCalendar(start=first.isoformat(), end=last.isoformat()).schedule
    days = array("q", (day.toordinal() for day in schedule.index))
    opens = array("q", (int(at.timestamp()) for at in schedule["open"]))
    closes = array("q", (int(at.timestamp()) for at in schedule["close"]))
    return Table(days, opens, closes)


def _elsewhere(first: date, last: date, python: str, seconds: float = _TIMEOUT_SECONDS) -> Table | None:
    # -P: a file of the working directory must not stand for one of the libraries
    command = [python, "-P", "-m", __name__, first.isoformat(), last.isoformat()]
    try:
        done = subprocess.run(  # noqa: S603 our own module, and two dates
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode != 0 else _table(done.stdout)


def _hand_over(first: str, last: str) -> None:
    sys.stdout.buffer.write(_bytes(compute(date.fromisoformat(first), date.fromisoformat(last))))


if __name__ == "__main__":
    _hand_over(*sys.argv[1:])

"""All sessions as three columns of numbers, computed by a process that ends.

exchange_calendars computes with pandas, and pandas stays: 35 MB for as long as the process lives, though nothing else
in a worker needs it. So a short-lived child computes, and hands over 30 thousand numbers.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from array import array
from dataclasses import dataclass
from datetime import date

_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Sessions in order as columns: ordinal day, and open and close in epoch seconds."""

    days: array[int]
    opens: array[int]
    closes: array[int]


def load(first: date, last: date, python: str = sys.executable) -> Table:
    """Return the sessions from ``first`` to ``last``; takes about a second.

    Args:
        first: the first New York day.
        last: the last one.
        python: the interpreter of the child; where it cannot do it, this process computes by itself.
    """
    found = None if "pandas" in sys.modules else _elsewhere(first, last, python)
    return found or compute(first, last)


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
    numbers = array("q")
    rows, rest = divmod(len(done.stdout), 3 * numbers.itemsize)
    if done.returncode != 0 or rest or not rows:
        return None
    numbers.frombytes(done.stdout)
    return Table(numbers[:rows], numbers[rows : 2 * rows], numbers[2 * rows :])


def _hand_over(first: str, last: str) -> None:
    made = compute(date.fromisoformat(first), date.fromisoformat(last))
    for column in (made.days, made.opens, made.closes):
        sys.stdout.buffer.write(column.tobytes())


if __name__ == "__main__":
    _hand_over(*sys.argv[1:])

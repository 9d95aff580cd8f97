"""Guesses what a file does not say: the zone of its stamps, and whether they name a bar's start or end.

A guess is only ever shown to a person; nothing is read by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
#: where exports of US stocks come from; in case of a tie the earlier one is named
ZONES = (
    "America/New_York",
    "UTC",
    "America/Los_Angeles",
    "America/Chicago",
    "America/Denver",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
)
_OPEN, _CLOSE = time(9, 30), time(16)
_SAMPLE = 3_000
_ENOUGH = 0.5


def zone_by_hours(stamps: Sequence[datetime], volumes: Sequence[float]) -> str | None:
    """Return the zone in which most volume falls on weekdays from 09:30 to 16:00 New York; None if none fits.

    Args:
        stamps: naive local times.
        volumes: shares, one a stamp.
    """
    step = max(1, len(stamps) // _SAMPLE)
    pairs = list(zip(stamps[::step], volumes[::step], strict=True))
    scores = {zone: _share_in_session(pairs, ZoneInfo(zone)) for zone in ZONES}
    best = max(ZONES, key=lambda zone: scores[zone])
    return best if scores[best] > _ENOUGH else None


def _share_in_session(pairs: Sequence[tuple[datetime, float]], zone: ZoneInfo) -> float:
    inside = whole = 0.0
    for stamp, volume in pairs:
        weight = max(volume, 1.0)
        at = stamp.replace(tzinfo=zone).astimezone(NEW_YORK)
        whole += weight
        inside += weight if at.weekday() < 5 and _OPEN <= at.time() <= _CLOSE else 0.0
    return inside / whole if whole else 0.0


def zone_by_agreement(pairs: Sequence[tuple[datetime, datetime]]) -> str | None:
    """Return the zone in which most naive stamps name the instants beside them; None if none does.

    Args:
        pairs: (naive local time, aware instant) of the same bars.
    """
    sample = pairs[:: max(1, len(pairs) // _SAMPLE)]
    agreeing = {
        zone: sum(local.replace(tzinfo=ZoneInfo(zone)) == instant for local, instant in sample) for zone in ZONES
    }
    best = max(ZONES, key=lambda zone: agreeing[zone])
    return best if sample and agreeing[best] > len(sample) * _ENOUGH else None


def looks_like_ends(stamps: Sequence[datetime]) -> bool | None:
    """Tell whether stamps name the ends of bars (09:31 to 16:00) or their starts (09:30 to 15:59).

    Args:
        stamps: aware instants.

    Returns:
        None where the days do not show it, as with bars of the pre-market and after hours.
    """
    local = [stamp.astimezone(NEW_YORK) for stamp in stamps]
    opening = {at.date() for at in local if at.time() == _OPEN}
    closing = {at.date() for at in local if at.time() == _CLOSE}
    # a day that goes on after 16:00 has late trading, or was read in a wrong zone
    late = {at.date() for at in local if at.time() > _CLOSE}
    half = len({at.date() for at in local}) * _ENOUGH
    if len(closing - late) > half >= len(opening):
        return True
    return False if len(opening) > half >= len(closing) else None

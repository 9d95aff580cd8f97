"""The system clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """:class:`~ztrade.ports.Clock` for Alpaca, live and paper: exchange time is wall time."""

    def now(self) -> datetime:
        """Return the exchange's time, aware UTC."""
        return datetime.now(UTC)

    def wall(self) -> datetime:
        """Return wall time, aware UTC."""
        return datetime.now(UTC)

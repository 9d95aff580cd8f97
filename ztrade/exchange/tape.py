"""What the embedded exchange trades on: all bars and all news of some symbols, past and future.

A tape knows the future; the engine never shows anything later than its own clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ztrade.domain.types import Bars, NewsItem


class Tape(Protocol):
    """Prices and news of some symbols."""

    def symbols(self) -> Sequence[str]:
        """Return the symbols, sorted."""
        ...

    def bars(self, symbol: str) -> Bars:
        """Return every bar known at the base span (1 or 5 minutes), oldest first, starts strictly increasing.

        Raises:
            KeyError: the symbol is not on the tape.
        """
        ...

    def news(self) -> Sequence[NewsItem]:
        """Return every story known, oldest first."""
        ...

    def halted(self, symbol: str, at: datetime) -> bool:
        """Tell whether trading in the symbol is halted at ``at``; a pure function of its arguments."""
        ...


@dataclass(frozen=True, slots=True)
class ListTape:
    """A tape of values: ``by_symbol`` its bars, ``stories`` in any order, ``halts`` as (start, end excluded)."""

    by_symbol: Mapping[str, Bars]
    stories: Sequence[NewsItem] = ()
    halts: Mapping[str, Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)

    def symbols(self) -> Sequence[str]:
        return sorted(self.by_symbol)

    def bars(self, symbol: str) -> Bars:
        return self.by_symbol[symbol]

    def news(self) -> Sequence[NewsItem]:
        return sorted(self.stories, key=lambda item: (item.at, item.id))

    def halted(self, symbol: str, at: datetime) -> bool:
        return any(begin <= at < end for begin, end in self.halts.get(symbol, ()))

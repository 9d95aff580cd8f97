"""Stories about a made-up market: some are followed by a move in their direction, some mean nothing.

A story never knows the future: the move is made from the story, and begins with the first bar that starts after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ztrade.domain.schedule import Session
from ztrade.domain.types import NewsItem
from ztrade.exchange.bars.walks import Draw

SOURCE = "synthetic"

GOOD = (
    "{name} gains as strong demand beats expectations",
    "Analysts praise {name} after excellent quarterly growth",
    "{name} wins back confidence and is seen higher",
    "Upgrade for {name}: profit outlook improves impressively",
    "Record success for {name} as forecasts are raised",
)
BAD = (
    "{name} falls as weak demand disappoints investors",
    "Analysts warn of serious problems at {name}",
    "{name} hit by fears of heavy losses",
    "Downgrade for {name}: bad outlook worries the market",
    "{name} suffers a setback as forecasts are cut",
)
PLAIN = (
    "{name} is the topic of a conference",
    "What to know about {name} this week",
    "Three charts about {name}",
)
_SUMMARY = "{headline}. The report was published on {day}."

#: the share of days with no, one, two and three stories: cumulative
_NUMBER = (0.30, 0.65, 0.90, 1.0)
#: a story may come up to two hours before the open, and up to this many bars before the close
_BEFORE_OPEN, _BEFORE_CLOSE = 24, 8
#: shares of stories that are followed by a move, and of those that only sound so; the rest sounds plain
_TRUE, _HOLLOW = 0.45, 0.40


@dataclass(frozen=True, slots=True)
class Story:
    """One story. ``pushes`` are (bar of the session, move in typical 5-minute moves) that it brings about."""

    at: datetime
    text: str
    pushes: Sequence[tuple[int, float]] = ()

    def item(self, symbol: str, name: str) -> NewsItem:
        """Return the story as news about ``symbol``, whose company is called ``name``."""
        headline = self.text.format(name=name)
        digest = hashlib.sha256(f"{symbol}:{self.at.isoformat()}:{headline}".encode()).digest()
        return NewsItem(
            id=str(int.from_bytes(digest[:6], "big")),
            at=self.at,
            headline=headline,
            summary=_SUMMARY.format(headline=headline, day=f"{self.at:%Y-%m-%d}"),
            source=SOURCE,
            symbols=(symbol,),
        )


def tell_stories(draw: Draw, session: Session, bars: int, span: timedelta) -> list[Story]:
    """Return the stories of one session and symbol, oldest first."""
    turn = draw.uniform()
    number = next(count for count, limit in enumerate(_NUMBER) if turn < limit)
    return sorted((_story(draw, session, bars, span) for _ in range(number)), key=lambda story: story.at)


def _story(draw: Draw, session: Session, bars: int, span: timedelta) -> Story:
    bar = draw.whole(-_BEFORE_OPEN, bars - _BEFORE_CLOSE)
    at = session.open + bar * span + timedelta(seconds=draw.whole(5, 290))
    kind, is_good = draw.uniform(), draw.uniform() < 0.5
    size, length = 4 + 5 * draw.uniform(), draw.whole(6, 14)
    if kind >= _TRUE + _HOLLOW:
        return Story(at, PLAIN[draw.whole(0, len(PLAIN) - 1)])
    texts = GOOD if is_good else BAD
    text = texts[draw.whole(0, len(texts) - 1)]
    if kind >= _TRUE:
        return Story(at, text)
    return Story(at, text, _pushes(max(0, bar + 1), bars, length, size if is_good else -size))


def _pushes(first: int, bars: int, length: int, size: float) -> list[tuple[int, float]]:
    """Spread a move over the bars from ``first`` on, most of it early; what lies beyond the close does not happen."""
    whole = length * (length + 1) / 2
    return [(first + place, size * (length - place) / whole) for place in range(length) if first + place < bars]

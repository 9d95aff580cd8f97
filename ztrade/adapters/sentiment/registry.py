"""The places that opinion comes from. A new one is a file beside this one and a line in ``SOURCES``.

What a source needs is imported when it is on: readers of XML and of files would cost every worker two megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ztrade.domain.sentiment import HALF_LIFE
from ztrade.domain.types import NewsItem
from ztrade.ports import News


@dataclass(frozen=True, slots=True)
class Place:
    """What a source may need: the account's news, and what was configured; empty where it was not."""

    news: News
    load: Callable[[Path], Sequence[NewsItem]]
    patience: timedelta
    contact: str = ""
    stories: Path | None = None
    reddit: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """How a source is made (None: it lacks what it needs), and what it lacks then, in words.

    ``lookback`` is how old its stories may be, where that is not what was configured for news; ``half_life`` the age at
    which they count half.
    """

    make: Callable[[Place], News | None]
    lacks: str = ""
    lookback: timedelta | None = None
    half_life: timedelta = HALF_LIFE


def _filings(place: Place) -> News | None:
    if not place.contact:
        return None
    from ztrade.adapters.sentiment.fetch import Pages
    from ztrade.adapters.sentiment.filings import Filings

    return Filings(Pages("filings", place.patience), place.contact)


def _reddit(place: Place) -> News | None:
    if not place.reddit:
        return None
    from ztrade.adapters.sentiment.fetch import Pages
    from ztrade.adapters.sentiment.reddit import Reddit

    return Reddit(Pages("reddit", place.patience), (place.reddit[0], place.reddit[1]))


def _file(place: Place) -> News | None:
    if place.stories is None:
        return None
    from ztrade.adapters.sentiment.file import FileNews

    return FileNews(place.stories, place.load)


SOURCES: Mapping[str, Kind] = {
    "news": Kind(lambda place: place.news),
    # a company files a few times a month
    "filings": Kind(
        _filings, "contact in [sentiment], which the SEC asks for", timedelta(days=7), half_life=timedelta(days=1)
    ),
    "reddit": Kind(_reddit, "client_id and client_secret under [reddit] in the credentials"),
    "file": Kind(_file, "stories in [sentiment], the file's path"),
}

"""The places that opinion comes from. A new one is a file beside this one and a line in ``SOURCES``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ztrade.adapters.sentiment.fetch import Pages
from ztrade.adapters.sentiment.file import FileNews
from ztrade.adapters.sentiment.filings import Filings
from ztrade.adapters.sentiment.reddit import Reddit
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
    return Filings(Pages("filings", place.patience), place.contact) if place.contact else None


def _reddit(place: Place) -> News | None:
    return Reddit(Pages("reddit", place.patience), (place.reddit[0], place.reddit[1])) if place.reddit else None


def _file(place: Place) -> News | None:
    return FileNews(place.stories, place.load) if place.stories else None


SOURCES: Mapping[str, Kind] = {
    "news": Kind(lambda place: place.news),
    # a company files a few times a month
    "filings": Kind(
        _filings, "contact in [sentiment], which the SEC asks for", timedelta(days=7), half_life=timedelta(days=1)
    ),
    "reddit": Kind(_reddit, "client_id and client_secret under [reddit] in the credentials"),
    "file": Kind(_file, "stories in [sentiment], the file's path"),
}

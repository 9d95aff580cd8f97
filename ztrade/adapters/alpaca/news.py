"""Stories from Alpaca's news API, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ztrade.adapters.alpaca.fields import Row, UnreadableAnswer, rows
from ztrade.adapters.alpaca.gateway import Api, Gateway
from ztrade.domain.plain_text import plain_text
from ztrade.domain.types import NewsItem

PAGE = 50
MOST_PAGES = 50
LONGEST_HEADLINE = 1_000
LONGEST_SUMMARY = 10_000


class AlpacaNews:
    """:class:`~ztrade.ports.News` over Alpaca's news API. Safe to share between threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._drift = gateway, gateway.drift

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        """Return stories tagged with ``symbol`` published in [start, end], newest first, at most ``limit``.

        Markup is taken out. A story that cannot be read is counted and left out; when none of them can be read, that is
        an outage.
        """
        params: dict[str, object] = {
            "symbols": symbol,
            "start": _stamp(start),
            "end": _stamp(end),
            "sort": "desc",
            "limit": min(max(limit, 1), PAGE),
        }
        found: dict[str, NewsItem] = {}
        for _ in range(MOST_PAGES):
            page, token = self._page(params)
            found |= {item.id: item for item in page if start <= item.at <= end}
            if not token or len(found) >= limit or token == params.get("page_token"):
                break
            params["page_token"] = token
        newest_first = sorted(found.values(), key=lambda item: item.at, reverse=True)
        return newest_first[: max(limit, 0)]

    def _page(self, params: dict[str, object]) -> tuple[list[NewsItem], object]:
        raw = self._gateway.get(Api.NEWS, "/news", params)
        if not isinstance(raw, dict) or "news" not in raw:
            raise UnreadableAnswer(f"news: expected an object with news, got {raw!r:.120}")
        stories = rows("news", raw["news"] or [], self._drift)
        items = [item for item in map(_readable, stories) if item is not None]
        if stories and not items:
            raise UnreadableAnswer(f"news: none of {len(stories)} stories can be read, such as {stories[0].raw!r:.120}")
        return items, raw.get("next_page_token")


def _readable(row: Row) -> NewsItem | None:
    try:
        return _item(row)
    except UnreadableAnswer:  # counted where it was found; one broken story must not silence the others
        return None


def _item(row: Row) -> NewsItem:
    identity = row.raw.get("id")
    symbols = row.raw.get("symbols")
    return NewsItem(
        id=str(identity) if isinstance(identity, int) else row.text("id"),
        at=row.instant("created_at"),
        headline=plain_text(row.text("headline"), LONGEST_HEADLINE),
        summary=plain_text(row.text_or("summary"), LONGEST_SUMMARY),
        source=row.text_or("source"),
        symbols=tuple(tag for tag in symbols if isinstance(tag, str)) if isinstance(symbols, list) else (),
        url=row.text_or("url"),
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

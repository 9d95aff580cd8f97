"""A company's filings, from the SEC's Atom feed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from ztrade.adapters.sentiment.feed import entries, instant
from ztrade.adapters.sentiment.fetch import Pages
from ztrade.domain.types import NewsItem

SEC = "https://www.sec.gov/cgi-bin/browse-edgar"
#: who files under which number at the SEC
CIKS: Mapping[str, str] = {
    "AAPL": "0000320193",
    "AMZN": "0001018724",
    "GOOGL": "0001652044",
    "META": "0001326801",
    "MSFT": "0000789019",
    "NVDA": "0001045810",
    "SPY": "0000884394",
    "TSLA": "0001318605",
}
#: what an item of an 8-K says, in words that a scorer knows; the others are neither good nor bad by themselves
_ITEMS: Mapping[str, str] = {
    "1.03": "files for bankruptcy",
    "2.04": "obligation accelerated after default",
    "2.05": "announces restructuring costs and layoffs",
    "2.06": "warns of impairment charges",
    "3.01": "receives delisting notice",
    "4.02": "warns that its past financial statements can no longer be relied on",
    "5.02": "directors or officers change",
    "2.02": "reports results",
}
_FORMS: Mapping[str, str] = {
    "NT 10-K": "delays its annual report",
    "NT 10-Q": "delays its quarterly report",
    "15-12B": "ends its registration",
    "25": "delists its shares",
}
_ITEM = re.compile(r"\b\d\.\d\d\b")


class Filings:
    """:class:`~ztrade.ports.News` over a company's filings.

    Args:
        pages: fetches them.
        contact: who asks, with an e-mail address, as the SEC wants to know.
        url: the SEC's address.
        ciks: company numbers besides the known ones.
    """

    def __init__(self, pages: Pages, contact: str, url: str = SEC, ciks: Mapping[str, str] = CIKS) -> None:
        self._pages, self._contact, self._url, self._ciks = pages, contact, url, ciks

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        """Return the filings of [start, end], newest first; none where the symbol's number is not known."""
        cik = self._ciks.get(symbol.upper())
        if cik is None:
            return []
        asked = {"action": "getcompany", "CIK": cik, "owner": "exclude", "count": "40", "output": "atom"}
        document = self._pages.get(self._url, {"User-Agent": f"ztrade {self._contact}"}, asked)
        found = [item for item in (_item(entry, symbol) for entry in entries(document)) if item is not None]
        inside = sorted((i for i in found if start <= i.at <= end), key=lambda item: item.at, reverse=True)
        return inside[: max(limit, 0)]


def _item(entry: Mapping[str, str], symbol: str) -> NewsItem | None:
    at = instant(entry.get("updated", ""))
    if at is None:
        return None
    form = entry.get("filing-type", "") or entry.get("title", "").partition(" ")[0]
    told = [_FORMS[form]] if form in _FORMS else []
    told += [_ITEMS[item] for item in _ITEM.findall(entry.get("items-desc", "")) if item in _ITEMS]
    headline = f"{symbol} {', '.join(told) or 'files ' + (entry.get('form-name') or form or 'a report')}"
    url = entry.get("filing-href") or entry.get("link", "")
    return NewsItem(entry.get("id") or url or headline, at, headline, "", f"SEC {form}".strip(), (symbol,), url)

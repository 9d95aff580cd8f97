"""What people write on Reddit's forums about stocks, through its API for scripts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from ztrade.adapters.sentiment.fetch import Pages
from ztrade.domain.plain_text import plain_text
from ztrade.domain.types import NewsItem
from ztrade.errors import ExchangeUnavailable

FORUMS = ("wallstreetbets", "stocks", "investing")
TOKEN_URL = "https://www.reddit.com/api/v1/access_token"  # noqa: S105 - an address
API = "https://oauth.reddit.com"
_AGENT = {"User-Agent": "linux:ztrade:1 (sentiment)"}
_LONGEST = 1_000
#: a token is asked for anew this long before it lapses
_MARGIN = 60.0


class Reddit:
    """:class:`~ztrade.ports.News` over posts that mention a symbol.

    Args:
        pages: fetches them.
        client: id and secret of an app of kind "script".
        forums: where to look.
        api: the API's address.
        token_url: where tokens come from.
    """

    def __init__(
        self,
        pages: Pages,
        client: tuple[str, str],
        forums: Sequence[str] = FORUMS,
        api: str = API,
        token_url: str = TOKEN_URL,
    ) -> None:
        self._pages, self._client, self._forums = pages, client, forums
        self._api, self._token_url = api, token_url
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        """Return the posts of [start, end] that mention the symbol, newest first."""
        headers = {**_AGENT, "Authorization": f"bearer {self._fresh_token()}"}
        asked = {"q": symbol, "restrict_sr": "1", "sort": "new", "t": "day", "limit": "50", "raw_json": "1"}
        answer = _object(self._pages.get(f"{self._api}/r/{'+'.join(self._forums)}/search", headers, asked))
        inside = [item for item in _posts(answer, symbol) if start <= item.at <= end]
        return sorted(inside, key=lambda item: item.at, reverse=True)[: max(limit, 0)]

    def _fresh_token(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                form = {"grant_type": "client_credentials"}
                answer = _object(self._pages.post(self._token_url, _AGENT, form, self._client))
                token, lasts = answer.get("access_token"), answer.get("expires_in")
                if not isinstance(token, str) or not isinstance(lasts, int):
                    raise ExchangeUnavailable("reddit gave no token")
                self._token, self._until = token, time.monotonic() + lasts - _MARGIN
            return self._token


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ExchangeUnavailable("reddit's answer is not JSON") from error
    if not isinstance(found, dict):
        raise ExchangeUnavailable("reddit's answer is no object")
    return found


def _posts(answer: Mapping[str, object], symbol: str) -> Iterator[NewsItem]:
    data = answer.get("data")
    children = data.get("children") if isinstance(data, dict) else None
    if not isinstance(children, list):
        raise ExchangeUnavailable("reddit's answer holds no posts")
    for child in children:
        post = child.get("data") if isinstance(child, dict) else None
        item = _post(post, symbol) if isinstance(post, dict) else None
        if item is not None:
            yield item


def _post(post: Mapping[str, object], symbol: str) -> NewsItem | None:
    made, name, title, text = (post.get(key) for key in ("created_utc", "name", "title", "selftext"))
    if not (isinstance(made, int | float) and isinstance(name, str) and isinstance(title, str)):
        return None
    try:
        at = datetime.fromtimestamp(made, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    summary = plain_text(text, _LONGEST) if isinstance(text, str) else ""
    return NewsItem(name, at, plain_text(title, _LONGEST), summary, f"reddit {post.get('subreddit', '')}", (symbol,))

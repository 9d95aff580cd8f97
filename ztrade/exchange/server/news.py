"""``/v1beta1/news``: stories with paging."""

from __future__ import annotations

import base64
import binascii
import html
from datetime import UTC, datetime, timedelta
from zlib import crc32

from ztrade.domain.types import NewsItem
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route, bad_parameter
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import seconds
from ztrade.exchange.server.venue import Venue

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def news(venue: Venue, call: Call) -> Reply:
    params = Params(call, bad_parameter)
    limit = params.whole("limit", 10, 1, 50)
    stories = _selected(venue, params)
    if params.choice("sort", ("asc", "desc"), "desc") == "desc":
        stories = stories[::-1]
    token = params.text("page_token")
    if token is not None:
        stories = _later(stories, token)
    content = params.flag("include_content")
    page = stories[:limit]
    following = _token(page[-1]) if len(stories) > limit else None
    return Reply(200, {"news": [_story(one, content) for one in page], "next_page_token": following})


def _selected(venue: Venue, params: Params) -> list[NewsItem]:
    start = params.when("start") or EPOCH
    end = params.when("end", end_of_day=True) or venue.now
    if end < start:
        raise ApiError(400, "end should not be before start")
    stories = venue.engine.news(start, min(end, venue.now) + TICK, params.symbols() or None)
    return [story for story in stories if story.summary] if params.flag("exclude_contentless") else stories


def _story(story: NewsItem, content: bool) -> dict[str, Json]:
    at = seconds(story.at)
    summary = html.escape(story.summary, quote=True).replace("&#x27;", "&#39;")
    return {
        "author": story.source or "embedded exchange",
        "content": f"<p>{summary}</p>" if content and summary else "",
        "created_at": at,
        "headline": html.escape(story.headline, quote=True).replace("&#x27;", "&#39;"),
        "id": _number(story),
        "images": [],
        "source": story.source or "embedded",
        "summary": summary,
        "symbols": list(story.symbols),
        "updated_at": at,
        "url": story.url or None,
    }


def _number(story: NewsItem) -> int:
    """Return the story's number; Alpaca's ids are numbers, those of other sources are made into one."""
    short = story.id.isascii() and story.id.isdigit() and len(story.id) < 16
    return int(story.id) if short else crc32(story.id.encode("utf-8", "replace"))


def _token(story: NewsItem) -> str:
    nanoseconds = int(story.at.timestamp()) * 1_000_000_000
    return base64.urlsafe_b64encode(f"{nanoseconds}|{_number(story)}".encode()).decode()


def _later(stories: list[NewsItem], token: str) -> list[NewsItem]:
    try:
        _, wanted = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii").split("|")
    except (binascii.Error, UnicodeError, ValueError):
        raise ApiError(400, "invalid page token") from None
    for place, story in enumerate(stories):
        if str(_number(story)) == wanted:
            return stories[place + 1 :]
    raise ApiError(400, "invalid page token")


ROUTES: tuple[Route[Venue], ...] = (Route("GET", "/v1beta1/news", news),)

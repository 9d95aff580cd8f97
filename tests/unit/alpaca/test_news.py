"""Stories over the wire, and the text inside their markup."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.alpaca.doors import door
from ztrade.adapters.alpaca import AlpacaNews
from ztrade.domain.plain_text import plain_text
from ztrade.errors import ExchangeUnavailable
from ztrade.testing.scripted_server import Answer, Asked, in_turn

AT = datetime(2022, 8, 22, 14, tzinfo=UTC)
DAY = timedelta(days=1)


def story(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Write a story as the news API sends it."""
    return {
        "id": 24843171 + number,
        "author": "Someone",
        "content": "",
        "created_at": (AT - timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "updated_at": AT.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "headline": f"Apple&#39;s story {number}",
        "summary": "It <b>rose</b> &amp; fell",
        "source": "benzinga",
        "symbols": ["AAPL", "META"],
        "images": [],
        "url": "https://www.benzinga.com/1",
        **changes,
    }


def read(answer: Answer) -> list[str]:
    """Return the headlines that the adapter makes of one answer."""
    with door(in_turn(answer)) as opened:
        return [item.headline for item in AlpacaNews(opened.gateway).news("AAPL", AT - DAY, AT)]


def test_a_story_is_read_as_text() -> None:
    """Entities and tags are gone, tags of companies and the address are kept."""
    with door(in_turn(Answer(body={"news": [story()], "next_page_token": None}))) as opened:
        (item,) = AlpacaNews(opened.gateway).news("AAPL", AT - DAY, AT)
        assert (item.id, item.headline, item.summary) == ("24843172", "Apple's story 1", "It rose & fell")
        assert (item.symbols, item.source, item.at) == (("AAPL", "META"), "benzinga", AT - timedelta(minutes=1))
        assert opened.asked == ["GET /v1beta1/news"]
        assert opened.server.asked[0].query == {
            "symbols": "AAPL",
            "start": "2022-08-21T14:00:00Z",
            "end": "2022-08-22T14:00:00Z",
            "sort": "desc",
            "limit": "50",
        }


def test_pages_are_followed_to_the_limit() -> None:
    """Pages of 50 are followed until there are enough, newest first, each once."""

    def script(asked: Asked) -> Answer:
        first = int(asked.query.get("page_token", "0"))
        last = first + int(asked.query["limit"])
        return Answer(body={"news": [story(n) for n in range(first, last)], "next_page_token": str(last)})

    with door(script) as opened:
        found = AlpacaNews(opened.gateway).news("AAPL", AT - DAY, AT, 120)
        assert [item.headline for item in found] == [f"Apple's story {number}" for number in range(120)]
        assert len(opened.asked) == 3


def test_stories_out_of_the_range_are_left_out() -> None:
    """The API filters by update; what was published outside the range does not count."""
    old, future = "2022-08-20T14:00:00Z", "2022-08-22T14:00:01Z"
    page = [story(1, created_at=old), story(2, created_at=future), story(3)]
    assert read(Answer(body={"news": page})) == ["Apple's story 3"]


def test_one_broken_story_does_not_silence_the_others() -> None:
    """A story without a stamp or a headline is counted and left out."""
    broken = [story(1, created_at=None), story(2, headline=None), story(3), story(4, id=None)]
    with door(in_turn(Answer(body={"news": broken}))) as opened:
        assert len(AlpacaNews(opened.gateway).news("AAPL", AT - DAY, AT)) == 1
        assert len(opened.counted.counts) == 3


def test_only_broken_stories_are_an_outage() -> None:
    """When nothing can be read, that is not "no news"."""
    with pytest.raises(ExchangeUnavailable, match="none of 2"):
        read(Answer(body={"news": [story(1, created_at=None), story(2, created_at=1)]}))


@pytest.mark.parametrize("body", [{}, [], None, {"stories": []}, {"news": {"AAPL": []}}, {"news": [1]}, "none"])
def test_an_answer_that_is_no_news_is_an_outage(body: object) -> None:
    """Anything else than a list of stories is not "no news"."""
    with pytest.raises(ExchangeUnavailable):
        read(Answer(body=body))


@pytest.mark.parametrize("body", [{"news": []}, {"news": None}])
def test_no_news_is_no_news(body: object) -> None:
    """An empty list, or null in its place, is none."""
    assert read(Answer(body=body)) == []


def test_fields_that_nothing_depends_on_may_be_gone() -> None:
    """A story needs id, stamp and headline."""
    bare = {name: story()[name] for name in ("id", "created_at", "headline")}
    odd = story(2, symbols="AAPL", summary=None, url=None, source=7)
    assert read(Answer(body={"news": [bare, odd]})) == ["Apple's story 1", "Apple's story 2"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain"),
        ("Apple&#39;s &amp;quot;best&amp;quot;", 'Apple\'s "best"'),
        ("<p>One</p><p>Two</p>", "One Two"),
        ("a<br/>b", "a b"),
        ("<script>alert('buy')</script>safe<style>p{}</style>", "safe"),
        ("<script>never closed", ""),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("<img src=x onerror=alert(1)>text", "text"),
        ("<!-- hidden -->shown", "shown"),
        ("a\x00b\u202ec\n\td", "a b c d"),
        ("🚀 to the moon", "🚀 to the moon"),
        ("日本語のニュース", "日本語のニュース"),
        ("", ""),
        ("&lt;b&gt;bold&lt;/b&gt;", "<b>bold</b>"),
    ],
)
def test_markup_becomes_text(markup: str, text: str) -> None:
    """Tags, scripts, comments and control characters go; words of every language stay."""
    assert plain_text(markup, 100) == text


@given(st.text(alphabet=st.sampled_from("<>&;!-[]/'\" abscript#x0"), max_size=400))
def test_no_markup_breaks_it(markup: str) -> None:
    """Whatever is thrown at it, it returns one line within the length."""
    text = plain_text(markup, 50)
    assert len(text) <= 50
    assert "\n" not in text


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "<a ", "<![", "&", "&#", "<script>", "</script", "<a b='", "<b>x</b> ", "İ<"]
)
@pytest.mark.parametrize("end", ["", ">", "-->"])
def test_hostile_markup_costs_no_time(piece: str, end: str) -> None:
    """A hundred kilobytes of anything take a moment, where reading them twice over would take many seconds."""
    begun = time.perf_counter()
    assert len(plain_text(piece * (100_000 // len(piece)) + end, 10_000)) <= 10_000
    assert time.perf_counter() - begun < 3

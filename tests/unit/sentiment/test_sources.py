"""What every source of opinion keeps to, and what the others' servers may do to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.adapters.sentiment import NewsSource, Punctual
from ztrade.adapters.sentiment.feed import entries, instant
from ztrade.adapters.sentiment.fetch import LARGEST, Pages
from ztrade.adapters.sentiment.file import FileNews
from ztrade.adapters.sentiment.filings import CIKS, Filings
from ztrade.adapters.sentiment.reddit import Reddit
from ztrade.adapters.sentiment.registry import SOURCES, Place
from ztrade.domain.decision import SourceReading
from ztrade.domain.types import NewsItem
from ztrade.errors import AccessDenied, DataError, ExchangeUnavailable, RateLimited, TemporaryError
from ztrade.ports import News
from ztrade.testing.news import ListNews
from ztrade.testing.sentiment import WordScorer

AT = datetime(2022, 8, 22, 15, tzinfo=UTC)
DAY = timedelta(days=1)
PATIENCE = timedelta(seconds=5)
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """Serve pages that ``answer`` writes; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def page(body: bytes, status: int = 200) -> Answer:
    """Answer with this page."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def atom(*filings: str) -> bytes:
    """Write the SEC's kind of feed."""
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">{"".join(filings)}</feed>'.encode()


def filing(form: str, items: str = "", at: str = "2022-08-22T10:00:00-04:00", name: str = "") -> str:
    """Write one entry of it."""
    described = f"<items-desc>{items}</items-desc>" if items else ""
    return (
        f'<entry><category term="{form}"/><content type="text/xml"><filing-type>{form}</filing-type>{described}'
        f"<filing-href>https://sec/{form}</filing-href></content><id>{name or form}</id>"
        f'<link href="https://sec/{form}"/><title>{form} - Report</title><updated>{at}</updated></entry>'
    )


def posts(*titles: str) -> Answer:
    """Answer as Reddit does: a token first, then the posts."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        children = [
            {"data": {"name": f"t3_{n}", "title": title, "selftext": "", "created_utc": AT.timestamp() - 60}}
            for n, title in enumerate(titles)
        ]
        found: object = {"data": {"children": children}}
        if handler.path.startswith("/token"):
            found = {"access_token": "abc", "expires_in": 3600}
        page(json.dumps(found).encode())(handler)

    return answer


def story(headline: str, symbols: Sequence[str] = ("AAPL",)) -> NewsItem:
    """Write a story of an hour ago."""
    return NewsItem(headline, AT - timedelta(hours=1), headline, "", "wire", tuple(symbols))


@contextmanager
def opened(name: str, tmp_path: Path) -> Iterator[News]:
    """Give each source with one story of the last day on AAPL in it."""
    if name == "news":
        yield ListNews([story("Apple is good")])
    elif name == "file":
        (tmp_path / "stories").write_text("x")
        yield FileNews(tmp_path / "stories", lambda _path: [story("Apple is good")])
    elif name == "filings":
        with served(page(atom(filing("8-K", "item 1.03")))) as url:
            yield Filings(Pages(name, PATIENCE), "A Person a@b.cc", url)
    else:
        with served(posts("AAPL is good")) as url:
            yield Reddit(Pages(name, PATIENCE), ("id", "secret"), api=url, token_url=f"{url}/token")


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_gives_stories_of_the_asked_time_only(name: str, tmp_path: Path) -> None:
    """Newest first, at most as many as wanted, none on another symbol that it does not know; as text."""
    with opened(name, tmp_path) as source:
        (found,) = source.news("AAPL", AT - DAY, AT)
        assert found.at.tzinfo is not None
        assert found.headline
        assert found.id
        assert source.news("AAPL", AT - 3 * DAY, AT - 2 * DAY) == []
        assert source.news("AAPL", AT - DAY, AT, 0) == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_makes_a_reading(name: str, tmp_path: Path) -> None:
    """Scored, weighed, and named by where it came from and by what scored it."""
    with opened(name, tmp_path) as news:
        reading = NewsSource(news, WordScorer(), name=name).read("AAPL", ("Apple",), AT)
    assert reading is not None
    assert reading.source == name
    assert [item["scorer"] for item in reading.items] == ["words"]


def test_sources_without_what_they_need_are_off() -> None:
    """Only the account's news need nothing; each of the others says what it lacks."""
    place = Place(ListNews(), lambda _path: [], PATIENCE)
    made = {name: kind.make(place) for name, kind in SOURCES.items()}
    assert [name for name, source in made.items() if source is not None] == ["news"]
    assert all(SOURCES[name].lacks for name in made if name != "news")
    full = Place(ListNews(), lambda _path: [], PATIENCE, "A b@c.de", Path("x"), ("id", "secret"))
    assert all(kind.make(full) is not None for kind in SOURCES.values())


def test_each_company_files_under_its_own_number() -> None:
    """TSLA's number is Tesla's, not Microsoft's; all have ten digits and none is used twice."""
    assert (CIKS["AAPL"], CIKS["TSLA"], CIKS["SPY"]) == ("0000320193", "0001318605", "0000884394")
    assert len(set(CIKS.values())) == len(CIKS)
    assert all(len(number) == 10 for number in CIKS.values())


def test_filings_are_asked_for_politely_and_told_in_words() -> None:
    """The contact goes along; an item's number becomes what it means."""
    seen: list[tuple[str, str]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.path, handler.headers["User-Agent"]))
        page(atom(filing("8-K", "items 4.02 and 9.01"), filing("NT 10-K", name="b"), filing("4", name="c")))(handler)

    with served(answer) as url:
        found = Filings(Pages("filings", PATIENCE), "A Person a@b.cc", url).news("TSLA", AT - DAY, AT)
    assert sorted(item.headline for item in found) == [
        "TSLA delays its annual report",
        "TSLA files 4",
        "TSLA warns that its past financial statements can no longer be relied on",
    ]
    assert "CIK=0001318605" in seen[0][0]
    assert seen[0][1] == "ztrade A Person a@b.cc"


def test_a_symbol_without_a_number_has_no_filings() -> None:
    """Nobody is asked."""
    assert Filings(Pages("filings", PATIENCE), "a@b.cc", "http://127.0.0.1:1").news("XYZ", AT - DAY, AT) == []


def test_reddit_s_token_is_asked_for_once() -> None:
    """It lasts for its time; a post that cannot be read is left out."""
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path.partition("?")[0])
        if handler.path.startswith("/token"):
            page(b'{"access_token": "abc", "expires_in": 3600}')(handler)
        else:
            page(b'{"data": {"children": [{"data": {"name": "a", "title": 5}}, 7, {"data": {"name": "b", "title": "x",'
                 b' "created_utc": 1e99}}]}}')(handler)  # fmt: skip

    with served(answer) as url:
        reddit = Reddit(Pages("reddit", PATIENCE), ("id", "secret"), api=url, token_url=f"{url}/token")
        assert [reddit.news("AAPL", AT - DAY, AT) for _ in range(2)] == [[], []]
    assert asked.count("/token") == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": 5}', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_answer_of_reddit_is_an_outage(body: bytes) -> None:
    """Never an exception of another kind."""
    with served(page(body)) as url, pytest.raises(TemporaryError):
        Reddit(Pages("reddit", PATIENCE), ("i", "s"), api=url, token_url=f"{url}/token").news("AAPL", AT - DAY, AT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Access denied</body></html>",
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]><feed>&b;</feed>',
        b"<feed><entry></feed>",
        b'<?xml version="1.0" encoding="nonsense"?><feed/>',
        b"\xff\xfe\x00",
        b"<feed>" * 10_000,
    ],
    ids=range(7),
)
def test_a_broken_feed_is_an_outage(body: bytes) -> None:
    """No feed, hostile entities, wrong encodings: said, and never raised as something else."""
    with pytest.raises(ExchangeUnavailable):
        list(entries(body))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers(body: bytes) -> None:
    """A feed is read or refused, whatever it is; so is one with these bytes inside an entry."""
    for document in (body, b"<feed><entry><title>" + body + b"</title><updated>" + body + b"</updated></entry></feed>"):
        with suppress(ExchangeUnavailable):
            for entry in entries(document):
                instant(entry.get("updated", ""))


def test_an_entry_without_a_time_or_text_does_no_harm() -> None:
    """It is left out, or named by what is there."""
    feed = atom("<entry/>", "<entry><updated>yesterday</updated></entry>", filing("", at="2022-08-22T14:00:00Z"))
    with served(page(feed)) as url:
        found = Filings(Pages("filings", PATIENCE), "a@b.cc", url).news("AAPL", AT - DAY, AT)
    assert len(found) == 1


def test_times_of_both_kinds_are_read() -> None:
    """Atom's and RSS's; without a zone there is no instant."""
    assert instant("2022-08-22T11:00:00-04:00") == AT
    assert instant("Mon, 22 Aug 2022 15:00:00 GMT") == AT
    assert [instant(text) for text in ("2022-08-22T11:00:00", "", "soon")] == [None] * 3


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, ExchangeUnavailable), (429, RateLimited), (403, AccessDenied), (302, ExchangeUnavailable)],
)
def test_a_refusal_is_an_error_of_ours(status: int, error: type[Exception]) -> None:
    """By status; redirects are not followed."""
    with served(page(b"no", status)) as url, pytest.raises(error):
        Pages("filings", PATIENCE).get(url, {})


def test_a_page_that_is_too_large_or_drips_is_given_up() -> None:
    """Neither memory nor time is a stranger's to take."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b".")
                time.sleep(0.1)
        except OSError:
            return

    with served(page(b"x" * (LARGEST + 1))) as url, pytest.raises(ExchangeUnavailable, match="more than"):
        Pages("filings", PATIENCE).get(url, {})
    begin = time.monotonic()
    with served(drip) as url, pytest.raises(ExchangeUnavailable, match="not all there"):
        Pages("filings", timedelta(seconds=0.5)).get(url, {})
    assert time.monotonic() - begin < 5


def test_nobody_there_is_an_outage() -> None:
    """A closed port, as everything else that requests raises."""
    with pytest.raises(ExchangeUnavailable):
        Pages("filings", PATIENCE).get("http://127.0.0.1:1", {})


def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    """Only then; one that cannot be read is an outage of this source."""
    path, reads = tmp_path / "stories.json", [0]

    def load(_path: Path) -> Sequence[NewsItem]:
        reads[0] += 1
        return [story(f"Apple {reads[0]}")]

    source = FileNews(path, load)
    with pytest.raises(ExchangeUnavailable):
        source.news("AAPL", AT - DAY, AT)
    path.write_text("1")
    assert [source.news("AAPL", AT - DAY, AT)[0].headline for _ in range(2)] == ["Apple 1"] * 2
    path.write_text("12")
    assert source.news("AAPL", AT - DAY, AT)[0].headline == "Apple 2"

    def broken(_path: Path) -> Sequence[NewsItem]:
        raise DataError(str(path), "is broken")

    with pytest.raises(ExchangeUnavailable, match="is broken"):
        FileNews(path, broken).news("AAPL", AT - DAY, AT)


class Hanging:
    """A source that answers when it is told to."""

    name = "hanging"

    def __init__(self) -> None:
        self.go = threading.Event()

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:
        self.go.wait(30)
        return SourceReading("hanging", 0.5, 0.5)


def test_a_source_that_hangs_costs_its_patience_once() -> None:
    """The cycle goes on without it; it is asked again once it has answered."""
    hanging = Hanging()
    source = Punctual(hanging, timedelta(seconds=0.2))
    begin = time.monotonic()
    with pytest.raises(TemporaryError, match=r"within 0\.2 s"):
        source.read("AAPL", (), AT)
    with pytest.raises(TemporaryError, match="still owes"):
        source.read("AAPL", (), AT)
    assert time.monotonic() - begin < 10
    hanging.go.set()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert source.read("AAPL", (), AT) == SourceReading("hanging", 0.5, 0.5)
            return
        except TemporaryError:
            time.sleep(0.02)
    pytest.fail("it never came back")


def test_a_hanging_server_costs_its_patience() -> None:
    """Over HTTP as well: accepted, and never answered."""

    def hang(_handler: BaseHTTPRequestHandler) -> None:
        time.sleep(5)

    with served(hang) as url:
        news = Filings(Pages("filings", PATIENCE), "a@b.cc", url)
        source = Punctual(NewsSource(news, WordScorer(), name="filings"), timedelta(seconds=0.3))
        begin = time.monotonic()
        with pytest.raises(TemporaryError):
            source.read("AAPL", (), AT)
        assert time.monotonic() - begin < 4.5


def test_what_a_source_raises_is_raised_where_it_is_waited_for() -> None:
    """Errors keep their class and text."""
    down = NewsSource(ListNews(down=ExchangeUnavailable("news are down")), WordScorer())
    with pytest.raises(ExchangeUnavailable, match="news are down"):
        Punctual(down, PATIENCE).read("AAPL", (), AT)

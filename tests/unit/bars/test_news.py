"""News from disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ztrade.errors import DataError
from ztrade.exchange.bars import load_news

STORY = {
    "id": 24843171,
    "headline": "Apple&#39;s <b>record</b> quarter",
    "author": "Somebody",
    "created_at": "2022-08-22T13:31:00Z",
    "updated_at": "2022-08-22T14:31:00Z",
    "summary": "Sales &amp; profit rose",
    "content": "<p>Long</p>",
    "url": "https://example.com/1",
    "images": [],
    "symbols": ["AAPL", "SPY"],
    "source": "benzinga",
}
OLDER = {**STORY, "id": 2, "created_at": "2022-08-22T09:30:00-04:00", "headline": "Older", "summary": ""}


def no_warning(text: str) -> None:
    """Fail the test: nothing was to be said."""
    raise AssertionError(text)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([STORY, OLDER]),
        json.dumps({"news": [STORY, OLDER], "next_page_token": None}, indent=1),
        f"{json.dumps(STORY)}\n\n{json.dumps(OLDER)}\n",
        f"{json.dumps({'news': [STORY]})}\n{json.dumps({'news': [OLDER]})}\n",
        "\ufeff" + json.dumps([STORY, OLDER]),
    ],
)
def test_alpacas_stories_are_read_from_every_layout(tmp_path: Path, text: str) -> None:
    """Answers, lists, one story a line, one answer a line: the same stories, oldest first, as plain text."""
    (tmp_path / "news.json").write_text(text)
    older, story = load_news(tmp_path / "news.json", warn=no_warning)
    assert (older.headline, older.at) == ("Older", datetime(2022, 8, 22, 13, 30, tzinfo=UTC))
    assert older.summary == "Long"
    assert story.id == "24843171"
    assert story.at == datetime(2022, 8, 22, 13, 31, tzinfo=UTC), "when it was published, not when it was corrected"
    assert (story.headline, story.summary) == ("Apple's record quarter", "Sales & profit rose")
    assert (story.symbols, story.source, story.url) == (("AAPL", "SPY"), "benzinga", "https://example.com/1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no news"),
        ("[]", "holds no news"),
        ("{", "line 1: is not JSON"),
        ("[1]", "story 1: is int, not an object"),
        (json.dumps([{**STORY, "headline": " <b></b> "}]), "story 1: has no headline"),
        (json.dumps([{**STORY, "created_at": "soon"}]), "created_at 'soon' is no ISO time"),
        (json.dumps([{**STORY, "created_at": "2022-08-22T13:31:00"}]), "names no time zone; fix: write .*Z"),
        (json.dumps([{**STORY, "created_at": "0001-01-01T00:00:00+14:00"}]), "another age"),
        (json.dumps([STORY, {**STORY, "symbols": "AAPL"}]), "story 2: has no list of symbols"),
        (json.dumps([{**STORY, "id": None}]), "has no id"),
        (f"{json.dumps(STORY)}\nrubbish", "line 2: is not JSON"),
        ("[" * 100_000, "is JSON that cannot be read"),
    ],
)  # fmt: skip
def test_bad_json_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """The story and what is wrong with it; an empty file is no news, and that is an error."""
    (tmp_path / "news.json").write_text(text)
    with pytest.raises(DataError, match=says):
        load_news(tmp_path / "news.json")


def test_a_repeated_id_is_left_out_and_said(tmp_path: Path) -> None:
    """An id names one story: paging by id would break on two."""
    (tmp_path / "news.json").write_text(json.dumps([STORY, {**STORY, "headline": "Another"}, OLDER]))
    said: list[str] = []
    assert [item.headline for item in load_news(tmp_path / "news.json", warn=said.append)][
        -1
    ] == "Apple's record quarter"
    assert len(said) == 1
    assert "1 stories repeat the id" in said[0]


HEADER = "Publisher,Complete_Title,Abstract,Website,Time,Stock,Exact_Time"
ROW = 'Forbes,"Apple, again",Good &amp; well,https://example.com,1/14/2021,AAPL,10:05:00'


def table(tmp_path: Path, *rows: str, header: str = HEADER, name: str = "news.csv") -> Path:
    path = tmp_path / name
    path.write_text("\ufeff" + "\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table_of_headlines_is_read_in_new_york_time_with_a_warning(tmp_path: Path) -> None:
    """Times without a zone are assumed to be New York's, and that is said; repeated headlines are counted and kept."""
    said: list[str] = []
    items = load_news(table(tmp_path, ROW, ROW.replace("10:05", "9:05")), warn=said.append)
    assert [item.at for item in items] == [datetime(2021, 1, 14, hour, 5, tzinfo=UTC) for hour in (14, 15)]
    assert (items[0].headline, items[0].summary, items[0].source) == ("Apple, again", "Good & well", "Forbes")
    assert (items[0].symbols, items[0].id) == (("AAPL",), "3")
    assert any("America/New_York is assumed" in text for text in said)
    assert any("1 stories repeat the headline" in text for text in said)


def test_a_zone_that_is_told_is_not_warned_about(tmp_path: Path) -> None:
    """With the zone given there is nothing to assume."""
    (item,) = load_news(table(tmp_path, ROW), ZoneInfo("UTC"), no_warning)
    assert item.at == datetime(2021, 1, 14, 10, 5, tzinfo=UTC)


def test_of_two_instants_the_later_is_taken(tmp_path: Path) -> None:
    """News at an hour that happens twice must not be known an hour early."""
    (item,) = load_news(table(tmp_path, ROW.replace("1/14/2021", "11/7/2021").replace("10:05", "1:30")), warn=print)
    assert item.at == datetime(2021, 11, 7, 6, 30, tzinfo=UTC)


def test_other_headers_and_a_symbol_from_the_name_are_taken(tmp_path: Path) -> None:
    """One column with instants, no column of symbols: the file's name tells it."""
    path = table(tmp_path, "2022-08-22T13:30:00Z,News", header="created_at,title", name="TSLA_news.csv")
    (item,) = load_news(path, warn=no_warning)
    assert (item.symbols, item.headline, item.at.hour) == (("TSLA",), "News", 13)


@pytest.mark.parametrize(
    ("header", "row", "says"),
    [
        (HEADER, ROW.replace("10:05:00", "late"), "row 3: '1/14/2021 late' in column 'Time.Exact_Time' is no time"),
        (HEADER, ROW.replace('"Apple, again"', '""'), "row 3: has no headline"),
        (HEADER, ROW.replace('"', ""), "row 3: has 8 fields, the header has 7"),
        (HEADER, ROW.replace("AAPL", "a p p l e ?"), "row 3: '.*' is no symbol"),
        (HEADER, ROW.replace("AAPL", ""), "row 3: names no symbol"),
        (HEADER.replace("Complete_Title", "X"), ROW, "row 1: no column of headlines"),
        (HEADER.replace("Stock", "X"), ROW, "row 1: no column of symbols"),
        ("title,stock,volume", "a,AAPL,5", "no column of times"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path: Path, header: str, row: str, says: str) -> None:
    """File, row, and what is wrong."""
    good = ROW if len(header.split(",")) == 7 else row
    with pytest.raises(DataError, match=says):
        load_news(table(tmp_path, good, row, header=header), warn=print)


def test_a_story_of_a_hundred_kilobytes_is_read(tmp_path: Path) -> None:
    """Some exports carry whole articles; what is kept of them is short."""
    path = tmp_path / "AAPL_news.csv"
    path.write_text("title,date,abstract\nApple,2024-03-06T10:00:00Z," + "good " * 20_000 + "\n")
    (item,) = load_news(path)
    assert (item.headline, len(item.summary)) == ("Apple", 2000)

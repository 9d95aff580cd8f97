"""Reads news from disk: Alpaca's JSON (whole answers, lists, or one story a line), and CSV tables of headlines."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from ztrade.domain.plain_text import plain_text
from ztrade.domain.types import NewsItem
from ztrade.errors import DataError
from ztrade.exchange.bars.columns import TimeColumns, plain_name, time_candidates
from ztrade.exchange.bars.lines import open_text, rows_in
from ztrade.exchange.bars.source import SYMBOL, symbol_of_name
from ztrade.exchange.bars.stamps import FIRST_YEAR, LAST_YEAR, DateOrder, date_order, local_fault, read_stamp

#: US publishers and exchanges write this time; said in a warning wherever it is assumed
DEFAULT_ZONE = ZoneInfo("America/New_York")
#: of a story without a summary, so much of its content is taken
_CONTENT = 2_000
#: some exports carry whole articles; the csv module takes fields of 131,072 characters
_LONGEST_LINE = 500_000
#: characters of a headline or a summary
_LONGEST = 2_000

_NAMES: Mapping[str, tuple[str, ...]] = {
    "headline": ("headline", "title", "completetitle"),
    "summary": ("summary", "abstract", "description", "teaser", "text"),
    "source": ("source", "publisher", "author"),
    "url": ("url", "website", "link"),
    "symbols": ("symbols", "symbol", "stock", "stocks", "ticker", "tickers"),
    "id": ("id",),
}

_log = logging.getLogger(__name__)
Warn = Callable[[str], None]


def load_news(path: Path, tz: tzinfo | None = None, warn: Warn = _log.warning) -> Sequence[NewsItem]:
    """Return all stories of a file, oldest first.

    Args:
        path: a ``.json`` or ``.jsonl`` file of Alpaca's stories, or a CSV table with a column of headlines.
        tz: the zone of times that name none; America/New_York is assumed, with a warning, where it is None.
        warn: told, one sentence each, what was assumed, and how many stories repeat a headline (they are kept) or an id
            (they are left out, because an id names one story).

    Raises:
        DataError: the file cannot be used, with the row or story that is wrong.
    """
    items = list(_stories(path) if _is_json(path) else _table(path, tz, warn))
    if not items:
        raise DataError(str(path), "holds no news", fix="give a file with stories in it")
    single = {item.id: item for item in reversed(items)}
    if len(single) < len(items):
        warn(f"{path}: {len(items) - len(single)} stories repeat the id of an earlier one and are left out")
    repeated = sum(count - 1 for count in Counter(item.headline for item in single.values()).values())
    if repeated:
        warn(f"{path}: {repeated} stories repeat the headline of another one; they are kept")
    return sorted(single.values(), key=lambda item: item.at)


def _is_json(path: Path) -> bool:
    with open_text(path) as handle:
        return handle.read(256).lstrip()[:1] in ("{", "[")


def _stories(path: Path) -> Iterator[NewsItem]:
    for number, story in enumerate(_objects(path), start=1):
        where = f"{path}, story {number}"
        if not isinstance(story, dict):
            raise DataError(where, f"is {type(story).__name__}, not an object", fix="give Alpaca's stories")
        yield _story(where, story)


def _objects(path: Path) -> Iterator[object]:
    """Yield the stories of a whole JSON document, or of one document a line; answers of Alpaca hold pages of them."""
    with open_text(path) as handle:
        text = handle.read()
    try:
        yield from _unpacked(json.loads(text))
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise DataError(f"{path}, line {error.lineno}", f"is not JSON: {error.msg}", fix="mend the file") from error
        yield from _line_objects(path, text)
    except (ValueError, RecursionError) as error:
        raise DataError(str(path), f"is JSON that cannot be read: {error}", fix="give Alpaca's stories") from error


def _line_objects(path: Path, text: str) -> Iterator[object]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield from _unpacked(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}, line {number}", f"is not JSON: {error}", fix="mend the line") from error


def _unpacked(document: object) -> Sequence[object]:
    if isinstance(document, dict) and isinstance(document.get("news"), list):
        document = document["news"]
    return document if isinstance(document, list) else [document]


def _story(where: str, story: Mapping[str, object]) -> NewsItem:
    symbols = story.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(one, str) for one in symbols):
        raise DataError(where, "has no list of symbols", fix='add "symbols": ["AAPL"]')
    if not story.get("id"):
        raise DataError(where, "has no id", fix='add "id", a number')
    content = plain_text(_text(story, "content"), _CONTENT)
    return NewsItem(
        id=str(story["id"]),
        at=_created(where, _text(story, "created_at")),
        headline=_headline(where, _text(story, "headline")),
        summary=plain_text(_text(story, "summary"), _LONGEST) or content,
        source=_text(story, "source"),
        symbols=tuple(symbols),
        url=_text(story, "url"),
    )


def _text(story: Mapping[str, object], key: str) -> str:
    value = story.get(key)
    return value if isinstance(value, str) else ""


def _headline(where: str, text: str) -> str:
    headline = plain_text(text, _LONGEST)
    if not headline:
        raise DataError(where, "has no headline", fix="give it one, or take the story out")
    return headline


def _created(where: str, text: str) -> datetime:
    """Return when a story was published; a later correction does not make it younger."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(where, f"created_at {text[:40]!r} is no ISO time", fix="write 2022-08-22T13:30:00Z") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise DataError(where, f"created_at {text!r} is in another age", fix=f"give {FIRST_YEAR} to {LAST_YEAR}")
    if at.tzinfo is None:
        raise DataError(where, f"created_at {text!r} names no time zone", fix=f"write {text}Z if it is UTC")
    return at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a CSV table holds what."""

    path: Path
    places: Mapping[str, int]
    time: TimeColumns
    symbols: tuple[str, ...]

    def text(self, fields: Sequence[str], role: str) -> str:
        place = self.places.get(role)
        return fields[place].strip() if place is not None else ""


def _table(path: Path, tz: tzinfo | None, warn: Warn) -> Iterator[NewsItem]:
    with open_text(path) as handle:
        rows = list(rows_in(path, handle, longest=_LONGEST_LINE))
    if len(rows) < 2:
        raise DataError(str(path), "holds no news", fix="give a CSV file with a header and stories, or Alpaca's JSON")
    header, rows = rows[0][1], rows[1:]
    layout = _layout(path, header, [fields for _, fields in rows[:40]])
    for number, fields in rows:
        if len(fields) != len(header):
            what = f"has {len(fields)} fields, the header has {len(header)}"
            raise DataError(f"{path}, row {number}", what, fix="quote texts that hold commas")
    stamps = _stamps(layout, rows, tz, warn)
    for (number, fields), at in zip(rows, stamps, strict=True):
        yield _row(layout, number, fields, at)


def _layout(path: Path, header: Sequence[str], sample: Sequence[list[str]]) -> _Layout:
    plain = [plain_name(name) for name in header]
    found = {role: next((plain.index(one) for one in names if one in plain), None) for role, names in _NAMES.items()}
    places = {role: place for role, place in found.items() if place is not None}
    free = [place for place in range(len(header)) if place not in places.values()]
    times = time_candidates(header, sample, free)
    if "headline" not in places or not times:
        missing = (
            "headlines (headline or title)" if "headline" not in places else "times (created_at, or date and time)"
        )
        raise DataError(f"{path}, row 1", f"no column of {missing} among {', '.join(header)[:200]}", fix="name it so")
    symbol = symbol_of_name(path)
    if "symbols" not in places and not symbol:
        raise DataError(
            f"{path}, row 1", "no column of symbols", fix="add a column `symbols`, or name it AAPL_news.csv"
        )
    return _Layout(path, places, times[0], (symbol,) if symbol else ())


def _row(layout: _Layout, number: int, fields: Sequence[str], at: datetime) -> NewsItem:
    where = f"{layout.path}, row {number}"
    return NewsItem(
        id=layout.text(fields, "id") or str(number),
        at=at,
        headline=_headline(where, layout.text(fields, "headline")),
        summary=plain_text(layout.text(fields, "summary"), _LONGEST),
        source=layout.text(fields, "source"),
        symbols=_symbols(where, layout, fields),
        url=layout.text(fields, "url"),
    )


def _symbols(where: str, layout: _Layout, fields: Sequence[str]) -> tuple[str, ...]:
    if "symbols" not in layout.places:
        return layout.symbols
    found = tuple(one.upper() for one in re.split(r"[\s,;|'\"\[\]]+", layout.text(fields, "symbols")) if one)
    wrong = [one for one in found if not SYMBOL.fullmatch(one)]
    if wrong or not found:
        what = f"{wrong[0][:40]!r} is no symbol" if wrong else "names no symbol"
        raise DataError(where, what, fix="write symbols like AAPL, or AAPL;TSLA")
    return found


def _stamps(
    layout: _Layout, rows: Sequence[tuple[int, list[str]]], tz: tzinfo | None, warn: Warn
) -> Iterator[datetime]:
    texts = [layout.time.text(fields) for _, fields in rows]
    order = date_order(texts) or DateOrder.MONTH_FIRST
    stamps = [read_stamp(text, order) for text in texts]
    if tz is None and any(stamp is not None and stamp.tzinfo is None for stamp in stamps):
        warn(f"{layout.path}: times like {texts[0]!r} name no time zone; {DEFAULT_ZONE} is assumed")
    for (number, _), text, stamp in zip(rows, texts, stamps, strict=True):
        if stamp is None:
            what = f"{text[:40]!r} in column {layout.time.name!r} is no time"
            raise DataError(f"{layout.path}, row {number}", what, fix="write it like 2022-08-22 09:30:00")
        yield _instant(stamp, tz or DEFAULT_ZONE)


def _instant(stamp: datetime, zone: tzinfo) -> datetime:
    if stamp.tzinfo is None:
        # of two instants with one name the later is taken: news must never be known before it was
        stamp = stamp.replace(tzinfo=zone, fold=1 if local_fault(stamp, zone) else 0)
    return stamp.astimezone(UTC)

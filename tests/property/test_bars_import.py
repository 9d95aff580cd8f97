"""Whatever a file holds: each row is accounted for, and nothing but one clear error is ever raised."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bars.days import CALENDAR, OURS, ours, starts
from ztrade.errors import ConfigError, DataError
from ztrade.exchange.bars import load_directory, load_news
from ztrade.exchange.bars.figures import read_number
from ztrade.exchange.bars.importer import import_bars
from ztrade.exchange.bars.records import Conflict, Label, Options, Report
from ztrade.exchange.bars.stamps import DateOrder, read_stamp, zone_named
from ztrade.exchange.bars.writing import write_report

DAY = ours(starts())
FIELD = st.sampled_from(
    ["", "nan", "-1", "0", "1e999", "1.64E+12", "2022-08-22T13:30:00Z", "2022-08-27T14:00:00Z", "x", "SPY"]
)
CELLS = st.lists(st.tuples(st.integers(0, 77), st.integers(0, 6), FIELD), max_size=12)
HEADERS = st.sampled_from([
    OURS, "date,open,high,low,close,volume,datetime", "Date;Time;Open;High;Low;Close;Volume", "title,date,stock", "",
])  # fmt: skip
OPTIONS = st.builds(
    Options,
    zone=st.sampled_from([None, ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")]),
    label=st.sampled_from([None, *Label]),
    symbol=st.sampled_from([None, "SPY"]),
    keep_off_session=st.booleans(),
    conflict=st.sampled_from(Conflict),
    order=st.sampled_from([None, *DateOrder]),
    comma=st.sampled_from([None, True, False]),
)


def _spoiled(cells: list[tuple[int, int, str]]) -> list[str]:
    rows = [line.split(",") for line in DAY]
    for row, column, text in cells:
        rows[row][column] = text
    return [",".join(row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(
    cells=CELLS,
    order=st.randoms(use_true_random=False),
    doubled=st.lists(st.integers(0, 77), max_size=8),
    options=OPTIONS,
)
def test_every_row_is_written_or_listed(
    cells: list[tuple[int, int, str]], order: Random, doubled: list[int], options: Options
) -> None:
    """Shuffled, repeated and spoiled rows: rows in = written + duplicates + rejected, and the output can be read."""
    lines = _spoiled(cells)
    lines += [lines[row] for row in doubled]
    order.shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "SPY.csv", Path(folder) / "out"
        source.write_text("\n".join([OURS, *lines]) + "\n")
        try:
            report = import_bars([source], options, CALENDAR)
        except DataError:
            return
        _check_accounts(report, len(lines), out)


def _check_accounts(report: Report, lines: int, out: Path) -> None:
    accounted = sum(len(one.rows) + len(one.rejected) for one in report.series) + len(report.loose)
    assert accounted == lines
    numbers = [row.number for one in report.series for row in one.rows]
    numbers += [row.number for one in report.series for row in one.rejected]
    numbers += [row.number for row in report.loose]
    assert sorted(numbers) == list(range(2, lines + 2))
    for one in report.series:
        written = [row.start for row in one.rows]
        assert written == sorted(set(written))
    write_report(report, out)
    for one in report.series:
        if len(one.rows) > 1:
            read = load_directory(out / f"{one.symbol}.csv", calendar=CALENDAR).bars(one.symbol)
            assert list(read.start) == [row.start for row in one.rows]
            assert list(read.close) == [row.prices.close for row in one.rows]


def _only_one_error(content: bytes, name: str, use: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        said = _refusal(path, use)
        # the file by its path, or a symbol, which may come from several files
        assert said == "" or folder in said or re.match(r"[A-Z][A-Z0-9./-]*[:,] ", said)
        assert "\n" not in said


def _refusal(path: Path, use: Callable[[Path], object]) -> str:
    try:
        use(path)
    except ConfigError as error:
        return str(error)
    return ""


CONTENT = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda header, text: f"{header}\n{text}".encode("utf-8", "replace"), HEADERS, st.text(max_size=300)
    ),
    st.builds(lambda header, cells: "\n".join([header, *_spoiled(cells)]).encode(), HEADERS, CELLS),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(content=CONTENT, name=st.sampled_from(["SPY.csv", "SPY.csv.gz", "SPY.txt"]), options=OPTIONS)
def test_no_content_breaks_the_readers(content: bytes, name: str, options: Options) -> None:
    """Any bytes at all are read, or refused by an error that names the file or the symbol, in one line."""
    _only_one_error(content, name, lambda path: load_directory(path, calendar=CALENDAR))
    _only_one_error(content, name, lambda path: import_bars([path], options, CALENDAR))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("2022-08-22T13:30:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["news", "id", "headline", "symbols", "created_at", "summary"]), inner, max_size=6
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(content=CONTENT | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_content_breaks_the_news(content: bytes) -> None:
    """Any bytes, and any JSON, give stories or one error."""
    _only_one_error(content, "SPY_news.csv", lambda path: load_news(path, warn=lambda _: None))


@settings(max_examples=300)
@given(text=st.text(max_size=40) | st.from_regex(r"[0-9TZ :./,;+\-EAPMU]{0,30}", fullmatch=True))
def test_texts_are_numbers_and_times_or_nothing(text: str) -> None:
    """No text makes the parsers raise anything but the refusal they promise."""
    for order in DateOrder:
        read_stamp(text, order)
    with suppress(ValueError):
        value, plain = read_number(text)
        assert float(plain) == value
    with suppress(ConfigError):
        zone_named(text)

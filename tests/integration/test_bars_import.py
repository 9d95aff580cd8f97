"""``ztrade bars`` on made-up files, and on the recorded sets with every fault that is known of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.bars.days import OURS, PRICES, local, ours, starts, write
from ztrade.adapters.calendar import NyseCalendar
from ztrade.cli.main import cli
from ztrade.errors import DataError
from ztrade.exchange.bars import load_directory, load_news

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PACIFIC = DATA / "bars" / "2022-5min"
MINUTES = DATA / "bars" / "2019-1min"
needs_data = [pytest.mark.data, pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")]


def invoke(*words: object) -> Result:
    """Run a command line."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def run(*words: object) -> int:
    """Run a command line and return its exit code."""
    return invoke(*words).exit_code


def refused(*words: object) -> str:
    """Run a command line that must exit 2; return what it said."""
    result = invoke(*words)
    assert result.exit_code == 2
    return result.stderr


def report(*words: object) -> tuple[int, Any]:
    """Run a command line with --json; return its exit code and what it printed."""
    result = invoke(*words, "--json")
    return result.exit_code, json.loads(result.stdout)


def findings(told: Any, symbol: str) -> dict[str, Any]:
    """Return the findings of a symbol by kind."""
    (one,) = [entry for entry in told["symbols"] if entry["symbol"] == symbol]
    return {finding["kind"]: finding for finding in one["findings"]}


def totals(told: Any) -> dict[str, tuple[int, ...]]:
    keys = ("rows_in", "written", "duplicates", "rejected")
    return {one["symbol"]: tuple(one[key] for key in keys) for one in told["symbols"]}


def test_a_clean_file_exits_0(tmp_path: Path) -> None:
    """Nothing wrong: exit 0, one file, and `bars check` agrees."""
    source = write(tmp_path, "SPY.csv", OURS, ours(starts()))
    result = invoke("bars", "import", source, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["SPY.csv"]
    assert "no faults found" in result.stdout
    assert run("bars", "check", tmp_path / "out") == 0


def test_faults_exit_1_and_are_shown_with_rows(tmp_path: Path) -> None:
    """The table names fault, count and row; the rejected rows lie beside the output."""
    source = write(tmp_path, "SPY.csv", OURS, [*ours(starts()), *ours(starts()[:1])])
    result = invoke("bars", "import", source, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "exact duplicate" in result.stdout
    assert "SPY.csv row 80" in result.stdout
    assert (tmp_path / "out" / "SPY.rejected.csv").exists()
    assert run("bars", "check", tmp_path / "out") == 0


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """The same report and exit code, no file."""
    source = write(tmp_path, "SPY.csv", OURS, [*ours(starts()), *ours(starts()[:1])])
    assert run("bars", "import", source, "--out", tmp_path / "out", "--dry-run") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--tz", "Mars/Olympus"], "--tz: 'Mars/Olympus' is no time zone"),
        (["--label", "middle"], "'middle' is not one of 'start', 'end'"),
        (["--span", "2m"], "'2m' is not one of '1m', '5m'"),
        (["--symbol", "S P Y"], "--symbol: 'S P Y' is no symbol"),
        (["--timestamp", "nope"], "has no column 'nope'"),
        ([], "name no time zone"),
        (["--tz", "America/New_York", "--decimal", "comma"], "none of its rows can be used: nothing was written"),
    ],
)
def test_unusable_input_exits_2_and_writes_nothing(tmp_path: Path, words: list[str], says: str) -> None:
    """One message on stderr, and no output directory."""
    lines = [f"{text},100.25,101.25,99.25,100.5,1000" for text in local(starts())]
    source = write(tmp_path, "SPY.csv", "date,open,high,low,close,volume", lines)
    result = invoke("bars", "import", source, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_missing_arguments_and_places_exit_2(tmp_path: Path) -> None:
    """No source, no out, no such file, out among the sources, out in use."""
    source = write(tmp_path, "SPY.csv", OURS, ours(starts()))
    assert run("bars", "import", source) == 2
    assert run("bars", "import", "--out", tmp_path / "out") == 2
    assert run("bars", "import", tmp_path / "none.csv", "--out", tmp_path / "out") == 2
    assert run("bars", "import", tmp_path, "--out", tmp_path) == 2
    assert run("bars", "import", source, "--out", tmp_path) == 2
    assert run("bars", "check", tmp_path / "none") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["SPY.csv"]
    assert run("bars", "import", source, "--out", tmp_path / "out") == 0
    again = invoke("bars", "import", source, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "already holds SPY.csv" in again.stderr
    assert run("bars", "import", source, "--out", tmp_path / "out", "--force") == 0


def test_named_columns_and_split_dates_are_taken(tmp_path: Path) -> None:
    """Every column can be named on the command line."""
    lines = [f"{text.replace(' ', ',')},{PRICES}" for text in local(starts())]
    source = write(tmp_path, "x1.csv", "Tag,Uhr,A,B,C,D,E", lines)
    words = "--tz America/New_York --symbol spy --timestamp Tag --timestamp Uhr"
    words += " --open A --high B --low C --close D --volume E"
    code, told = report("bars", "import", source, "--out", tmp_path / "out", *words.split())
    assert (code, totals(told)) == (0, {"SPY": (78, 78, 0, 0)})
    assert told["sources"][0]["time_column"] == "Tag+Uhr"


@pytest.fixture(scope="module")
def pacific(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Return where the five-minute set was imported to, and what was told: once, it is 64,000 rows."""
    out = tmp_path_factory.mktemp("bars") / "2022"
    code, told = report("bars", "import", PACIFIC, "--out", out, "--tz", "America/Los_Angeles")
    assert code == 1
    return out, told


class TestFiveMinutesOf2022:
    """Every fault that the set's description lists, and those it does not."""

    pytestmark = needs_data

    def test_naive_pacific_stamps_need_a_zone_and_it_is_guessed(self, tmp_path: Path) -> None:
        """AAPL's local times cannot be read without --tz; the right zone is suggested, a wrong one refused."""
        assert "add --tz America/Los_Angeles (a guess" in refused("bars", "import", PACIFIC, "--out", tmp_path / "x")
        assert "give --tz America/Los_Angeles" in refused(
            "bars", "import", PACIFIC / "AAPL_5m.csv", "--out", tmp_path / "x", "--tz", "America/New_York"
        )

    def test_the_mangled_stamps_of_aapl_are_reported(self, pacific: tuple[Path, Any]) -> None:
        """The column of epochs is spoiled in AAPL only, and there the local column is used."""
        sources = {Path(one["file"]).name: one for one in pacific[1]["sources"]}
        assert sources["AAPL_5m.csv"]["time_column"] == "date"
        (finding,) = sources["AAPL_5m.csv"]["findings"]
        assert (finding["kind"], finding["count"]) == ("mangled stamp", 14_898)
        assert "row 2: '1.64E+12'" in finding["examples"]
        for name in ("SPY_5m.csv", "TSLA_5m.csv"):
            assert (sources[name]["time_column"], sources[name]["findings"]) == ("datetime", [])

    def test_every_row_is_accounted_for(self, pacific: tuple[Path, Any]) -> None:
        """Rows in = written + duplicates + rejected."""
        counted = totals(pacific[1])
        assert counted == {
            "AAPL": (18_564, 18_259, 269, 36),
            "SPY": (26_988, 26_376, 579, 33),
            "TSLA": (18_408, 18_103, 269, 36),
        }
        assert all(rows == written + doubled + lost for rows, written, doubled, lost in counted.values())

    def test_duplicates_truncation_early_close_and_the_missing_day_are_reported(
        self, pacific: tuple[Path, Any]
    ) -> None:
        """In every symbol, with the days that the description names."""
        told = pacific[1]
        for symbol in ("AAPL", "SPY", "TSLA"):
            found = findings(told, symbol)
            assert found["exact duplicate"]["count"] in (269, 579)
            assert "conflicting duplicate" not in found
            assert found["truncated day"]["examples"][0].startswith("2022-11-23: ")
            assert "2022-11-25 13:00" in found["after the early close"]["examples"][0]
            assert found["disorder"]["count"] in (4, 8)
            assert ("missing session" in found) is (symbol == "SPY")
        assert findings(told, "SPY")["missing session"]["examples"] == ["2023-02-10"]

    def test_the_split_adjustment_of_tsla_is_reported(self, pacific: tuple[Path, Any]) -> None:
        """Its prices before 2022-08-25 are thirds; the others' are quotes."""
        told = pacific[1]
        detail = findings(told, "TSLA")["adjusted prices suspected"]["detail"]
        assert "up to 2022-08-24" in detail
        assert "3:1 split" in detail
        assert "adjusted prices suspected" not in findings(told, "AAPL") | findings(told, "SPY")

    def test_what_was_written_is_what_the_exchange_reads(self, pacific: tuple[Path, Any]) -> None:
        """The strict reader takes it with the calendar; instants and prices are those of the source."""
        tape = load_directory(pacific[0], calendar=NyseCalendar())
        assert {symbol: len(tape.bars(symbol)) for symbol in tape.symbols()} == {
            "AAPL": 18_259, "SPY": 26_376, "TSLA": 18_103,
        }  # fmt: skip
        bars = tape.bars("SPY")
        assert (bars.start[0], bars.open[0], bars.volume[0]) == (1_644_849_000, 439.92, 2_135_774)
        bars = tape.bars("AAPL")
        assert (bars.start[0], bars.open[0], bars.close[0]) == (1_643_812_200, 174.75, 175.1049)

    def test_the_rejected_rows_hold_all_that_is_missing(self, pacific: tuple[Path, Any]) -> None:
        """Row numbers of the source: each is in the output, or listed."""
        with (pacific[0] / "SPY.rejected.csv").open() as handle:
            listed = {int(row["row"]) for row in csv.DictReader(handle)}
        written = (pacific[0] / "SPY.csv").read_text().count("\n") - 1
        assert len(listed) + written == 26_988
        assert run("bars", "check", pacific[0]) == 1


class TestMinutesOf2019:
    """Newest first, New York time, bar ends, a few minutes missing."""

    pytestmark = needs_data

    def test_zone_and_label_are_asked_for_with_the_right_guess(self, tmp_path: Path) -> None:
        """Neither is assumed: a wrong label would show each bar before it happened."""
        assert "add --tz America/New_York (a guess" in refused("bars", "import", MINUTES, "--out", tmp_path / "x")
        assert "add --label end" in refused(
            "bars", "import", MINUTES, "--out", tmp_path / "x", "--tz", "America/New_York"
        )

    def test_all_faults_are_reported(self, tmp_path: Path) -> None:
        """Newest first in all, 2 minutes missing in AAPL and 4 in TSLA, none in SPY; no row lost."""
        words = ("--out", tmp_path / "out", "--tz", "America/New_York", "--label", "end")
        code, told = report("bars", "import", MINUTES, *words)
        assert code == 1
        assert totals(told) == {"AAPL": (1948, 1948, 0, 0), "SPY": (1950, 1950, 0, 0), "TSLA": (1946, 1946, 0, 0)}
        assert all("newest first" in findings(told, symbol)["disorder"]["detail"] for symbol in ("AAPL", "SPY", "TSLA"))
        gaps = {symbol: findings(told, symbol).get("gap", {"count": 0})["count"] for symbol in ("AAPL", "SPY", "TSLA")}
        assert gaps == {"AAPL": 2, "SPY": 0, "TSLA": 4}
        tape = load_directory(tmp_path / "out", calendar=NyseCalendar())
        bars = tape.bars("SPY")
        assert (bars.start_at(0).isoformat(), bars.span.total_seconds()) == ("2019-02-11T14:30:00+00:00", 60)
        assert bars.open[0] == 271.19

    @pytest.mark.parametrize("folder", [PACIFIC, MINUTES])
    def test_the_reader_names_the_command(self, folder: Path) -> None:
        """Pointed at the sets themselves, the strict reader tells how to import them."""
        with pytest.raises(DataError, match=rf"run: ztrade bars import {folder} --out {folder.name}-imported --tz "):
            load_directory(folder)


class TestOtherRecordedFiles:
    """Daily bars, and the news."""

    pytestmark = needs_data

    def test_daily_bars_are_refused_by_name(self, tmp_path: Path) -> None:
        """They cannot be traded within the day."""
        assert "these are daily bars" in refused("bars", "import", DATA / "daily", "--out", tmp_path / "x")

    def test_the_news_come_through_with_their_faults_said(self) -> None:
        """The mark is no part of the header, 57 titles repeat, the zone is assumed."""
        said: list[str] = []
        items = load_news(DATA / "news" / "AAPL_news.csv", warn=said.append)
        assert len(items) == 2139
        assert len({item.id for item in items}) == 2139
        assert any("57 stories repeat the headline" in text for text in said)
        assert any("America/New_York is assumed" in text for text in said)
        assert all(item.symbols == ("AAPL",) and item.headline for item in items)
        assert [item.at for item in items] == sorted(item.at for item in items)

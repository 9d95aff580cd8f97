"""Which days ``ztrade backtest --bars`` runs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.bars.days import OURS, ours, starts, write
from ztrade.cli.main import cli


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--from 2024-02-02 --to 2024-02-06", "--from: 2024-02-02 lies after the last bar, of 2022-08-23"),
        ("--from 2024-02-02", "--from: 2024-02-02 lies after the last bar, of 2022-08-23"),
        ("--from 2020-01-02 --to 2020-02-03", "--to: 2020-02-03 lies before the first bar, of 2022-08-22"),
        ("--from 2022-08-23 --to 2022-08-22", "--to: 2022-08-22 lies before the first day 2022-08-23"),
    ],
)
def test_days_that_the_bars_do_not_reach_are_refused(tmp_path: Path, words: str, says: str) -> None:
    """One line and exit 2, not a table of agents that held all the time."""
    days = [date(2022, 8, 22), date(2022, 8, 23)]
    path = write(tmp_path, "SPY.csv", OURS, [line for day in days for line in ours(starts(day))])
    result = CliRunner().invoke(cli, ["backtest", "--bars", str(path), *words.split()])
    assert result.exit_code == 2
    assert says in result.stderr

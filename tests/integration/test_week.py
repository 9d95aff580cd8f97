"""Real days through the whole stack: the demo's workers decide, trade and end as a backtest of the same bars does."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import ZTRADE, import_recorded, needs_bars
from tests.integration.test_demo import books, check_books, environment, left_over, run

NEWS = Path(__file__).parents[3] / "shared" / "data" / "news" / "AAPL_news.csv"
pytestmark = [*needs_bars, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("stack")]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path, because unix sockets have little room, and with the recorded bars in ``bars``."""
    path = Path(tempfile.mkdtemp(prefix="zt-"))
    import_recorded(path / "bars")
    yield path
    for process in left_over(path):
        process.kill()
    shutil.rmtree(path, ignore_errors=True)


def backtested(folder: Path, *arguments: str) -> Any:
    """Run ``ztrade backtest`` on the same bars and return what it wrote."""
    path = folder / "backtest.json"
    command = [ZTRADE, "backtest", "--bars", str(folder / "bars"), *arguments, "--json", str(path)]
    subprocess.run(command, check=True, env=environment(), capture_output=True, timeout=300)
    return json.loads(path.read_text())


def check_same_path(one: Any, other: Any) -> None:
    """Compare every slot's outcome, reason and numbers, every fill, and the money at the end."""
    slot_keys = ("slot", "agent", "outcome", "reason", "score", "confidence", "order_ids")
    fill_keys = ("at", "agent", "leg", "symbol", "side", "qty", "price")
    for part, keys in (("slots", slot_keys), ("fills", fill_keys)):
        assert rows(one[part], keys) == rows(other[part], keys)
    for money in ("cash", "equity"):
        assert Decimal(one[money]) == Decimal(other[money])


def rows(records: Any, keys: tuple[str, ...]) -> list[list[Any]]:
    values = ([Decimal(r[key]) if key in {"qty", "price"} else r[key] for key in keys] for r in records)
    return sorted(values, key=str)


def test_the_week_through_real_workers_takes_the_path_of_its_backtest(place: Path) -> None:
    """No missed slot, books equal to the cent, entries and exits for each agent, and not one number differs."""
    slots = Counter(spy=385, tsla=385, aapl=30)
    code, output = run(place, "--bars", str(place / "bars"), "--once", "2022-08-22..2022-08-26", "--speed", "max")
    assert code == 0, output
    record = books(place)
    check_books(record, slots)
    check_same_path(record["journal"], backtested(place, "--from", "2022-08-22", "--to", "2022-08-26"))
    sides = {(fill["agent"], fill["side"]) for fill in record["journal"]["fills"]}
    assert sides == {(agent, side) for agent in slots for side in ("buy", "sell")}


def test_the_half_day_with_news_of_another_year(place: Path) -> None:
    """41 slots and 3: the same path, and stories that are a year old weigh nothing: the technicals weigh 1."""
    code, output = run(place, "--bars", str(place / "bars"), "--news", str(NEWS), "--once", "2022-11-25")
    assert code == 0, output
    record = books(place)
    check_books(record, Counter(spy=41, tsla=41, aapl=3))
    check_same_path(record["journal"], backtested(place, "--from", "2022-11-25", "--to", "2022-11-25"))
    weighed = [slot["reason"] for slot in record["journal"]["slots"] if "technical" in slot["reason"]]
    assert weighed
    assert all("x 1.00" in reason and "sentiment" not in reason for reason in weighed)

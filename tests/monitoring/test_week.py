"""A week of normal trading, its metrics at exchange time, under every rule: not one alert.

Without the pauses that rules make before they are alerts: what is wrong in one look only would be told.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.needs import needs
from tests.monitoring.prometheus import OPS
from tests.monitoring.week import Recorded, Week, rule_test, series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
RULES = sorted((OPS / "prometheus" / "rules").glob("*.yml"))


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorded, int]:
    """Give what was told of the week, and how often."""
    made = Week(tmp_path_factory.mktemp("week"), seed=7)
    recorded = made.record()
    assert made.entries > 4, "a week without trades proves little"
    return recorded, made.steps


def impatient(folder: Path) -> list[Path]:
    """Return copies of the rules that wait for nothing."""
    for path in RULES:
        text = re.sub(r"^( +for:) \w+$", r"\1 0s", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (folder / path.name).write_text(text, encoding="utf-8")
    return [folder / path.name for path in RULES]


def told(folder: Path, recorded: Recorded, steps: int) -> str:
    """Return what promtool says of the alerts that fired in that time, empty where none did."""
    needs("promtool")
    path = folder / "week.test.yml"
    path.write_text(yaml.safe_dump(rule_test(recorded, impatient(folder), steps)), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_not_one_alert_in_a_week_with_a_holiday_a_half_day_and_a_weekend(
    week: tuple[Recorded, int], tmp_path: Path
) -> None:
    """2,016 looks: nights, opens, closes, entries, exits, a holiday."""
    recorded, steps = week
    assert steps == 7 * 24 * 12
    assert told(tmp_path, recorded, steps) == ""


def test_a_silent_agent_in_it_is_told(week: tuple[Recorded, int], tmp_path: Path) -> None:
    """The recording is not deaf: of the first two days, one look at two slots without success of one agent."""
    days = {name: list(values)[: 2 * 288] for name, values in week[0].items()}
    days[series("ztrade_agent_slots_without_success", ("spy",))][(24 + 17) * 12] = 2.0
    assert "AgentSilent" in told(tmp_path, days, 2 * 288)

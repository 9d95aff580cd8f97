"""Alertmanager's files by amtool: they are taken, alerts go where they should, and the texts are short."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.needs import needs
from tests.monitoring.prometheus import OPS
from tests.monitoring.rule_files import ALERTS, NAMES
from tests.monitoring.world import SOURCES
from ztrade.adapters.halts import ALL

FOLDER = OPS / "alertmanager"
CONFIG = FOLDER / "alertmanager.yml"
#: in text for people
WITHOUT_MAIL = "sed -i '/# e-mail$/d'"


def amtool(*arguments: str | Path, check: bool = True) -> str:
    """Return what amtool said."""
    needs("amtool")
    done = subprocess.run(["amtool", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("mail", [True, False], ids=["as shipped", "without mail"])
def test_the_configuration_is_taken(mail: bool, tmp_path: Path) -> None:
    """As it is shipped, and with the lines on e-mail taken out as its first lines tell."""
    shutil.copytree(FOLDER, tmp_path / "am")
    config = tmp_path / "am/alertmanager.yml"
    assert WITHOUT_MAIL in config.read_text(encoding="utf-8")
    if not mail:
        subprocess.run(["bash", "-ec", f"{WITHOUT_MAIL} {config}"], check=True)
        assert "smtp" not in config.read_text(encoding="utf-8")
    said = amtool("check-config", config)
    assert "1 templates" in said


def test_a_mistake_would_be_seen(tmp_path: Path) -> None:
    """The check can fail: a template that does not end."""
    shutil.copytree(FOLDER, tmp_path / "am")
    with (tmp_path / "am/templates/ztrade.tmpl").open("a", encoding="utf-8") as file:
        file.write("{{ if }}")
    assert "FAILED" in amtool("check-config", tmp_path / "am/alertmanager.yml", check=False)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_goes_where_its_severity_says(name: str) -> None:
    """Critical: now, by mail too; warning: today; helpers: nobody; the watchdog: the dead man's switch."""
    (rule, *_) = (rule for rule in ALERTS if rule.name == name)
    receivers = {"critical": "now", "warning": "today", "none": "nobody"}
    wanted = "dead-mans-switch" if name == "Watchdog" else receivers[rule.labels["severity"]]
    labels = [f"{label}={value}" for label, value in {"alertname": name, **rule.labels}.items()]
    test = ("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={wanted}")
    amtool(*test, *labels)


def test_a_stranger_is_not_lost() -> None:
    """An alert of no severity that we know is told today."""
    assert "today" in amtool("config", "routes", "test", f"--config.file={CONFIG}", "alertname=Hello")


def _config() -> Mapping[str, Any]:
    read: Mapping[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return read


def test_no_secret_is_in_the_file() -> None:
    """Each is a file's name."""
    text = CONFIG.read_text(encoding="utf-8")
    assert "hooks.slack.com" not in text
    assert not re.search(r"^\s*(api_url|slack_api_url|smtp_auth_password|auth_password):", text, re.MULTILINE)


def test_what_silences_and_is_silenced_exists() -> None:
    """A matcher over a name that no alert has does nothing, without a word."""
    for rule in _config()["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, operator, value = re.split(r"\s*(!~|=~|!=|=)\s*", matcher, maxsplit=1)
            values = set(value.split("|")) if "~" in operator else {value}
            known = {"alertname": set(NAMES), "source": set(SOURCES), "agent": {ALL}}
            assert values <= known[label], matcher
        assert "instance" in rule["equal"], "one machine's trouble silences no other's"


def _silenced(source: str) -> set[str]:
    found: set[str] = set()
    for rule in _config()["inhibit_rules"]:
        sources, targets = _alerts(rule["source_matchers"]), _alerts(rule["target_matchers"])
        found |= targets if source in sources else set()
    return found


def _alerts(matchers: Sequence[str]) -> set[str]:
    found = set(NAMES)
    for matcher in matchers:
        label, operator, value = re.split(r"\s*(!~|=~|!=|=)\s*", matcher, maxsplit=1)
        if label == "alertname":
            matching = {name for name in NAMES if re.fullmatch(value, name)}
            found &= matching if operator in ("=", "=~") else set(NAMES) - matching
    return found


@pytest.mark.parametrize("name", ["OrderUnknown", "BooksDiffer", "PositionUnprotected"])
def test_what_is_about_money_is_nobodys_consequence(name: str) -> None:
    """However much is down."""
    assert not [source for source in NAMES if name in _silenced(source)]


def test_redis_silences_its_consequences() -> None:
    """And not what it does not cause."""
    assert {"AgentSilent", "BeatStalled", "QueueOld", "WorkerDeaf"} <= _silenced("RedisDown")
    assert not {"AgentAbsent", "KeeperDown", "ExchangeDown", "AgentReducing"} & _silenced("RedisDown")


def test_a_redis_that_is_nearly_full_silences_nothing() -> None:
    """It works; what a full one keeps from agents is CauseKnown's to say."""
    assert _silenced("RedisNearlyFull") == set()


def test_one_accounts_exchange_silences_no_other_accounts_agents() -> None:
    """AgentSilent has no account: that an exchange explains it is told by CauseKnown, agent by agent."""
    assert "AgentSilent" not in _silenced("ExchangeDown")
    assert "AgentSilent" in _silenced("CauseKnown")
    (skew,) = (rule for rule in _config()["inhibit_rules"] if rule["target_matchers"] == ["alertname = ClockSkew"])
    assert skew["equal"] == ["instance", "account"]


# -- texts -------------------------------------------------------------------------------------------------------------
def alert(summary: str, status: str = "firing", **labels: str) -> dict[str, Any]:
    """Return an alert as Alertmanager hands it to a template."""
    return {
        "status": status,
        "labels": labels,
        "annotations": {"summary": summary, "description": f"About {summary}.", "runbook_url": "https://x/page.md"},
        "startsAt": "2026-11-25T15:00:07Z",
        "endsAt": "2026-11-25T15:10:09Z",
    }


def rendered(template: str, alerts: Sequence[Mapping[str, Any]], folder: Path, severity: str = "critical") -> str:
    """Return what a template makes of alerts of one group."""
    status = "firing" if any(one["status"] == "firing" for one in alerts) else "resolved"
    common = {"alertname": "AgentAbsent", "severity": severity}
    data = {"receiver": "now", "status": status, "alerts": alerts, "commonLabels": common, "groupLabels": {}}
    file = folder / "data.json"
    file.write_text(json.dumps(data | {"commonAnnotations": {}, "externalURL": ""}), encoding="utf-8")
    text = f'{{{{ template "{template}" . }}}}'
    glob = FOLDER / "templates/*.tmpl"
    made = amtool("template", "render", f"--template.glob={glob}", f"--template.text={text}", f"--template.data={file}")
    return made.removesuffix("\n")


def test_one_alert_is_its_summary(tmp_path: Path) -> None:
    """The lock screen of a phone shows the title."""
    alerts = [alert("spy is absent", agent="spy")]
    assert rendered("ztrade.title", alerts, tmp_path) == "🔴 spy is absent"
    assert rendered("ztrade.title", alerts, tmp_path, "warning") == "🟠 spy is absent"
    assert rendered("ztrade.text", alerts, tmp_path) == "About spy is absent.\nWhat to do: https://x/page.md"


def test_several_are_listed(tmp_path: Path) -> None:
    """What is over meanwhile, too."""
    alerts = [alert("spy is absent"), alert("tsla is absent"), alert("aapl is absent", "resolved")]
    assert rendered("ztrade.title", alerts, tmp_path) == "🔴 AgentAbsent: 2, 1 over"
    assert rendered("ztrade.text", alerts, tmp_path).splitlines() == [
        "• spy is absent",
        "About spy is absent.",
        "• tsla is absent",
        "About tsla is absent.",
        "✅ aapl is absent",
        "Over at 15:10:09 UTC; it began at 15:00:07.",
        "What to do: https://x/page.md",
    ]


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_of_two_hundred_ten_are_listed(status: str, tmp_path: Path) -> None:
    """Slack cuts after 8000 characters, and Mattermost refuses the message: the page must be in it."""
    alerts = [alert(f"a{number} is absent: {'x' * 80}", status) for number in range(200)]
    for one in alerts:
        one["annotations"] |= {"description": "y" * 250, "over": "z" * 80}
    lines = rendered("ztrade.text", alerts, tmp_path).splitlines()
    assert sum(map(len, lines)) < 5000
    assert sum("is absent" in line for line in lines) == 10
    assert [line[2:] for line in lines if "more" in line] == ["… and more: the title counts them"]
    assert lines[-1] == ("What to do: https://x/page.md" if status == "firing" else lines[-1])
    title = "🔴 AgentAbsent: 200" if status == "firing" else "✅ Over: AgentAbsent of 200"
    assert rendered("ztrade.title", alerts, tmp_path) == title


def test_the_end_says_when(tmp_path: Path) -> None:
    """And asks for nothing more."""
    alerts = [alert("spy is absent", "resolved")]
    assert rendered("ztrade.title", alerts, tmp_path) == "✅ Over: spy is absent"
    assert rendered("ztrade.text", alerts, tmp_path) == "Over at 15:10:09 UTC; it began at 15:00:07."
    assert rendered("ztrade.title", [*alerts, *alerts], tmp_path) == "✅ Over: AgentAbsent of 2"
    alerts[0]["annotations"]["over"] = "Or the market closed."
    assert rendered("ztrade.text", alerts, tmp_path).splitlines()[1:] == ["Or the market closed."]


def test_an_alert_without_texts_is_still_told(tmp_path: Path) -> None:
    """Somebody's own, made by hand."""
    bare = [{**alert("x"), "annotations": {}}]
    assert rendered("ztrade.title", bare, tmp_path) == "🔴 AgentAbsent"
    assert rendered("ztrade.text", bare, tmp_path) == ""
    named = [{**bare[0], "labels": {"alertname": "Mine"}}, *bare]
    assert rendered("ztrade.text", named, tmp_path).splitlines() == ["• Mine", "• somebody's alert"]

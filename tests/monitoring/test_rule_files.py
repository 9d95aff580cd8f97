"""The rules' text: names that exist, a severity, a page, and words with the values in them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.needs import needs
from tests.monitoring.prometheus import OPS, ROOT
from tests.monitoring.rule_cases import CASES
from tests.monitoring.rule_files import ALERTS, NAMES, RUNBOOKS, Rule, rules
from tests.monitoring.world import RULES, SOURCES
from tests.unit.test_docs import commands, problem
from ztrade.domain.messages import Severity
from ztrade.domain.reconcile import Kind as Difference
from ztrade.service.exporter.catalogue import METRICS

ALL = list(rules())
#: tests beside the table's: counters, budgets, what is missing, what Alertmanager works with
ELSEWHERE = {
    "RestartStorm": "test_counting_rules.py",
    "MessagesLost": "test_counting_rules.py",
    "AlertsNotDelivered": "test_counting_rules.py",
    "EventsLost": "test_counting_rules.py",
    "BudgetBurnsFast": "test_budget_rules.py",
    "BudgetBurnsSlow": "test_budget_rules.py",
    "MetricMissing": "test_rules.py",
    "CauseKnown": "test_helper_rules.py",
    "Watchdog": "test_helper_rules.py",
}
#: labels that Prometheus adds, and those that our rules add
SCRAPED = {"instance", "job", "alertname", "alertstate", "severity", "source", "metric"}
#: what another's metric has
THEIRS = {"alertmanager_notifications_failed_total": {"integration"}}
_SELECTOR = re.compile(r"\b(ztrade_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_LABELS = re.compile(r"\b(?:on|by|group_left|ignoring)\s*\(([^)]*)\)")


def test_prometheus_takes_the_files() -> None:
    """Configuration and rules."""
    needs("promtool")
    config = str(OPS / "prometheus/prometheus.yml")
    for command in (["config", config], ["rules", "--lint-fatal", *map(str, RULES)]):
        done = subprocess.run(["promtool", "check", *command], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_its_metrics_and_labels_are_in_the_catalogue(rule: Rule) -> None:
    """A rule over a name that nobody serves is always silent."""
    labels = SCRAPED | _theirs(rule)
    for name, matchers in _SELECTOR.findall(_unquoted(rule.expression)):
        if f"{name}:" in rule.expression:
            continue
        assert name in METRICS, name
        own = set(METRICS[name].labels) | {"instance", "job"}
        labels |= own
        assert {label for label, _ in _MATCHER.findall(matchers)} <= own, f"{name}{{{matchers}}}"
    used = {word.strip() for group in _LABELS.findall(rule.expression) for word in group.split(",")} - {""}
    made = set(re.findall(r'"(agent|unit)", "[^"]*\$1', rule.expression))
    recorded = {"agent", "objective"} if "ztrade:" in rule.expression else set()
    assert used <= labels | made | recorded


def _theirs(rule: Rule) -> set[str]:
    return {label for name, labels in THEIRS.items() if name in rule.expression for label in labels}


def _unquoted(expression: str) -> str:
    return re.sub(r'"ztrade-[^"]*"', '""', expression)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_its_values_of_labels_exist(rule: Rule) -> None:
    """As ztrade spells them."""
    known = {"source": set(SOURCES), "kind": set(map(str, Difference)), "job": {"ztrade"}, "alertname": set(NAMES)}
    for label, value in _MATCHER.findall(rule.expression):
        assert label not in known or set(value.split("|")) <= known[label], f"{label}={value}"
    assert rule.labels.get("source", "journal") in SOURCES


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)
def test_an_alert_says_what_a_person_needs(rule: Rule) -> None:
    """Severity, a first line with its values, a text with a command, and the page."""
    severities = {str(severity) for severity in Severity} - {"info"} | {"none"}
    assert rule.labels["severity"] in severities
    summary, description = rule.annotations["summary"], rule.annotations["description"]
    assert "{{" in summary
    assert not summary.endswith(".")
    assert len(re.sub(r"\{\{.*?\}\}", "12345", summary)) <= 100, "read on a phone"
    assert description.rstrip().endswith(".")
    assert rule.annotations["runbook_url"] == RUNBOOKS + rule.page
    # of "or $labels.a $labels.b" the first may be empty
    texts = re.sub(r"or \$labels\.\w+ ", "", f"{summary} {description}")
    told = set(re.findall(r"\$labels\.(\w+)", texts))
    assert told <= _labels_of(rule), "a label that the expression does not give is empty in the text"


def _labels_of(rule: Rule) -> set[str]:
    # not the rule's own labels: texts are made before those are added
    found = {"instance", *re.findall(r'"(agent|unit|metric)", "', rule.expression)} | _theirs(rule)
    for name, _ in _SELECTOR.findall(rule.expression):
        found |= set(METRICS[name].labels) if name in METRICS else set()
    return found | ({"agent", "objective"} if "ztrade:sla" in rule.expression else set())


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)
def test_an_end_that_the_close_may_bring_says_so(rule: Rule) -> None:
    """At the close an agent that is still dead is no longer told: nobody must read that as its recovery."""
    hours = bool(re.search(r"market_rests == 1|market_open == 1", rule.expression))
    assert ("market closed" in rule.annotations.get("over", "")) == hours


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)
def test_the_commands_in_its_text_exist(rule: Rule) -> None:
    """People type them from the message, with what stands for the agent's name."""
    text = re.sub(r"\{\{.*?\}\}", "spy", rule.annotations["description"])
    spoken = re.findall(r"\bztrade (?:--version|[a-z-]+(?: list| test)?(?: --[a-z]+ [a-z]+)*)", text)
    assert [found for line in spoken if (found := problem(line))] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_its_tests(name: str) -> None:
    """Firing, not firing, resolving and absent are in the table, or in a file of its own."""
    if any(case.name == name for case in CASES):
        return
    assert name in (Path(__file__).parent / ELSEWHERE[name]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_tells_what_to_do(name: str) -> None:
    """What it means, where to look, what to do, when it is not serious; its commands exist."""
    (rule, *_) = (rule for rule in ALERTS if rule.name == name)
    page = OPS / "runbooks" / rule.page
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["What it means", "Look at", "Do", "Not serious when"]
    assert list(commands(page)) or "```" in text, "exact commands"
    assert [found for line in commands(page) if (found := problem(line))] == []


@pytest.mark.parametrize("source", SOURCES)
def test_the_page_on_blindness_knows_every_source(source: str) -> None:
    """The alert names it, and the reader must find it."""
    assert f"`{source}`" in (OPS / "runbooks/exporter-blind.md").read_text(encoding="utf-8").partition("## Look at")[0]


def test_no_page_is_without_an_alert() -> None:
    """Pages of alerts that are gone would be read by somebody."""
    pages = {page.name for page in (OPS / "runbooks").glob("*.md")} - {"README.md"}
    assert pages == {rule.page for rule in ALERTS}


def test_the_reference_has_a_row_for_each_alert() -> None:
    """Name, severity, and one sentence that says what to do; the page behind the name."""
    text = (ROOT / "docs/reference/alerts.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| \[`(\w+)`\]\(\.\./\.\./ops/runbooks/([\w-]+\.md)\) \| (\w+) \| (.+?) \| (.+?) \|$", text, re.MULTILINE
    )
    wanted = {(rule.name, rule.page, rule.labels["severity"]) for rule in ALERTS}
    assert {row[:3] for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert all(does.endswith(".") for *_, does in rows)

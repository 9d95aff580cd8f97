"""From a scrape to a person: Prometheus, Alertmanager, a local server as Slack, another one for mail."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage

import pytest

from tests.integration.mail_server import Mailbox, mail_server
from tests.monitoring.fake_exporter import FakeExporter, fake_exporter
from tests.monitoring.prometheus import Monitoring, Times, monitoring
from tests.monitoring.rule_cases import CASES
from tests.monitoring.world import agent_series, calm, number

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("monitoring")]


@dataclass
class Stage:
    """A calm exporter, and who watches it."""

    exporter: FakeExporter
    watch: Monitoring
    mail: Mailbox

    def set(self, series: str, value: float) -> None:
        """Show a value of a series as a rule spells it."""
        name, _, labels = series.partition("{")
        self.exporter.set(name, value, **dict(re.findall(r'(\w+)="([^"]*)"', labels)))

    def calm(self) -> None:
        """Show that all is well."""
        for series, value in calm().items():
            if series != "up":
                self.set(series, number(value))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Both programs, once for all tests here; nothing waits longer than it must."""
    folder = tmp_path_factory.mktemp("monitoring")
    with mail_server(folder, "none") as mail, fake_exporter() as exporter:
        stage = Stage(exporter, None, mail)  # type: ignore[arg-type]
        stage.calm()
        times = Times(pending="1s")
        with monitoring(folder, exporter.target, times=times, mail_port=mail.port) as stage.watch:
            stage.watch.wait(lambda w: w.query("ztrade_redis_up"), 20, "a scrape")
            yield stage


@pytest.fixture
def stage(running: Stage) -> Stage:
    """One whose past is forgotten: nothing fires, and the end of whatever was told is told."""
    running.calm()
    running.watch.wait(still, 30, "calm")
    running.watch.slack.posts.clear()
    running.mail.got.clear()
    return running


def still(watch: Monitoring) -> bool:
    """Tell whether nothing fires, and nothing was sent for a while that is longer than Alertmanager's interval."""
    last = max((post.at for post in watch.posts()), default=0.0)
    return not watch.alerts() and not watch.told() and time.monotonic() - last > 2.5


def test_a_silent_agent_is_told_once_and_so_is_its_end(stage: Stage) -> None:
    """One message with the values, by Slack and mail, and one when it is over; the dead man's switch is called."""
    # an agent of its own: what kept the others from their slots in other tests is known for minutes
    for series, value in agent_series("tsla").items():
        stage.set(series, number(value))
    stage.set('ztrade_agent_slots_without_success{agent="tsla"}', 2)
    stage.watch.wait(lambda w: w.posts(), 20, "the message")
    stage.set('ztrade_agent_slots_without_success{agent="tsla"}', 0)
    stage.watch.wait(lambda w: len(w.posts()) > 1, 20, "its end")
    stage.exporter.forget("tsla")
    fires, over = stage.watch.posts()
    assert fires.title == "🔴 tsla is silent: 2 slots without success"
    assert fires.text.splitlines() == [
        "2 slots in a row, in market hours, did not end well. ztrade cycles --agent tsla says why.",
        "What to do: https://github.com/ztrade/ztrade/blob/main/ops/runbooks/agent-silent.md",
    ]
    assert over.title == "✅ Over: tsla is silent: 2 slots without success"
    when, hint = over.text.splitlines()
    assert re.fullmatch(r"Over at [\d:]+ UTC; it began at [\d:]+\.", when)
    assert "or the market closed" in hint
    stage.watch.wait(lambda _w: len(stage.mail.got) == 2, 10, "both mails")
    assert [str(mail["Subject"]) for mail in stage.mail.got] == [fires.title, over.title]
    (part,) = stage.mail.got[0].iter_parts()
    assert isinstance(part, EmailMessage)
    assert (part.get_content_type(), "What to do:" in part.get_content()) == ("text/plain", True)
    assert stage.watch.switch.asked


def test_redis_is_told_and_its_consequences_are_not(stage: Stage) -> None:
    """Two slots are lost to it; it is back before their next success, and still there is one message and its end."""
    stage.set("ztrade_redis_up", 0)
    stage.watch.wait(lambda w: "RedisDown" in w.firing(), 20, "Redis' alert")
    for agent in ("spy", "aapl"):
        stage.set(f'ztrade_agent_slots_without_success{{agent="{agent}"}}', 2)
    stage.watch.wait(lambda w: "AgentSilent" in w.firing(), 20, "the silence")
    stage.set("ztrade_redis_up", 1)
    stage.watch.wait(lambda w: len(w.posts()) > 1, 20, "Redis' end")
    assert stage.watch.firing() == {"AgentSilent"}
    stage.calm()
    stage.watch.wait(lambda w: not w.firing(), 20, "the next success")
    assert [title.partition(" on ")[0] for title in stage.watch.titles()] == [
        "🔴 Redis is down",
        "✅ Over: Redis is down",
    ]


def test_three_absent_agents_are_one_message(stage: Stage) -> None:
    """A message for each kind, not for each agent."""
    for agent in ("spy", "aapl"):
        stage.set(f'ztrade_worker_up{{agent="{agent}"}}', 0)
    stage.watch.wait(lambda w: w.posts(), 20, "the message")
    (post,) = stage.watch.posts()
    assert post.title == "🔴 AgentAbsent: 2"
    assert "• spy is absent" in post.text
    assert "• aapl is absent" in post.text


def test_every_alert_reads_well(stage: Stage) -> None:
    """As Prometheus writes them, everything going wrong at once: values where they belong, no template left."""
    for case in CASES:
        for series, value in case.bad.items():
            if series != "up":
                stage.set(series, value)
    names = {case.name for case in CASES} - {"ExporterDown", "AgentHalted", "WorkerDeaf"}
    stage.watch.wait(lambda w: names <= w.firing(), 20, "all of them")
    for alert in stage.watch.alerts():
        words = " ".join(alert.annotations.values())
        assert not re.search(r"\{\{|\}\}|<no value>|%!|error|  |, ,|\( ?\)| :|e[+-]\d\d", words), alert
        assert alert.annotations["runbook_url"].startswith("https://")
    said = {alert.name: alert.annotations["summary"] for alert in stage.watch.alerts()}
    assert said["OrderUnknown"] == "spy: an order's outcome is unknown for 1m 1s"
    assert said["RedisNearlyFull"] == "Redis on ztrade is 90.62% full"
    assert said["ClockSkew"] == "The clock of ztrade is 2.5 s off the exchange's"
    assert said["LimitNear"] == "spy: daily_loss is at 80%"
    assert said["BackupOld"] == "The newest backup on ztrade is 1d 2h 0m 1s old"


def test_a_webhook_that_fails_loses_nothing(stage: Stage) -> None:
    """Alertmanager tries again; Slack's bad minute is over before the alert is."""
    stage.watch.slack.status = 500
    stage.set("ztrade_keeper_up", 0)
    stage.watch.wait(lambda w: w.slack.refused, 20, "a refusal")
    failed = 'alertmanager_notifications_failed_total{integration="slack",instance="ztrade"}'
    assert stage.watch.query(failed), "AlertsNotDelivered is made of it"
    stage.watch.slack.status = 0
    stage.watch.wait(lambda w: w.posts(), 30, "the message")
    assert stage.watch.titles()[0].startswith("🔴 The keeper is down on ztrade")
    stage.set("ztrade_keeper_up", 1)
    stage.watch.wait(lambda w: len(w.posts()) > 1, 30, "its end, after which nothing of this is told in another test")

"""Alerts on counters: three restarts, lost messages, a series that is born at 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.needs import needs
from tests.monitoring.prometheus import OPS
from tests.monitoring.world import ABSENT, Look, Values, calm, check, from_on, rests, up_to

MINUTE = 60.0
HOUR = 60 * MINUTE
#: without those on missing metrics, and scraped each minute: what is counted here is slow
RULES = [OPS / "prometheus/rules" / f"ztrade-{name}.yml" for name in ("recording", "alerts")]
STEP = 60
RESTARTS = 'ztrade_unit_restarts_total{unit="ztrade-beat.service"}'
LOST = 'ztrade_messages_lost_total{channel="mail"}'
EVENTS = "ztrade_exporter_events_lost_total"
STARTED = 'ztrade_worker_start_timestamp_seconds{agent="spy"}'


@pytest.fixture(autouse=True)
def _promtool() -> None:
    needs("promtool")


def counts(*at: float, start: float = 0, by: float = 1) -> Values:
    """Return a counter that grows by ``by`` at each of the moments."""
    return [(0, start), *((moment, start + by * (index + 1)) for index, moment in enumerate(at))]


STORM = {RESTARTS: counts(20 * MINUTE, 22 * MINUTE, 24 * MINUTE, start=7)}
BORN_STORM = {RESTARTS: [(0, ABSENT), (20 * MINUTE, 3)]}
AGENT_STORM = {STARTED: [(0, 100), (20 * MINUTE, 120), (22 * MINUTE, 122), (24 * MINUTE, 124)]}
GONE = {RESTARTS: [(0, 7), (20 * MINUTE, ABSENT)]}


@pytest.mark.parametrize(
    ("changed", "fires"),
    [
        (STORM, "RestartStorm ztrade-beat.service"),
        (BORN_STORM, "RestartStorm ztrade-beat.service"),
        (AGENT_STORM, "RestartStorm ztrade-worker@spy.service"),
        ({RESTARTS: counts(20 * MINUTE, 24 * MINUTE, start=7)}, ""),
        # systemd forgets its count when a person starts the unit
        ({RESTARTS: [(0, 7), (20 * MINUTE, 0)]}, ""),
        (GONE, ""),
    ],
    ids=["three", "born at three", "by the worker's own word", "two", "count begins anew", "absent"],
)
def test_a_storm_of_restarts(changed: dict[str, Values], fires: str, tmp_path: Path) -> None:
    """Three within 15 minutes, whoever counts them; over when it has been still for as long."""
    looks = [Look(19 * MINUTE), Look(25 * MINUTE, {fires} - {""}), Look(46 * MINUTE)]
    check(calm() | changed, 46 * MINUTE, looks, tmp_path, RULES, STEP)


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        (counts(20 * MINUTE, start=4), True),
        ([(0, ABSENT), (20 * MINUTE, 1)], True),
        # the exporter was away an hour before: what it has since is not new
        ([(0, ABSENT)], False),
        (4, False),
        # a journal that was put back
        ([(0, 4), (20 * MINUTE, 3)], False),
    ],
    ids=["one more", "born at 1", "absent", "old ones", "fewer"],
)
def test_a_lost_message_is_told(values: Values, fires: bool, tmp_path: Path) -> None:
    """The first one, too, for an hour."""
    told = {"MessagesLost mail"} if fires else set()
    # a born series is new only where the exporter was seen before
    world = calm() | {LOST: _later(values, HOUR)}
    looks = [Look(HOUR + 19 * MINUTE), Look(HOUR + 21 * MINUTE, told), Look(2 * HOUR + 22 * MINUTE)]
    check(world, 2 * HOUR + 22 * MINUTE, looks, tmp_path, RULES, STEP)


def _later(values: Values, by: float) -> Values:
    if isinstance(values, str | float | int):
        return values
    (_, first), *rest = values
    return [(0, first), *((moment + by, value) for moment, value in rest)]


def test_old_losses_are_no_news_to_a_prometheus_that_was_down(tmp_path: Path) -> None:
    """It meets a counter that stands at 5 for the first time, and the exporter, too."""
    world = from_on(calm(), 30 * MINUTE)
    world[LOST] = [(0, ABSENT), (30 * MINUTE, 5)]
    looks = [Look(moment) for moment in (33 * MINUTE, HOUR, HOUR + 29 * MINUTE, HOUR + 35 * MINUTE)]
    check(world, 2 * HOUR, looks, tmp_path, RULES, STEP)


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        (counts(20 * MINUTE, start=9, by=5), True),
        ([(0, ABSENT), (32 * MINUTE, 5)], True),
        (counts(20 * MINUTE, start=9, by=4), False),
    ],
    ids=["five", "born at five", "four"],
)
def test_lost_events_are_told(values: Values, fires: bool, tmp_path: Path) -> None:
    """Five within half an hour; those of a worker that was killed are fewer."""
    told = {"EventsLost"} if fires else set()
    looks = [Look(19 * MINUTE), Look(33 * MINUTE, told), Look(70 * MINUTE)]
    check(calm() | {EVENTS: values}, 70 * MINUTE, looks, tmp_path, RULES, STEP)


NOT_SENT = 'alertmanager_notifications_failed_total{integration="slack"}'


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        (counts(20 * MINUTE, 21 * MINUTE, start=4), True),
        (counts(20 * MINUTE, start=4), False),
        ([(0, 9), (20 * MINUTE, 0)], False),
        ([(0, ABSENT)], False),
    ],
    ids=["two", "one", "Alertmanager restarts", "nobody looks at Alertmanager"],
)
def test_a_way_to_people_that_fails_is_told(values: Values, fires: bool, tmp_path: Path) -> None:
    """AlertsNotDelivered, at night, too; over when nothing has failed for long enough."""
    told = {"AlertsNotDelivered slack"} if fires else set()
    looks = [Look(19 * MINUTE), Look(22 * MINUTE, told), Look(43 * MINUTE)]
    check(rests(calm()) | {NOT_SENT: values}, 43 * MINUTE, looks, tmp_path, RULES, STEP)


def test_the_dead_mans_switch_has_a_service_that_tells(tmp_path: Path) -> None:
    """As shipped nobody has named one, and its address fails each minute."""
    switch = {
        'alertmanager_notifications_failed_total{integration="webhook"}': counts(*(m * MINUTE for m in range(2, 9)))
    }
    check(calm() | switch, 10 * MINUTE, [Look(10 * MINUTE)], tmp_path, RULES, STEP)


def test_nothing_of_the_machine_is_told_at_night(tmp_path: Path) -> None:
    """The exporter is stopped on a Saturday: told an hour before the market opens, since Prometheus remembers when."""
    world = rests(calm(), 3 * HOUR)
    gone = up_to(world, 300)
    gone["up"] = [(0, 1), (300, 0)]
    looks = [Look(0.5 * HOUR), Look(1.9 * HOUR), Look(2.2 * HOUR, {"ExporterDown"})]
    check(gone, 2.2 * HOUR, looks, tmp_path, RULES, STEP)

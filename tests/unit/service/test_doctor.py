"""Each check of doctor: silent where all is well, and with what, why and the mend where one thing is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.units import unit
from tests.unit.service.doctor_cases import (
    COMPANY,
    JOURNAL,
    ROOT,
    STOPPED,
    WORKERS,
    all_is_well,
    cases,
    intent,
    remote,
)
from ztrade.config_alerts import ChannelSection
from ztrade.domain.ledger import IntentState
from ztrade.service.doctor import CHECKS, State, Unknown, examine, services
from ztrade.service.doctor.evidence import (
    FileFacts,
)
from ztrade.service.doctor.findings import Failed, Finding, Result
from ztrade.service.doctor.settings import visibility_over
from ztrade.service.report import Report


@pytest.fixture
def healthy(tmp_path: Path) -> dict[str, Any]:
    """Give the evidence of a machine on which all is well."""
    return all_is_well(tmp_path)


def found(evidence: Mapping[str, Any], name: str) -> Result:
    (result,) = examine([check for check in CHECKS if check.name == name], evidence)
    return result


def test_nothing_is_found_where_all_is_well(healthy: dict[str, Any]) -> None:
    """No false alarm, and nothing left out."""
    wrong = [
        (one.check.name, one.reason, one.findings) for one in examine(CHECKS, healthy) if one.state is not State.FINE
    ]
    assert wrong == []


def test_each_check_finds_what_it_is_for(healthy: dict[str, Any]) -> None:
    """What, why and the mend, each in words; and that it hurts, or only might be known."""
    for case in cases(healthy):
        result = found(healthy | dict(case.change), case.check)
        said = [finding for finding in result.findings if case.said in finding.what]
        assert said, (case.check, case.said, result)
        assert all(finding.why and finding.fix for finding in result.findings)
        assert result.state is (State.BAD if case.hurts else State.ADVICE), (case.check, result)


def test_every_check_is_tried(healthy: dict[str, Any]) -> None:
    """A check without a case could find nothing for years; only the one that cannot fail by itself is asked below."""
    assert {case.check for case in cases(healthy)} == {check.name for check in CHECKS} - {"visibility"}


def test_a_visibility_timeout_that_is_too_short_is_found() -> None:
    """Ours follows from the agents, so the rule itself is asked."""
    (finding,) = visibility_over(timedelta(minutes=4), {"spy": timedelta(minutes=4), "tsla": timedelta(minutes=1)})
    assert "spy" in finding.what


def test_an_order_that_was_sent_just_now_is_no_finding(healthy: dict[str, Any]) -> None:
    """Nor one that rests at the exchange for days."""
    fresh, resting = intent(IntentState.PLANNED, timedelta(minutes=1)), intent(IntentState.SENT, timedelta(days=9))
    assert found(healthy | {"journal": replace(JOURNAL, unresolved=[fresh, resting])}, "orders").state is State.FINE


def test_a_program_of_a_stack_is_restarted_otherwise(healthy: dict[str, Any]) -> None:
    """Where no systemd runs ztrade, programs report all the same, and its command would name no unit."""
    reports = {role: Report(7, 1.0, {"files": {"": "old"}}) for role in ("beat", "worker-spy")}
    fixes = [finding.fix for finding in found(healthy | {"reports": reports}, "restarted").findings]
    assert fixes == [
        "systemctl restart ztrade-beat, or: ops/celery_control.sh restart beat",
        "systemctl restart ztrade-worker@spy, or: ops/celery_control.sh restart spy",
    ]


def test_what_cannot_be_known_is_skipped_with_the_reason(healthy: dict[str, Any]) -> None:
    """On a machine without systemd the units' checks say so, and nothing of them hurts."""
    results = examine(CHECKS, healthy | {"units": Unknown("systemd does not run ztrade here")})
    skipped = {one.check.name for one in results if one.state is State.SKIPPED}
    assert "sandbox" in skipped
    assert {one.reason for one in results if one.reason} == {"systemd does not run ztrade here"}
    assert not [one for one in results if one.state is State.BAD]


def test_one_outage_is_one_finding(healthy: dict[str, Any]) -> None:
    """Redis down: one check tells it, the others that need it are skipped."""
    down = Failed(Finding("Redis does not answer", "w", "f"), "Redis does not answer")
    results = examine(CHECKS, healthy | {"redis": down})
    assert [one.check.name for one in results if one.state is State.BAD] == ["redis"]


def test_a_unit_that_is_masked_is_unmasked_first(healthy: dict[str, Any]) -> None:
    """systemctl refuses to enable it."""
    masked = {"LoadState": "masked", "UnitFileState": "masked", **STOPPED}
    changed = healthy | {"units": (*WORKERS, *COMPANY[1:], unit("ztrade-beat.service", **masked))}
    (finding,) = found(changed, "unit-company").findings
    assert finding.fix == "systemctl unmask ztrade-beat && systemctl enable --now ztrade-beat"


@pytest.mark.parametrize(
    ("name", "mode", "owner", "group", "may"),
    [
        ("agents/spy.toml", 0o644, "root", "root", True),
        ("agents/spy.toml", 0o640, "root", "ztrade-operators", True),
        ("agents/spy.toml", 0o640, "root", "adm", False),
        ("agents/spy.toml", 0o400, "ztrade", "ztrade", True),
        ("agents", 0o754, "root", "root", False),
        ("agents", 0o750, "root", "ztrade", True),
        ("ztrade.toml", 0o600, "root", "root", False),
        ("credentials/credentials.toml", 0o600, "root", "root", True),
    ],
)
def test_who_may_read_a_file(healthy: dict[str, Any], name: str, mode: int, owner: str, group: str, may: bool) -> None:
    """By owner, group and others; a folder's names are looked up, too; keys are handed over by systemd."""
    changed = healthy | {"files": (FileFacts(f"/etc/ztrade/{name}", mode, owner, group),)}
    assert (found(changed, "readers").state is State.FINE) is may


def test_the_drop_in_that_opens_the_network_is_there() -> None:
    """Also where there is no package, and where the machine leaves documents out."""
    assert services.NETWORK.is_file()


def test_a_drop_in_that_opens_the_network_satisfies(healthy: dict[str, Any]) -> None:
    """As the shipped one does."""
    opened = unit(
        "ztrade-beat.service", PrivateNetwork="no", IPAddressDeny="::/0 0.0.0.0/0", IPAddressAllow="::/0 0.0.0.0/0"
    )
    far = remote(healthy["config"], redis={"url": "redis://:pw@10.0.0.2/0"})
    assert found(healthy | {"config": far, "units": (opened,)}, "sandbox").state is State.FINE


def test_the_page_has_every_check() -> None:
    """docs/reference/doctor.md, a line each, in the registry's words."""
    page = (ROOT / "docs/reference/doctor.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|", page, re.MULTILINE)
    assert listed == [(check.name, check.about) for check in CHECKS]


@pytest.mark.parametrize(
    ("sections", "name", "needs"),
    [
        (
            {"alerts": {"channels": {"night": ChannelSection(kind="slack")}}},
            "ztrade-keeper.service",
            "Slack",
        ),
        ({"sentiment": {"contact": "Ann ann@example.org"}}, "ztrade-worker@spy.service", "the SEC"),
        ({"sentiment": {"scorer": "openai"}}, "ztrade-worker@spy.service", "the language model of openai"),
    ],
)
def test_dry_agents_may_need_the_network_too(
    healthy: dict[str, Any], sections: dict[str, dict[str, Any]], name: str, needs: str
) -> None:
    """For messages to people, and for opinions."""
    shut = unit(name, IPAddressDeny="::/0 0.0.0.0/0", IPAddressAllow="127.0.0.0/8 ::1/128")
    changed = healthy | {"config": remote(healthy["config"], **sections), "units": (shut,)}
    (finding,) = found(changed, "sandbox").findings
    assert needs in finding.what
    assert found(changed | {"config": healthy["config"]}, "sandbox").state is State.FINE

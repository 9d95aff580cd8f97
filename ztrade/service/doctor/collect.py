"""Collecting the evidence: each part by itself, so that what is down costs its own checks and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ztrade.adapters.clock import SystemClock
from ztrade.config import EMBEDDED, Config
from ztrade.errors import AccessDenied, ConfigError, ZtradeError
from ztrade.service import applied, names, report
from ztrade.service.doctor import collect_machine as machine
from ztrade.service.doctor.collect_redis import redis_facts
from ztrade.service.doctor.evidence import AccountFacts, JournalFacts
from ztrade.service.doctor.findings import Failed, Finding, Unknown
from ztrade.service.report import Report
from ztrade.service.units import Unit

if TYPE_CHECKING:
    from ztrade.bootstrap import Runtime, Venue
    from ztrade.ports import Journal

T = TypeVar("T")
#: which parts a configuration that cannot be read leaves out
OF_CONFIG = (
    "accounts", "numbers", "exchange_now", "journal", "files", "user", "halts", "reducing", "newest_backup", "disks",
    "redis", "units", "ports", "channels", "logs", "time", "reports",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doors:
    """How the evidence is reached; the callables are the seams for tests."""

    load: Callable[[], Config]
    runtime: Callable[[Config], Runtime]
    journal: Callable[[Config], Journal]
    units: Callable[[Config], Sequence[Unit]]


def collect(doors: Doors) -> dict[str, Any]:
    """Return the evidence, by the names under which checks need it; what could not be had says why."""
    now = SystemClock().now()
    found: dict[str, Any] = {"now": now, "listening": machine.listening(), "python": machine.python_facts()}
    try:
        config = doors.load()
    except ZtradeError as error:
        failed = _failed(
            error,
            "the configuration cannot be read",
            "nothing starts, and no agent trades",
            "mend it, then: ztrade config check",
        )
        return found | dict.fromkeys(OF_CONFIG, Unknown("the configuration cannot be read")) | {"config": failed}
    return found | {"config": config} | _of_config(doors, config, now)


def _of_config(doors: Doors, config: Config, now: datetime) -> dict[str, Any]:
    runtime = doors.runtime(config)
    try:
        units = _units(doors, config)
        journal, busy = _journal(doors, config, now)
        accounts = [] if not config.agents else list(_accounts(config, runtime))
        halts = runtime.halts
        return {
            "units": units,
            "reports": _looked(lambda: _reports(config)),
            "journal": journal,
            "accounts": accounts,
            "numbers": {one.account: one.number for one in accounts if one.number},
            "exchange_now": _exchange_now(config, runtime),
            "redis": _redis(config, busy),
            "halts": halts.active(),
            "reducing": halts.active_reducing(),
            "files": _looked(lambda: machine.files(config)),
            "user": _user(units),
            "newest_backup": _looked(lambda: machine.newest_backup(config)),
            "disks": _looked(lambda: machine.disks(config)),
            "ports": machine.ports(config),
            "channels": tuple(config.main.alerts.channels),
            "logs": _looked(lambda: machine.log_facts(config, under_systemd=not isinstance(units, Unknown))),
            "time": _looked(lambda: machine.time_facts(config, now)),
        }
    finally:
        runtime.close()


def _looked(look: Callable[[], T]) -> T | Unknown:
    """Return what was seen, or that this user may not see it: a stranger's doctor says so, and goes on."""
    try:
        return look()
    except PermissionError as error:
        return Unknown(f"this user may not look at {error.filename}")


def _failed(error: ZtradeError, short: str, why: str, fix: str) -> Failed:
    """Return an outage, or a mistake with its own mend, as a finding; ``short`` is why others are skipped."""
    what = " ".join(str(error).split())
    if isinstance(error, ConfigError) and error.fix:
        what, fix = f"{error.where}: {error.what}", error.fix
    return Failed(Finding(what, why, fix), short)


def _units(doors: Doors, config: Config) -> Sequence[Unit] | Unknown | Failed:
    try:
        found = doors.units(config)
    except ZtradeError as error:
        return _failed(
            error, "systemd does not answer", "nobody can tell whether the services run", "systemctl is-system-running"
        )
    return found or Unknown("systemd does not run ztrade here")


def _reports(config: Config) -> Mapping[str, Report | None]:
    """Return what programs report. Raises PermissionError: they are for root and the services' user."""
    with suppress(FileNotFoundError):
        next(report.report_file(config.state_dir, names.BEAT).parent.iterdir(), None)
    return {role: report.read(config.state_dir, role) for role in applied.roles(config)}


def _user(units: Sequence[Unit] | Unknown | Failed) -> str | Unknown | Failed:
    if isinstance(units, Unknown | Failed):
        return units
    return next((unit.properties.get("User", "") for unit in units if unit.name == "keeper"), "")


def _redis(config: Config, busy: Mapping[str, str]) -> object:
    try:
        return redis_facts(config, busy)
    except ZtradeError as error:
        fix = "systemctl start ztrade-redis, or: ops/celery_control.sh start"
        return _failed(
            error, "Redis does not answer", "no slot reaches a worker; the keeper records them as missed", fix
        )


def _journal(doors: Doors, config: Config, now: datetime) -> tuple[JournalFacts | Failed, Mapping[str, str]]:
    """Return the journal's facts, and by agent the cycle that runs."""
    try:
        journal = doors.journal(config)
        lasts = {name: journal.cycles(agent=name, limit=1) for name in config.agents}
        unsent = journal.messages(unsent=True, limit=1000)
        facts = JournalFacts(
            now=now,
            unresolved=journal.intents(unfinished=True),
            unsent=len(unsent),
            unsent_since=min((message.at for message in unsent), default=None),
            **machine.journal_sizes(config.journal_url),
        )
    except ZtradeError as error:
        why = "no cycle runs without it: what is not recorded is not sent"
        return _failed(error, "the journal cannot be read", why, "ztrade --debug cycles; docs/reference/journal.md"), {}
    return facts, {name: last[-1].cycle_id for name, last in lasts.items() if last and last[-1].outcome is None}


def _exchange_now(config: Config, runtime: Runtime) -> datetime | Unknown:
    try:
        return runtime.clock(any(agent.dry_run for agent in config.agents.values())).now()
    except ZtradeError:
        return Unknown("the exchange does not answer")


def _accounts(config: Config, runtime: Runtime) -> Iterator[AccountFacts]:
    """Ask every account that an agent uses, the embedded exchange included."""
    symbols: dict[str, set[str]] = {}
    for agent in config.agents.values():
        symbols.setdefault(EMBEDDED if agent.dry_run else agent.account, set()).add(agent.symbol)
    for account, wanted in sorted(symbols.items()):
        # whoever may not read the keys cannot try them, and missing ones are another check's finding
        if account == EMBEDDED or (not config.lacks_keys(account) and config.may_read_keys()):
            yield _ask(config, runtime, account, sorted(wanted))


def _ask(config: Config, runtime: Runtime, account: str, symbols: Sequence[str]) -> AccountFacts:
    kind = EMBEDDED if account == EMBEDDED else config.accounts[account].kind
    try:
        venue = runtime.open_venue(account)
        told = venue.exchange.account()
        before = SystemClock().now()
        theirs = venue.exchange.clock().now
        skew = None if account == EMBEDDED else before + (SystemClock().now() - before) / 2 - theirs
    except AccessDenied as error:
        return AccountFacts(account, kind, refused=str(error))
    except ZtradeError as error:
        return AccountFacts(account, kind, down=str(error))
    blocked = "trading is blocked" if told.trading_blocked else "" if told.status == "ACTIVE" else f"is {told.status}"
    prices = {symbol: why for symbol in symbols if (why := _no_price(venue, symbol))}
    return AccountFacts(account, kind, blocked=blocked, no_prices=prices, skew=skew, number=told.account_number)


def _no_price(venue: Venue, symbol: str) -> str:
    try:
        venue.data.quote(symbol)
    except ZtradeError as error:
        return str(error) or type(error).__name__
    return ""

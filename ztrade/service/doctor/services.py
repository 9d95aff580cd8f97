"""Checks of systemd's units: the right ones are enabled, they run, and they reach what they need and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from ztrade.config import Config, hard_time_limit
from ztrade.service import applied
from ztrade.service.broker import socket_path
from ztrade.service.doctor.broker import LOOPBACK
from ztrade.service.doctor.findings import Finding
from ztrade.service.report import Report
from ztrade.service.share import share
from ztrade.service.units import STATE, TARGET, Unit, unit_of

MANY_RESTARTS = 3
#: the drop-in as installed with the program: a machine may leave out /usr/share/doc, or have no package
NETWORK = share("deploy/systemd/dropins/network.conf")
#: what a worker needs beyond its hard limit to end by itself
STOP_MARGIN = timedelta(seconds=30)
_WAITS = ("beat", "keeper")


def one_state(config: Config, _units: Sequence[Unit]) -> Iterator[Finding]:
    """The units' state directory is fixed; a file that names another is for people's commands alone."""
    if config.state_dir.resolve() != STATE.resolve():
        yield Finding(
            f"commands use {config.state_dir}, and the services {STATE}",
            "a halt stops nobody, and what is shown is not what trades",
            f'state_dir = "{STATE}" in {config.path}; for another disk, mount it there',
        )


def _enable(name: str, units: Sequence[Unit]) -> str:
    """Return the command that enables a unit, which is refused for one that somebody has masked."""
    masked = any(unit.load == "masked" and unit.id.removesuffix(".service") == name for unit in units)
    return f"systemctl unmask {name} && systemctl enable --now {name}" if masked else f"systemctl enable --now {name}"


def agents_without_worker(config: Config, units: Sequence[Unit]) -> Iterator[Finding]:
    """An agent file, and nobody who runs it."""
    enabled = {unit.agent for unit in units if unit.agent and unit.is_enabled}
    for agent in sorted(set(config.agents) - enabled):
        name = unit_of(f"worker-{agent}").removesuffix(".service")
        yield Finding(
            f"agent {agent} has no worker: {name} is not enabled",
            "its slots are sent and nobody takes them: each is missed",
            _enable(name, units),
        )


def workers_without_agent(config: Config, units: Sequence[Unit]) -> Iterator[Finding]:
    """A worker, and no agent file."""
    for unit in units:
        runs = unit.is_enabled or unit.active in ("active", "activating", "failed")
        if unit.agent and unit.agent not in config.agents and runs:
            name = unit.id.removesuffix(".service")
            forget = f" && systemctl reset-failed {name}" if unit.active == "failed" else ""
            yield Finding(
                f"{name} is {unit.enabled or unit.active}, and there is no agent {unit.agent}",
                "it fails at every start, and raises alerts",
                f"systemctl disable --now {name}{forget}",
            )


def state(units: Sequence[Unit]) -> Iterator[Finding]:
    """Units that failed, or come and go."""
    for unit in units:
        if unit.active == "failed" or unit.sub == "auto-restart":
            how = f"{unit.result}, exit {unit.exit_status}"
            fix = "ztrade config check" if unit.exit_status == 2 else f"ztrade logs {unit.name.removeprefix('worker-')}"
            yield Finding(
                f"{unit.id} is {unit.active} ({how})", "what it does is not done", f"{fix}; systemctl restart {unit.id}"
            )


def running(config: Config, units: Sequence[Unit]) -> Iterator[Finding]:
    """Units that should be up, and that somebody has stopped."""
    wanted = [unit for unit in units if unit.enabled == "enabled" and unit.properties.get("Type") != "oneshot"]
    stopped = [unit for unit in wanted if unit.active == "inactive" and unit.id != TARGET]
    if stopped and not any(unit.pid for unit in wanted):
        yield Finding("nothing of ztrade runs", "no agent trades, and nobody keeps", f"systemctl start {TARGET}")
        return
    for unit in stopped:
        # of an agent that is gone another check tells
        if unit.agent is None or unit.agent in config.agents:
            yield Finding(
                f"{unit.id} is enabled, and does not run", "what it does is not done", f"systemctl start {unit.id}"
            )


def restarts(units: Sequence[Unit]) -> Iterator[Finding]:
    """Units that systemd had to bring back."""
    for unit in units:
        if unit.restarts > MANY_RESTARTS:
            yield Finding(
                f"{unit.id} came back {unit.restarts} times", "something ends it, again and again",
                f"ztrade logs {unit.name.removeprefix('worker-')} --since 1d -p error", hurts=False,
            )  # fmt: skip


def around_the_workers(units: Sequence[Unit]) -> Iterator[Finding]:
    """Workers alone do nothing: beat rings, the keeper keeps."""
    found = {unit.name: unit for unit in units}
    if not any(unit.agent and unit.is_enabled for unit in units):
        return
    target = found.get(TARGET)
    if target is not None and not target.is_enabled:
        yield Finding(
            f"{TARGET} is not enabled",
            "after a reboot nothing starts, and nobody is told",
            f"systemctl enable {TARGET}",
        )
    for name in _WAITS:
        unit = found.get(name)
        if unit is None or not unit.is_enabled:
            why = "no slot is ever due" if name == "beat" else "missed slots, halts and messages are nobody's business"
            yield Finding(f"ztrade-{name} is not enabled", why, _enable(f"ztrade-{name}", units))


def own_services(config: Config, units: Sequence[Unit]) -> Iterator[Finding]:
    """What the configuration says is on this machine must be enabled here."""
    found = {unit.name: unit for unit in units}
    wanted = {
        "redis": (socket_path(config.redis_url) or "").startswith("/run/ztrade-redis/"),
        "exchange": any(agent.dry_run for agent in config.agents.values()) and not is_remote(config.main.exchange.url),
    }
    for name, needed in wanted.items():
        unit = found.get(name)
        if needed and (unit is None or not (unit.is_enabled or unit.active == "active")):
            yield Finding(
                f"ztrade-{name} is not enabled, and the configuration wants it on this machine",
                "workers wait for it for ever",
                _enable(f"ztrade-{name}", units),
            )


def sandbox(config: Config, units: Sequence[Unit]) -> Iterator[Finding]:
    """What is on another host must be let through; as shipped, units reach this machine only."""
    for unit in units:
        far = sorted(set(remote_places(config, unit)))
        closed = unit.properties.get("PrivateNetwork") == "yes" or _denies(unit)
        if far and closed and unit.exists and (unit.is_enabled or unit.active == "active"):
            folder = f"/etc/systemd/system/{_template(unit.id)}.d"
            yield Finding(
                f"{unit.id} has no network, and needs {', '.join(far)}",
                "it would wait for ever for what it cannot reach",
                f"mkdir -p {folder} && cp {NETWORK} {folder}/"
                f" && systemctl daemon-reload && systemctl restart {unit.id}",
            )


def remote_places(config: Config, unit: Unit) -> Iterator[str]:
    """Yield what the unit needs that is on another host."""
    for what, url in (("Redis", config.redis_url), ("the journal", config.journal_url)):
        users = ("beat", "keeper", "exporter", *(("flower",) if what == "Redis" else ()))
        if is_remote(url) and (unit.agent or unit.name in users):
            yield f"{what} at {urlsplit(url).hostname}"
    dry = any(agent.dry_run for agent in config.agents.values())
    if dry and is_remote(config.main.exchange.url) and (unit.agent or unit.name in ("beat", "keeper")):
        yield f"the exchange at {urlsplit(config.main.exchange.url).hostname}"
    mine = [agent for agent in config.agents.values() if unit.agent in (None, agent.name) and not agent.dry_run]
    if mine and (unit.agent or unit.name == "keeper"):
        yield "Alpaca"
    if unit.agent:
        yield from _opinions(config)
    if unit.name == "keeper":
        yield from _far_channels(config)


def _far_channels(config: Config) -> Iterator[str]:
    """Yield where messages for people go; the keeper sends them."""
    for channel in config.main.alerts.channels.values():
        if channel.kind == "slack":
            yield "Slack"
        elif channel.host not in LOOPBACK:
            yield f"the mail server {channel.host}"


def _opinions(config: Config) -> Iterator[str]:
    """Yield who is asked for opinions over the network, whatever the agents trade on."""
    section = config.main.sentiment
    if section.contact:
        yield "the SEC"
    if section.scorer in ("anthropic", "openai"):
        yield f"the language model of {section.scorer}"


def is_remote(url: str) -> bool:
    """Tell whether a URL names another host."""
    host = urlsplit(url).hostname
    return bool(host) and host not in LOOPBACK and not url.startswith(("redis+socket", "sqlite"))


def _denies(unit: Unit) -> bool:
    denied, allowed = unit.properties.get("IPAddressDeny", ""), unit.properties.get("IPAddressAllow", "")
    everything = "::/0" in denied or "any" in denied
    return everything and not ("::/0" in allowed or "any" in allowed or _beyond_loopback(allowed))


def _beyond_loopback(allowed: str) -> bool:
    return any(not part.startswith(("127.", "::1", "localhost")) for part in allowed.split())


def _template(unit: str) -> str:
    return f"{unit.partition('@')[0]}@.service" if "@" in unit else unit


def stale(units: Sequence[Unit]) -> Iterator[Finding]:
    """Files that were changed, and systemd has not read."""
    changed = [unit.id for unit in units if unit.properties.get("NeedDaemonReload") == "yes"]
    if changed:
        yield Finding(
            f"files of {', '.join(changed)} changed since systemd read them",
            "what they say now does not hold",
            "systemctl daemon-reload && systemctl restart ztrade.target",
        )


def outdated(config: Config, reports: Mapping[str, Report | None]) -> Iterator[Finding]:
    """Programs that read their files before somebody changed them."""
    for role, files in applied.outdated(config, reports):
        if files:
            name = role.removeprefix("worker-")
            unit = f"ztrade-worker@{name}" if name != role else f"ztrade-{role}"
            yield Finding(
                f"{role} runs on what {', '.join(files)} said before it was changed",
                "what the files say now does not hold: it rings for no new agent, and keeps the old limits",
                f"systemctl restart {unit}, or: ops/celery_control.sh restart {name}",
            )


def stop_time(config: Config, units: Sequence[Unit]) -> Iterator[Finding]:
    """A running cycle must be able to finish before systemd kills it."""
    for unit in units:
        agent = config.agents.get(unit.agent or "")
        given = stop_timeout(unit)
        if agent is not None and given is not None and given < hard_time_limit(agent.every) + STOP_MARGIN:
            yield Finding(
                f"{unit.id} is killed after {given.total_seconds():.0f} s, and a cycle may take "
                f"{hard_time_limit(agent.every).total_seconds():.0f} s",
                "a stop would kill a cycle half-way",
                f"systemctl edit {unit.id}: TimeoutStopSec=690",
            )


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}


def stop_timeout(unit: Unit) -> timedelta | None:
    """Return ``TimeoutStopUSec``, spelt like ``11min 30s``; None for ever, and where it is not told."""
    seconds = 0.0
    for word in unit.properties.get("TimeoutStopUSec", "").split():
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        scale = _UNITS.get(word.removeprefix(number))
        if not number or scale is None:
            return None
        seconds += float(number) * scale
    return timedelta(seconds=seconds) if seconds else None

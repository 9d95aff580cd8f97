"""How one program does, whoever runs it: supervisord or systemd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ztrade.service.doorbell import Consuming
from ztrade.service.units import Unit, unit_of

ABSENT = "ABSENT"
WORKER = "worker-"
#: systemd's states in supervisor's words, which people of both know
_STATES: Mapping[str, str] = {
    "active": "RUNNING", "reloading": "RUNNING", "activating": "STARTING", "deactivating": "STOPPING",
    "failed": "FATAL", "inactive": "STOPPED",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """One program of the stack.

    ``name`` is ``redis``, ``exchange``, ``worker-spy``, ``beat`` or ``flower``; ``state`` is supervisor's word
    (RUNNING, BACKOFF, FATAL) or ABSENT. ``consuming`` is None where the question makes no sense, ``restarts`` where
    nobody counts them.
    """

    name: str
    state: str
    fine: bool
    pid: int | None = None
    consuming: bool | None = None
    detail: str = ""
    restarts: int | None = None


def of_units(
    units: Iterable[Unit], agents: Iterable[str], taking: Mapping[str, Consuming], trouble: Mapping[str, str]
) -> list[ProgramStatus]:
    """Return the programs that systemd runs, or should.

    Args:
        units: as systemd knows them.
        agents: which should have a worker.
        taking: by agent, whether its worker takes messages.
        trouble: by program, why one that runs does not serve.
    """
    services = {unit.name: unit for unit in units if unit.id.endswith(".service") and not _is_passing(unit)}
    wanted = [unit for unit in services.values() if unit.exists and (unit.is_enabled or unit.active != "inactive")]
    found = {unit.name: _judge(unit, taking, trouble) for unit in wanted}
    for agent in agents:
        name = f"{WORKER}{agent}"
        detail = f"is not enabled; fix: systemctl enable --now {unit_of(name).removesuffix('.service')}"
        found.setdefault(name, ProgramStatus(name, ABSENT, False, detail=detail))
    return [found[name] for name in sorted(found)]


def _is_passing(unit: Unit) -> bool:
    """Tell whether it runs to an end: an alert is no program that should be up."""
    return unit.id.startswith("ztrade-alert@") or unit.properties.get("Type") == "oneshot"


def state_of(unit: Unit) -> str:
    """Return supervisor's word for a unit's state."""
    if not unit.exists:
        return ABSENT
    return "BACKOFF" if unit.sub == "auto-restart" else _STATES.get(unit.active, unit.active.upper())


def _why_not(unit: Unit) -> str:
    if unit.result not in ("", "success"):
        return f"{unit.result}, exit {unit.exit_status}"
    return "is not running" if unit.active == "inactive" else unit.sub


def _judge(unit: Unit, taking: Mapping[str, Consuming], trouble: Mapping[str, str]) -> ProgramStatus:
    state = state_of(unit)
    known = ProgramStatus(unit.name, state, True, unit.pid, restarts=unit.restarts)
    if state != "RUNNING":
        detail = f"{_why_not(unit)}; see: ztrade logs {unit.name.removeprefix(WORKER)}"
        return replace(known, fine=False, detail=detail)
    if unit.agent is not None:
        seen = taking.get(unit.agent)
        if seen is None:
            why = trouble.get("redis") or "its agent file is gone"
            return replace(known, fine=False, consuming=None if "redis" in trouble else False, detail=why)
        said = f"{seen.how} ({unit.status})" if unit.status and not seen.yes else seen.how
        return replace(known, fine=seen.yes, consuming=seen.yes, detail=said)
    why = trouble.get(unit.name, "")
    return replace(known, fine=not why, detail=why)

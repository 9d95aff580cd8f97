"""systemd's side of the programs: which units there are, how they do, how often they came back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ztrade.domain.agent import canonical_name
from ztrade.errors import TemporaryError

#: present exactly where systemd is the machine's first process (sd_booted(3))
BOOTED = Path("/run/systemd/system")
TARGET, BACKUP = "ztrade.target", "ztrade-backup.timer"
#: what the units write, and read, as the package has them
STATE, CONFIG = Path("/var/lib/ztrade"), Path("/etc/ztrade/ztrade.toml")
#: where enabling makes its links
LINKS = Path("/etc/systemd/system")
#: where the package, and `ztrade deploy`, put units
UNIT_PLACES = (Path("/usr/lib/systemd/system"), LINKS)
_WORKER = "ztrade-worker@"
_SERVICE = ".service"
#: what every installation has
PROGRAMS = ("beat", "keeper", "flower", "exporter", "exchange", "redis")
_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts", "MainPID", "ExecMainStatus",
    "StatusText", "Type", "LogNamespace", "PrivateNetwork", "IPAddressDeny", "IPAddressAllow", "NeedDaemonReload",
    "TimeoutStopUSec", "User",
)  # fmt: skip
#: wall seconds
_TIMEOUT = 5.0

Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit as ``systemctl show`` tells it; ``name`` is as a person says it: ``worker-spy``, ``beat``."""

    id: str
    name: str
    load: str
    active: str
    sub: str
    enabled: str
    result: str
    restarts: int
    pid: int | None
    status: str
    exit_status: int
    properties: Mapping[str, str]

    @property
    def exists(self) -> bool:
        return self.load == "loaded"

    @property
    def agent(self) -> str | None:
        """The agent whose worker this is, however its unit spells it; None for other programs."""
        is_worker = self.id.startswith(_WORKER) and self.id.endswith(_SERVICE)
        return canonical_name(self.id.removeprefix(_WORKER).removesuffix(_SERVICE)) if is_worker else None

    @property
    def is_enabled(self) -> bool:
        return self.enabled in ("enabled", "enabled-runtime", "static", "indirect", "generated")


def unit_of(program: str) -> str:
    """Return the unit of a program: ``worker-spy`` is ``ztrade-worker@spy.service``."""
    agent = program.removeprefix("worker-")
    return f"{_WORKER}{agent}{_SERVICE}" if agent != program else f"ztrade-{program}{_SERVICE}"


def program_of(unit: str) -> str:
    """Return the program of a unit, the other way round."""
    plain = unit.removesuffix(_SERVICE)
    instance = plain.removeprefix(_WORKER)
    return f"worker-{canonical_name(instance)}" if instance != plain else plain.removeprefix("ztrade-")


def runs_here() -> bool:
    """Tell whether systemd is this machine's first process."""
    return BOOTED.is_dir()


def state_elsewhere(state_dir: Path, booted: Path = BOOTED, places: Iterable[Path] = UNIT_PLACES) -> bool:
    """Tell whether units are installed that use another state directory: theirs is fixed, whatever a file says."""
    return installed(booted, places) and state_dir.resolve() != STATE.resolve()


def state_of(config: Path, booted: Path = BOOTED, places: Iterable[Path] = UNIT_PLACES) -> Path | None:
    """Return the state directory of the installed units where ``config`` is their file, whatever is in it."""
    return STATE if config == CONFIG and installed(booted, places) else None


def installed(booted: Path = BOOTED, places: Iterable[Path] = UNIT_PLACES) -> bool:
    """Tell whether systemd is this machine's first process, and has ztrade's units."""
    return booted.is_dir() and any((place / TARGET).exists() for place in places)


def call(arguments: Sequence[str]) -> str:
    """Run a program of systemd's and return what it prints.

    Raises:
        TemporaryError: it is not there, fails, or takes too long.
    """
    try:
        done = subprocess.run(  # noqa: S603 systemd's own programs
            arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TemporaryError(f"{arguments[0]} does not answer: {error}") from None
    if done.returncode != 0:
        raise TemporaryError(f"{' '.join(arguments[:2])}: {' '.join(done.stderr.split()) or done.returncode}")
    return done.stdout


def look(agents: Iterable[str], run: Run = call) -> list[Unit]:
    """Ask systemd once about all units of ztrade: the programs', the agents', and whatever else it has loaded.

    Returns nothing where the units are not installed, or systemd is not in charge.

    Raises:
        TemporaryError: systemd does not answer.
    """
    workers = {unit_of(f"worker-{agent}") for agent in agents} | set(linked())
    named = [unit_of(program) for program in PROGRAMS] + [BACKUP] + sorted(workers)
    patterns = ["ztrade-*.service", "ztrade-*.timer", "ztrade-*.socket"]
    answer = run(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", TARGET, *named, *patterns])
    units = {unit.id: unit for unit in map(_unit, answer.strip().split("\n\n")) if unit is not None}
    target = units.get(TARGET)
    return list(units.values()) if target is not None and target.exists else []


def linked(folder: Path = LINKS) -> list[str]:
    """Return the workers that are enabled, by their links: systemd itself does not know one that it has not loaded."""
    return [path.name for path in folder.glob(f"*.wants/{_WORKER}?*{_SERVICE}")]


def _unit(block: str) -> Unit | None:
    found = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    if not found.get("Id"):
        return None
    return Unit(
        id=found["Id"],
        name=program_of(found["Id"]),
        load=found.get("LoadState", ""),
        active=found.get("ActiveState", ""),
        sub=found.get("SubState", ""),
        enabled=found.get("UnitFileState", ""),
        result=found.get("Result", ""),
        restarts=_number(found.get("NRestarts")),
        pid=_number(found.get("MainPID")) or None,
        status=found.get("StatusText", ""),
        exit_status=_number(found.get("ExecMainStatus")),
        properties=found,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0

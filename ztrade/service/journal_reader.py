"""What the journal has of ztrade's units: the command line that asks it, and its entries as our lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ztrade.service.units import Unit, program_of, unit_of

LEVELS: Mapping[str, int] = {"error": 3, "warning": 4, "info": 6, "debug": 7}
_WORDS = {0: "critical", 1: "critical", 2: "critical", 3: "error", 4: "warning", 5: "info", 6: "info", 7: "debug"}

#: where journald keeps its files
PLACES = (Path("/var/log/journal"), Path("/run/log/journal"))


def _may_read(file: Path) -> bool:
    return os.access(file, os.R_OK)


def command(
    programs: Sequence[str],
    units: Sequence[Unit],
    *,
    lines: int | None,
    since: datetime | None,
    priority: str | None,
    follow: bool,
    as_json: bool,
) -> list[str]:
    """Return the ``journalctl`` that shows the programs' lines, in whatever namespace their units log.

    Args:
        programs: none: all of ztrade's.
        units: as systemd knows them.
        lines: the last so many; None: all.
    """
    namespaces = {unit.properties.get("LogNamespace", "") for unit in units} - {""}
    words = ["journalctl", "--no-pager", "--quiet"]
    # with the plus, what systemd itself says of the units is shown, too
    words += [f"--namespace=+{name}" for name in sorted(namespaces)[:1]]
    known = {unit.name: unit.id for unit in units if unit.exists}
    words += [f"--unit={known.get(program, unit_of(program))}" for program in programs] or ["--unit=ztrade-*"]
    words += [f"--lines={'all' if lines is None else lines}"]
    words += [f"--since=@{since.timestamp():.0f}"] if since else []
    words += [f"--priority={LEVELS[priority]}"] if priority else []
    words += ["--follow"] if follow else []
    words += ["--output=json", "--all"] if as_json else ["--output=short-iso"]
    return words


def is_readable(places: Iterable[Path] = PLACES, may: Callable[[Path], bool] = _may_read) -> bool:
    """Tell whether this user may read the system's journal.

    journalctl itself shows who may not, and has a journal of their own, nothing at all, as if nothing had been written.
    """
    files = [file for place in places for file in place.glob("*/system.journal")]
    return not files or any(map(may, files))


def record(line: str) -> dict[str, Any]:
    """Return one entry of ``journalctl -o json`` as a line of ours: program, timestamp, level, event, its fields.

    Numbers of a field are text here: the journal has no others.
    """
    found = json.loads(line)
    unit = found.get("_SYSTEMD_UNIT") or found.get("UNIT") or ""
    identifier = str(found.get("SYSLOG_IDENTIFIER", ""))
    ours = identifier.startswith("ztrade-")
    at = datetime.fromtimestamp(int(found.get("__REALTIME_TIMESTAMP", 0)) / 1e6, UTC)
    fields = {name.removeprefix("ZT_").lower(): _text(value) for name, value in found.items() if name.startswith("ZT_")}
    return {
        "program": identifier.removeprefix("ztrade-") if ours else program_of(str(unit)),
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "level": _WORDS.get(int(found.get("PRIORITY", 6)), "info"),
        "event": _text(found.get("MESSAGE", "")),
        **fields,
        "message": _text(found.get("MESSAGE", "")),
    }


def _text(value: object) -> str:
    """Return a field's text: the journal gives one that is not UTF-8 as numbers, and one that came twice as a list."""
    if isinstance(value, list) and value and all(isinstance(part, int) for part in value):
        return bytes(value).decode("utf-8", "replace")
    return str(value[-1] if isinstance(value, list) and value else value)

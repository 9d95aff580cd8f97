"""Units as ``systemctl show`` tells them."""

from __future__ import annotations

from ztrade.service.units import Unit, look

RUNNING = {
    "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled",
    "Result": "success", "NRestarts": "0", "MainPID": "7", "ExecMainStatus": "0", "StatusText": "consuming",
}  # fmt: skip


def block(name: str, **properties: str) -> str:
    """Return one unit's answer; what is not said is that of one that runs."""
    return "\n".join(f"{key}={value}" for key, value in {"Id": name, **RUNNING, **properties}.items())


def unit(name: str, **properties: str) -> Unit:
    """Return one unit."""
    answer = "\n\n".join([block("ztrade.target"), block(name, **properties)])
    return next(one for one in look((), lambda _words: answer) if one.id == name)

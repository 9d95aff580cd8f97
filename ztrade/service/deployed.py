"""Programs of ``ztrade deploy supervisor``: under the machine's own supervisord, which answers root alone.

supervisord gives each process its program's name in the environment. Its own user reads that as well as root, so the
listener and ``ztrade status`` need no right to command supervisord.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ztrade.errors import TemporaryError

#: what ``ztrade deploy supervisor`` writes
CONF, GROUP = Path("/etc/supervisor/conf.d/ztrade.conf"), "ztrade"
#: root's own folder, in which supervisord keeps what the programs say outside of their logs
OUT = Path("/var/log/ztrade-out")
_NAME, _GROUP, _STATE = "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME", "ZTRADE_STATE"


class Deployed:
    """The programs of one state directory.

    Args:
        state_dir: as the programs were given it.
        conf: supervisor's file.
        proc: where the kernel shows processes.
    """

    def __init__(self, state_dir: Path, conf: Path = CONF, proc: Path = Path("/proc")) -> None:
        self._state_dir, self._conf, self._proc = state_dir, conf, proc

    def is_here(self) -> bool:
        """Tell whether supervisor has a file for this state directory."""
        with suppress(OSError, UnicodeDecodeError):
            return f'{_STATE}="{self._state_dir}"' in self._conf.read_text(encoding="utf-8")
        return False

    def infos(self, expected: Sequence[str]) -> list[dict[str, Any]]:
        """Return what supervisor itself would say of the programs that should run; nothing where none was deployed.

        Raises:
            TemporaryError: this user does not see them.
        """
        if not self.is_here():
            return []
        if os.geteuid() not in (0, self._owner()):
            raise TemporaryError("the programs of supervisord are seen by root and their own user; fix: sudo -u ztrade")
        found = {str(info["name"]): info for info in self.processes()}
        gone = {"statename": "EXITED", "pid": 0, "description": f"does not run; `supervisorctl status {GROUP}:*`"}
        return [found.get(name, {"name": name, **gone}) for name in expected]

    def _owner(self) -> int:
        with suppress(OSError):
            return self._state_dir.stat().st_uid
        return 0

    def processes(self) -> list[dict[str, Any]]:
        """Return the programs that run, as supervisor shows them."""
        seen = dict(self._seen())
        # children have their parent's environment
        tops = {pid: name for pid, name in seen.items() if seen.get(self._parent(pid)) != name}
        return [{"name": name, "pid": pid, "statename": "RUNNING", "description": ""} for pid, name in tops.items()]

    def _seen(self) -> Iterator[tuple[int, str]]:
        for folder in self._proc.glob("[0-9]*"):
            told = _environment(folder)
            if told.get(_GROUP) == GROUP and told.get(_STATE) == str(self._state_dir) and _NAME in told:
                yield int(folder.name), told[_NAME]

    def _parent(self, pid: int) -> int:
        with suppress(OSError, ValueError, IndexError):
            # the name in parentheses may hold anything
            return int((self._proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        return 0

    def stop(self, program: str) -> None:
        """Ask one program to end; a worker finishes its cycle, and supervisor starts it again by itself."""
        for info in self.processes():
            if info["name"] == program:
                with suppress(ProcessLookupError):
                    os.kill(int(info["pid"]), signal.SIGTERM)

    def start(self, program: str) -> None:
        """Nothing: supervisor does (``autorestart``)."""


def _environment(folder: Path) -> Mapping[str, str]:
    try:
        text = (folder / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    return dict(part.partition("=")[::2] for part in text.split("\0"))

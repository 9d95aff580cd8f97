"""``python -m ztrade.service.listener``: supervisor's event listener, which tells of programs that die or grow.

What systemd's OnFailure= and MemoryMax= are there. Not superlance: its last release is of 2021, it sends mail by
sendmail, and crashmail says nothing of a program that never came up; here all goes through the journal's outbox.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

import structlog
from supervisor import childutils

from ztrade.adapters.clock import SystemClock
from ztrade.adapters.journal import open_journal
from ztrade.app.tell import tell
from ztrade.config import Config, load_main
from ztrade.domain.messages import Severity
from ztrade.errors import ZtradeError
from ztrade.service import logs
from ztrade.service.deployed import GROUP, Deployed
from ztrade.service.programs import MEMORY_LIMIT
from ztrade.service.supervisor import Supervisor

log = structlog.get_logger("ztrade.listener")

Tell = Callable[[Severity, str, str, str], object]
#: supervisor tries a deployed program for ever: after so many starts in a row a person is told that it is down
MANY_TRIES = "10"


class Programs(Protocol):
    """Who shows, stops and starts the programs."""

    def processes(self) -> list[dict[str, Any]]: ...

    def stop(self, name: str, /) -> None: ...

    def start(self, name: str, /) -> None: ...


class Listener:
    """Reacts to supervisor's events.

    Args:
        supervisor: of the same programs.
        tell: severity, key, title and text of a message.
        weigh: bytes held by the process of that number and its children.
        limit: bytes over which a program is restarted, a running cycle being finished first.
    """

    def __init__(
        self, supervisor: Programs, tell: Tell, weigh: Callable[[int], int], limit: int = MEMORY_LIMIT
    ) -> None:
        self._supervisor, self._tell, self._weigh, self._limit = supervisor, tell, weigh, limit
        self._restarting: set[str] = set()

    def on_event(self, name: str, data: Mapping[str, str]) -> None:
        """Take one event: its name, and what supervisor says of it (``processname``, ``pid``, ``expected``...)."""
        program = data.get("processname", "")
        if name == "PROCESS_STATE_EXITED":
            # one that supervisor starts again by itself after its memory was too much
            self._restarting.discard(program)
            if data.get("expected") == "0":
                self._died(program, data.get("pid", ""))
        elif name == "PROCESS_STATE_BACKOFF":
            self._comes_not_up(program, data.get("tries", ""))
        elif name == "PROCESS_STATE_FATAL":
            self._given_up(program)
        elif name == "PROCESS_STATE_STOPPED" and program in self._restarting:
            self._restarting.discard(program)
            self._supervisor.start(program)
        elif name.startswith("TICK"):
            self._weigh_all()

    def _died(self, program: str, pid: str) -> None:
        title = f"{program} has died"
        text = f"{program} (process {pid}) ended unexpectedly; supervisor starts it again. {_see(program)}"
        self._tell(Severity.WARNING, f"supervisor:{program}:died:{pid}", title, text)

    def _comes_not_up(self, program: str, tries: str) -> None:
        if tries == "1":
            text = f"{program} ended right after its start; supervisor tries again. {_see(program)}"
            self._tell(Severity.WARNING, self._key(program, "backoff"), f"{program} does not come up", text)
        elif tries == MANY_TRIES:
            text = f"{program} ended at each of its last {tries} starts; supervisor goes on trying. {_see(program)}"
            self._tell(Severity.CRITICAL, self._key(program, "backoff10"), f"{program} is down", text)

    def _given_up(self, program: str) -> None:
        text = f"{program} ended at every start, and is not tried again. {_see(program)} Then: restart {program}."
        self._tell(Severity.CRITICAL, self._key(program, "fatal"), f"{program} is down", text)

    def _key(self, program: str, what: str) -> str:
        # by the hour: a program that fails all day is told again, and not every minute
        return f"supervisor:{program}:{what}:{SystemClock().wall():%Y%m%dT%H}"

    def _weigh_all(self) -> None:
        for info in self._supervisor.processes():
            program, pid = str(info["name"]), int(info["pid"])
            if pid and program not in self._restarting and (held := self._weigh(pid)) > self._limit:
                self._too_large(program, pid, held)

    def _too_large(self, program: str, pid: int, held: int) -> None:
        sizes = f"{held // 2**20} MB of {self._limit // 2**20} MB"
        text = f"{program} (process {pid}) holds {sizes} and is restarted; a running cycle is finished first."
        self._tell(Severity.WARNING, f"supervisor:{program}:memory:{pid}", f"{program} holds too much memory", text)
        self._restarting.add(program)
        self._supervisor.stop(program)


def _see(program: str) -> str:
    return f"`ztrade logs {program}` says why."


def held(pid: int) -> int:
    """Return the bytes that a process and its children hold, their proportional set size (proc(5)); 0 once gone."""
    return sum(_held_alone(member) for member in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _held_alone(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def teller(config: Config) -> Tell:
    """Return what writes a message into the journal's outbox; one that cannot be kept is still a line in the log."""

    def keep(severity: Severity, key: str, title: str, text: str) -> None:
        try:
            journal = open_journal(config.journal_url, create=False)
        except ZtradeError as error:
            log.error("message_not_kept", key=key, title=title, text=text, error=str(error))
            return
        tell(journal, SystemClock(), severity, key, title, text)
        journal.close()

    return keep


def _standard_output_for_supervisor() -> TextIO:
    """Return where supervisor reads answers; a word there from anybody else would end the conversation for ever."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def main() -> None:
    """Answer supervisor's events until it ends; an event that fails is logged, and never asked for again."""
    parser = argparse.ArgumentParser(prog="python -m ztrade.service.listener", description=__doc__)
    parser.add_argument("--memory", type=int, default=MEMORY_LIMIT, help="bytes that one program may hold")
    parser.add_argument("--deployed", action="store_true", help="those of `ztrade deploy supervisor`, and no others")
    given = parser.parse_args()
    # a mistake in an agent's file is why programs do not come up: it must not silence who tells of that
    config = load_main()
    answers = _standard_output_for_supervisor()
    logs.configure(config.main.log.level, fd=2, place=logs.Place("alerts", config.log_dir if given.deployed else None))
    programs: Programs = Deployed(config.state_dir) if given.deployed else Supervisor(config.state_dir)
    listener = Listener(programs, teller(config), held, given.memory)
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, answers)
        try:
            data = childutils.get_headers(payload.partition("\n")[0])
            # the machine's supervisord has other people's programs, too; a tick is nobody's
            if not given.deployed or data.get("groupname", GROUP) == GROUP:
                listener.on_event(headers["eventname"], data)
        except Exception as error:  # noqa: BLE001 the next event must be heard
            log.error("event_failed", eventname=headers.get("eventname"), error=repr(error))
        childutils.listener.ok(answers)


if __name__ == "__main__":
    main()
